package rollout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// keyPair makes a certificate for a host, told apart by its serial number.
func keyPair(t *testing.T, host string, serial int64) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// shown returns the serial number of the certificate that a host shows.
func shown(address, host string) int64 {
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // the test looks itself
	if err != nil {
		return -1
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificateRotated rotates a Secret under load, spoils it, and deletes it.
func TestCertificateRotated(t *testing.T) {
	rotated := promise(t, "TLS Secret rotated, spoilt, deleted", "0 failed, every certificate is the host's")
	kept := promise(t, "last good certificate", "kept, Event written")
	c := newCluster(t, "certificate")
	secret := &corev1.Secret{ObjectMeta: harness.Meta(c.name, "cert"), Type: corev1.SecretTypeTLS, Data: keyPair(t, "app.test", 1)}
	ingress := c.ingress("app", "app.test", "a")
	ingress.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"app.test"}, SecretName: "cert"}}
	c.backend(t, "a")
	c.apply(t, secret, ingress)
	r := c.gate(t, "--publish-status-address", "192.0.2.1")
	harness.Until(t, 5*time.Second, "the certificate", func() bool { return shown(r.https, "app.test") == 1 })
	// Connections are few, handshakes are wanted: so idle ones are not kept.
	config := &tls.Config{ServerName: "app.test", InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { //nolint:gosec // see shown
		return s.PeerCertificates[0].VerifyHostname("app.test")
	}}
	l := (&load{target: fixed(r.https), tls: config, host: "app.test", rate: 100, fresh: true}).start(t)
	var took []time.Duration
	for serial := int64(2); serial < 8; serial++ {
		harness.Change(t, c, secret, func(o *corev1.Secret) { o.Data = keyPair(t, "app.test", serial) })
		took = append(took, harness.Until(t, 5*time.Second, "the new certificate", func() bool { return shown(r.https, "app.test") == serial }))
	}
	harness.Change(t, c, secret, func(o *corev1.Secret) { o.Data[corev1.TLSPrivateKeyKey] = []byte("spoilt") })
	harness.Until(t, 20*time.Second, "an Event about the spoilt Secret", func() bool { return c.warned("app", "cert") })
	spoilt := shown(r.https, "app.test")
	c.remove(t, secret)
	time.Sleep(length(time.Second, 10*time.Second))
	deleted := shown(r.https, "app.test")
	text, met := l.figure(t)
	rotated.is(met, "%s, new one shown after at most %s", text, quantile(took, 1).Round(time.Millisecond))
	kept.is(spoilt == 7 && deleted == 7, "spoilt: shows %d, deleted: shows %d, of 7", spoilt, deleted)
	c.apply(t, &corev1.Secret{ObjectMeta: harness.Meta(c.name, "cert"), Type: corev1.SecretTypeTLS, Data: keyPair(t, "app.test", 9)})
	harness.Until(t, 5*time.Second, "the certificate after that", func() bool { return shown(r.https, "app.test") == 9 })
}

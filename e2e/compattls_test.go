package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// certificate returns a self-signed certificate and its key for some names, as PEM. The first name is its common name.
func certificate(t *testing.T, names ...string) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// tlsSecret is a TLS Secret.
func tlsSecret(name string, certPEM, keyPEM []byte) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ntype: kubernetes.io/tls\ndata:\n  tls.crt: %s\n  tls.key: %s\n",
		name, base64.StdEncoding.EncodeToString(certPEM), base64.StdEncoding.EncodeToString(keyPEM))
}

// shown returns the common name of the certificate that a client with an SNI gets.
func (s *stage) shown(sni string) string {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, ServerName: sni})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// fakeName is the certificate where no other fits.
const fakeName = "Kubernetes Ingress Controller Fake Certificate"

// TestCompatCertificates is nginx-compat section 3.18.
func TestCompatCertificates(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	one := func(name string, names ...string) { c, k := certificate(t, names...); s.add(tlsSecret(name, c, k)) }
	one("named", "named.test")
	one("wild", "*.wild.test")
	one("other", "other.test")
	one("alias", "alias.test", "extra.test")
	c1, _ := certificate(t, "mixed.test")
	_, k2 := certificate(t, "mixed.test")
	s.add(tlsSecret("mixed", c1, k2), tlsSecret("garbage", []byte("no PEM"), []byte("neither")), tlsSecret("empty", nil, nil), secret("opaque", "nothing: here"))
	for _, i := range []ing{
		{name: "named", host: "named.test", paths: []string{"/"}, secret: "named"},
		{name: "wild", host: "*.wild.test", paths: []string{"/"}, secret: "wild"},
		{name: "inwild", host: "in.wild.test", paths: []string{"/ Prefix b"}},
		{name: "missing", host: "missing.test", paths: []string{"/"}, secret: "nobody"},
		{name: "wrong", host: "wrong.test", paths: []string{"/"}, secret: "other"},
		{name: "mixed", host: "mixed.test", paths: []string{"/"}, secret: "mixed"},
		{name: "garbage", host: "garbage.test", paths: []string{"/"}, secret: "garbage"},
		{name: "empty", host: "empty.test", paths: []string{"/"}, secret: "empty"},
		{name: "opaque", host: "opaque.test", paths: []string{"/"}, secret: "opaque"},
		{name: "nosecret", host: "nosecret.test", paths: []string{"/"}, secret: "-"},
		{name: "alias", host: "alias.test", paths: []string{"/"}, secret: "alias", notes: []string{"server-alias: extra.test, uncovered.test"}},
		{name: "plain", host: "plain.test", paths: []string{"/"}},
		{name: "older", host: "twice.test", paths: []string{"/"}, age: 2},
	} {
		s.add(i.String())
	}
	s.start()
	for sni, want := range map[string]string{
		"named.test": "named.test", "NAMED.test": "named.test", "x.wild.test": "*.wild.test", "in.wild.test": "*.wild.test", "x.y.wild.test": fakeName, "wild.test": fakeName,
		"missing.test": fakeName, "wrong.test": fakeName, "mixed.test": fakeName, "garbage.test": fakeName, "empty.test": fakeName, "opaque.test": fakeName, "nosecret.test": fakeName, "plain.test": fakeName, "": fakeName, "nobody.test": fakeName,
		"extra.test": "alias.test", "uncovered.test": fakeName, "alias.test": "alias.test",
	} {
		if got := s.shown(sni); got != want {
			t.Errorf("SNI %q shows %q, want %q", sni, got, want)
		}
		if sni == "" || strings.HasSuffix(want, "handshake") {
			continue
		}
		want := "a /x"
		switch sni {
		case "x.y.wild.test", "wild.test", "nobody.test":
			want = "404"
		case "in.wild.test":
			want = "b /x"
		}
		if r := s.tls(sni, "/x"); r.String() != want {
			t.Errorf("https %s: %s, want %s", sni, r, want)
		}
	}
	for _, name := range []string{"missing", "wrong", "mixed", "garbage", "empty", "opaque"} {
		s.logged("default/"+name, "certificate")
	}
	if strings.Contains(s.gate.Log(), "PRIVATE KEY") {
		t.Error("the log shows a key")
	}
	// A Host that is not the SNI is served; http goes to https also without a certificate.
	if r, state := s.tlsAs("named.test", "plain.test", "/x"); r.String() != "a /x" || state.PeerCertificates[0].Subject.CommonName != "named.test" {
		t.Errorf("another Host than the SNI: %s", r)
	}
	if r, state := s.tlsAs("named.test", "named.test", "/"); state.Version != tls.VersionTLS13 || r.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%x %v", state.Version, r.Header)
	}
	s.want("missing.test", "/", "308 https://missing.test")
	if _, err := tls.Dial("tcp", s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	s.edit("settings", configMap("ssl-reject-handshake: true"))
	harness.Until(t, 5*time.Second, "ssl-reject-handshake", func() bool { return strings.Contains(s.shown("nobody.test"), "unrecognized") })
	if got := s.shown("named.test"); got != "named.test" {
		t.Errorf("with ssl-reject-handshake: %s", got)
	}
}

// TestCompatCertificatesAtRunTime adds, renews, breaks and removes Secrets, while clients are connected.
func TestCompatCertificatesAtRunTime(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}, secret: "cert"}.String())
	c, k := certificate(t, "default.test")
	s.edit("default", tlsSecret("fallback", c, k))
	s.start("--default-ssl-certificate", "default/fallback")
	wait := func(what, sni, want string) {
		t.Helper()
		harness.Until(t, 5*time.Second, what, func() bool { return s.shown(sni) == want })
	}
	wait("default certificate", "nobody.test", "default.test")
	wait("no Secret yet", "x.test", "default.test")
	c, k = certificate(t, "first", "x.test")
	s.edit("cert", tlsSecret("cert", c, k))
	wait("Secret added", "x.test", "first")
	old, err := tls.Dial("tcp", s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, ServerName: "x.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	c2, k2 := certificate(t, "second", "x.test")
	s.edit("cert", tlsSecret("cert", c2, k2))
	wait("Secret renewed", "x.test", "second")
	if r := s.exchange(old, "GET", "x.test", "/x", ""); r.String() != "a /x" {
		t.Errorf("the connection of before: %s", r)
	}
	s.edit("cert", tlsSecret("cert", c2, k)) // the key of the first
	s.logged("default/x", "certificate")
	if got := s.shown("x.test"); got != "second" {
		t.Errorf("a broken Secret shows %q, want the last good certificate", got)
	}
	s.edit("cert", "")
	s.logged("default/x", "there is no Secret default/cert")
	if got := s.shown("x.test"); got != "second" {
		t.Errorf("a removed Secret shows %q, want the last good certificate", got)
	}
	c, k = certificate(t, "third", "x.test")
	s.edit("cert", tlsSecret("cert", c, k))
	wait("Secret back", "x.test", "third")
}

// TestCompatCertificateByCover shows a Secret of the Ingress that covers a host which no TLS entry names.
func TestCompatCertificateByCover(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	c, k := certificate(t, "cover", "*.cover.test")
	s.add(tlsSecret("cover", c, k), `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: cover}
spec:
  ingressClassName: nginx
  tls: [{secretName: cover}]
  rules:
  - {host: a.cover.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}
  - {host: uncovered.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}
`)
	s.start()
	if got := s.shown("a.cover.test"); got != "cover" {
		t.Errorf("a.cover.test shows %q", got)
	}
	if got := s.shown("uncovered.test"); got != fakeName {
		t.Errorf("uncovered.test shows %q", got)
	}
	s.want("uncovered.test", "/", "308 https://uncovered.test")
}

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"testing"
	"time"
)

// password is what opens auth.test.
const password = "Authorization: Basic dXNlcjpwYXNzd29yZA==⏎"

// addLane makes a lane for a case and returns its manifests.
func (s *suite) addLane(t *testing.T, c *specialCase, scheme string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	name := fmt.Sprintf("lane-%d", len(s.lanes))
	s.lanes[c.id+c.what+scheme] = &lane{name + ".test", l}
	return service(name, l.Addr().(*net.TCPAddr).Port) + secured(name, name+".test", map[string]string{"/": name}, c.annotations...)
}

// secured is an Ingress with a certificate that does not send http away.
func secured(name, host string, paths map[string]string, annotations ...string) string {
	var list, notes string
	for path, service := range paths {
		list += fmt.Sprintf("\n      - {path: %s, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}", path, service)
	}
	for _, a := range append(annotations, `ssl-redirect: "false"`) {
		notes += "\n    nginx.ingress.kubernetes.io/" + a
	}
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  annotations:%s
spec:
  ingressClassName: nginx
  tls: [{hosts: [%s], secretName: certificate}]
  rules:
  - host: %s
    http:
      paths:%s
`, name, notes, host, host, list)
}

// newCertificate makes a certificate for *.test and returns a pool that trusts it and the Secret that holds it.
func newCertificate(t *testing.T) (*x509.CertPool, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wire"}, DNSNames: []string{"*.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(crt)
	secret := fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: certificate}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n",
		base64.StdEncoding.EncodeToString(crt), base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return pool, secret
}

// portOf returns the port of an address.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return n
}

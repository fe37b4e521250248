package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync/atomic"
	"testing"
	"time"
)

// CA issues certificates.
type CA struct {
	t      testing.TB
	Leaf   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial atomic.Int64
}

// Certificate is a certificate with its key.
type Certificate struct {
	Leaf *x509.Certificate
	// TLS is what crypto/tls takes; Cert and Key are the same as PEM.
	TLS       tls.Certificate
	Cert, Key string
}

// New returns a CA that signed itself.
func New(t testing.TB, name string) *CA {
	ca := &CA{t: t, key: newKey(t)}
	template := caTemplate(name)
	ca.Leaf = sign(t, template, template, ca.key, ca.key)
	return ca
}

// Intermediate returns a CA that ca vouches for.
func (ca *CA) Intermediate(name string) *CA {
	sub := &CA{t: ca.t, key: newKey(ca.t)}
	template := caTemplate(name)
	template.SerialNumber = ca.next()
	sub.Leaf = sign(ca.t, template, ca.Leaf, sub.key, ca.key)
	return sub
}

// PEM returns the certificate of the CA.
func (ca *CA) PEM() string { return encode("CERTIFICATE", ca.Leaf.Raw) }

// Client issues a certificate for a client. change may change it before it is signed; chain are intermediates sent along.
func (ca *CA) Client(name string, change func(*x509.Certificate), chain ...*CA) Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return ca.issue(template, change, chain)
}

// Server issues a certificate for a server with some names.
func (ca *CA) Server(names ...string) Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return ca.issue(template, nil, nil)
}

// issue signs a certificate.
func (ca *CA) issue(template *x509.Certificate, change func(*x509.Certificate), chain []*CA) Certificate {
	ca.t.Helper()
	template.SerialNumber = ca.next()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if change != nil {
		change(template)
	}
	key := newKey(ca.t)
	leaf := sign(ca.t, template, ca.Leaf, key, ca.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatal(err)
	}
	c := Certificate{Leaf: leaf, Cert: encode("CERTIFICATE", leaf.Raw), Key: encode("PRIVATE KEY", der)}
	c.TLS = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, sub := range chain {
		c.Cert += sub.PEM()
		c.TLS.Certificate = append(c.TLS.Certificate, sub.Leaf.Raw)
	}
	return c
}

// Revoke returns a revocation list that holds until a time, as PEM.
func (ca *CA) Revoke(until time.Time, revoked ...Certificate) string {
	ca.t.Helper()
	list := &x509.RevocationList{Number: ca.next(), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: until}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.Leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Hour),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Leaf, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return encode("X509 CRL", der)
}

// SelfSigned returns a certificate of a client that signed itself.
func SelfSigned(t testing.TB, name string) Certificate {
	self := &CA{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	leaf := sign(t, template, template, self.key, self.key)
	return Certificate{Leaf: leaf, Cert: encode("CERTIFICATE", leaf.Raw), TLS: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: self.key, Leaf: leaf}}
}

// SelfSignedCA returns the certificate of a CA as one that a client shows.
func SelfSignedCA(t testing.TB, name string) Certificate {
	ca := New(t, name)
	return Certificate{Leaf: ca.Leaf, Cert: ca.PEM(), TLS: tls.Certificate{Certificate: [][]byte{ca.Leaf.Raw}, PrivateKey: ca.key, Leaf: ca.Leaf}}
}

// next returns a serial number of its own.
func (ca *CA) next() *big.Int { return big.NewInt(1000 + ca.serial.Add(1)) }

// caTemplate is what a CA is made from.
func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Test"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns a signed certificate.
func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

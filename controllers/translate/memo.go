package translate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations"
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Memo keeps what is dear to compute from one Translate to the next: parsed certificates, and what annotations
// mean. It changes how long Translate takes and nothing else. The zero value is ready; it is safe for concurrent
// use.
type Memo struct {
	mu           sync.Mutex
	certificates map[types.NamespacedName]*certificate
	// applying is held by the translation that uses applier.
	applying sync.Mutex
	applier  *annotations.Applier
}

// borrow returns an Apply that remembers, and what ends its use. While another translation has it, and from a nil
// Memo, it returns one that does not.
func (m *Memo) borrow(globals map[string]string) (apply func(*feature.Source) (*feature.Intent, []feature.Problem), done func()) {
	if m == nil || !m.applying.TryLock() {
		return annotations.Apply, func() {}
	}
	if m.applier == nil {
		m.applier = annotations.NewApplier()
	}
	m.applier.Begin(globals)
	return m.applier.Apply, m.applying.Unlock
}

// certificate is a TLS Secret that has been read.
type certificate struct {
	ir.Certificate
	// names has what of the leaf says which hosts it covers.
	names x509.Certificate
	// fault says why it cannot be shown; "" if it can.
	fault string
	// missing says that there was no Secret to read.
	missing bool
	// crt and key are what it was read from.
	crt, key []byte
}

// find returns what was read from a Secret if its contents are still the same, else nil. A nil Memo has
// nothing.
func (m *Memo) find(name types.NamespacedName, secret *corev1.Secret) *certificate {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	c := m.certificates[name]
	m.mu.Unlock()
	if c == nil || c.missing || !bytes.Equal(c.crt, secret.Data[corev1.TLSCertKey]) || !bytes.Equal(c.key, secret.Data[corev1.TLSPrivateKeyKey]) {
		return nil
	}
	return c
}

// keep forgets everything but the certificates of the latest translation.
func (m *Memo) keep(used map[types.NamespacedName]*certificate) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.certificates = used
	m.mu.Unlock()
}

// readCertificate reads a TLS Secret. Whether the key belongs to the certificate is left to the data plane,
// which has to parse it anyway and keeps the last good one.
func readCertificate(name types.NamespacedName, secret *corev1.Secret) *certificate {
	c := &certificate{crt: secret.Data[corev1.TLSCertKey], key: secret.Data[corev1.TLSPrivateKeyKey]}
	c.Ref = ir.CertificateRef{Namespace: name.Namespace, Name: name.Name}
	c.Cert, c.Key = string(c.crt), string(c.key)
	if len(c.crt) == 0 || len(c.key) == 0 {
		c.fault = "Secret " + name.String() + " lacks tls.crt or tls.key"
		return c
	}
	leaf, fault := parseLeaf(c.crt)
	if leaf == nil {
		c.fault = "tls.crt in Secret " + name.String() + " " + fault
		return c
	}
	c.names.DNSNames, c.names.IPAddresses = leaf.DNSNames, leaf.IPAddresses
	// ingress-nginx still honours the common name.
	if cn := leaf.Subject.CommonName; cn != "" {
		c.names.DNSNames = append(c.names.DNSNames[:len(c.names.DNSNames):len(c.names.DNSNames)], cn)
	}
	return c
}

// parseLeaf returns the first certificate of a PEM text, or why there is none.
func parseLeaf(text []byte) (leaf *x509.Certificate, fault string) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, "holds no PEM certificate"
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "holds a certificate that cannot be read: " + shown(err.Error())
		}
		return leaf, ""
	}
}

// covers reports whether the certificate is good for a host; a wildcard host needs exactly that name.
func (c *certificate) covers(host string) bool { return c.names.VerifyHostname(host) == nil }

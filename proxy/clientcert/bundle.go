package clientcert

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// bundle is what certificates are checked against. It is immutable.
type bundle struct {
	// roots are the CAs that signed themselves. Only they are where a chain may end, as for OpenSSL; the
	// others only help to get there.
	roots, others *x509.CertPool
	// lists are the revocation lists by the name of who signed them; nil if nobody asked for any.
	lists map[string][]*list
}

// list is a revocation list.
type list struct {
	*x509.RevocationList
	revoked map[string]struct{} // serial numbers, as bytes
	// signer is the CA of the bundle that signed it, or nil: then it may be one that the client sends.
	signer *x509.Certificate
}

// PEM types.
const (
	typeCertificate = "CERTIFICATE"
	typeList        = "X509 CRL"
)

// blocks calls f for every PEM block of a type.
func blocks(text, kind string, f func(der []byte) error) error {
	n := 0
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != kind {
			continue
		}
		n++
		if err := f(b.Bytes); err != nil {
			return fmt.Errorf("%s %d: %w", kind, n, err)
		}
	}
	if n == 0 {
		return fmt.Errorf("there is no %s in it", kind)
	}
	return nil
}

// ParseCAs reads the CAs of a bundle in PEM, for the list that a handshake shows to clients.
func ParseCAs(ca string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	err := blocks(ca, typeCertificate, func(der []byte) error {
		c, err := x509.ParseCertificate(der)
		if err == nil {
			pool.AddCert(c)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read CAs: %w", err)
	}
	return pool, nil
}

// newBundle reads CAs, and revocation lists unless crl is "".
func newBundle(ca, crl string) (*bundle, error) {
	b := &bundle{roots: x509.NewCertPool(), others: x509.NewCertPool()}
	var cas []*x509.Certificate
	err := blocks(ca, typeCertificate, func(der []byte) error {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		cas = append(cas, c)
		if selfSigned(c) {
			b.roots.AddCert(c)
		} else {
			b.others.AddCert(c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read ca.crt: %w", err)
	}
	if crl == "" {
		return b, nil
	}
	b.lists = make(map[string][]*list)
	err = blocks(crl, typeList, func(der []byte) error {
		l, err := newList(der, cas)
		if err == nil {
			b.lists[string(l.RawIssuer)] = append(b.lists[string(l.RawIssuer)], l)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read ca.crl: %w", err)
	}
	return b, nil
}

// selfSigned reports whether a certificate is its own issuer.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// newList reads a revocation list. One with a critical extension says less than it seems to: that it tells changes
// only, or is about some certificates alone.
func newList(der []byte, cas []*x509.Certificate) (*list, error) {
	rl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	for _, e := range rl.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("critical extension %s is not known", e.Id)
		}
	}
	l := &list{RevocationList: rl, revoked: make(map[string]struct{}, len(rl.RevokedCertificateEntries))}
	for i := range rl.RevokedCertificateEntries {
		l.revoked[string(rl.RevokedCertificateEntries[i].SerialNumber.Bytes())] = struct{}{}
	}
	for _, c := range cas {
		if bytes.Equal(c.RawSubject, rl.RawIssuer) && rl.CheckSignatureFrom(c) == nil {
			l.signer = c
		}
	}
	return l, nil
}

// signedBy reports whether a CA signed the list.
func (l *list) signedBy(ca *x509.Certificate) bool {
	if l.signer != nil {
		return l.signer.Equal(ca)
	}
	return l.CheckSignatureFrom(ca) == nil
}

// The reasons for which a certificate is refused, as OpenSSL words them.
const (
	reasonExpired    = "certificate has expired"
	reasonNotYet     = "certificate is not yet valid"
	reasonSelfSigned = "self-signed certificate"
	reasonRoot       = "self-signed certificate in certificate chain"
	reasonNoIssuer   = "unable to get local issuer certificate"
	reasonUnverified = "unable to verify the first certificate"
	reasonPartial    = "unable to get issuer certificate"
	reasonPurpose    = "unsuitable certificate purpose"
	reasonInvalid    = "invalid certificate"
	reasonRevoked    = "certificate revoked"
	reasonNoList     = "unable to get certificate CRL"
	reasonListOld    = "CRL has expired"
	reasonListNotYet = "CRL is not yet valid"
)

// unknownIssuer reports whether a reason only says that no CA vouches for the certificate, which optional_no_ca lets pass
// (nginx: ngx_ssl_verify_error_optional).
func unknownIssuer(reason string) bool {
	return slices.Contains([]string{reasonSelfSigned, reasonRoot, reasonNoIssuer, reasonUnverified}, reason)
}

// verify checks what a client has sent, its own certificate first. It returns why that is not good, or "", and until when
// it is.
func (b *bundle) verify(sent []*x509.Certificate, depth int, now time.Time) (reason string, until time.Time) {
	leaf := sent[0]
	switch {
	case now.After(leaf.NotAfter):
		return reasonExpired, until
	case now.Before(leaf.NotBefore):
		return reasonNotYet, until
	case leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement) == 0:
		return reasonPurpose, until
	}
	between := b.others
	if len(sent) > 1 {
		between = between.Clone()
		for _, c := range sent[1:] {
			between.AddCert(c)
		}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: b.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return b.explain(reasonOf(err, sent), leaf, between, now), until
	}
	for _, chain := range chains {
		if reason, until = b.verifyChain(chain, depth, now); reason == "" {
			return "", until
		}
	}
	return reason, until
}

// explain goes on where no CA vouches for a certificate. It may come from a CA of the bundle that does not sign itself, so
// that its own issuer is missing; or the lists that are asked for cannot exist. Neither is forgiven by optional_no_ca.
func (b *bundle) explain(reason string, leaf *x509.Certificate, between *x509.CertPool, now time.Time) string {
	switch {
	case !unknownIssuer(reason):
		return reason
	case b.lists != nil && (reason == reasonRoot || reason == reasonSelfSigned):
		return reasonNoList
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: b.others, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err == nil {
		return reasonPartial
	}
	return reason
}

// verifyChain checks a chain that ends in a CA of ours: how long it is, and what is revoked. Like OpenSSL it asks for the list
// of every CA in it (X509_V_FLAG_CRL_CHECK_ALL).
func (b *bundle) verifyChain(chain []*x509.Certificate, depth int, now time.Time) (reason string, until time.Time) {
	switch {
	case len(chain)-2 <= depth:
	case b.lists != nil:
		return reasonNoList, until
	default:
		return reasonNoIssuer, until // OpenSSL looks no further
	}
	for i, c := range chain {
		if until.IsZero() || c.NotAfter.Before(until) {
			until = c.NotAfter
		}
		if b.lists == nil {
			continue
		}
		issuer := chain[min(i+1, len(chain)-1)]
		reason, next := b.revoked(c, issuer, now)
		if reason != "" {
			return reason, time.Time{}
		}
		if next.Before(until) {
			until = next
		}
	}
	return "", until
}

// revoked looks a certificate up in the lists of its issuer. It returns when to look again.
func (b *bundle) revoked(c, issuer *x509.Certificate, now time.Time) (reason string, next time.Time) {
	reason = reasonNoList
	for _, l := range b.lists[string(issuer.RawSubject)] {
		switch {
		case !l.signedBy(issuer):
			continue
		case now.Before(l.ThisUpdate):
			reason = reasonListNotYet
			continue
		case !l.NextUpdate.IsZero() && now.After(l.NextUpdate):
			reason = reasonListOld
			continue
		}
		if _, found := l.revoked[string(c.SerialNumber.Bytes())]; found {
			return reasonRevoked, next
		}
		reason, next = "", l.NextUpdate
		if next.IsZero() {
			next = c.NotAfter
		}
	}
	return reason, next
}

// reasonOf words an error of x509 as OpenSSL does.
func reasonOf(err error, sent []*x509.Certificate) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		switch {
		case selfSigned(sent[0]):
			return reasonSelfSigned
		case slices.ContainsFunc(sent[1:], selfSigned):
			return reasonRoot
		case len(sent) > 1:
			return reasonNoIssuer
		}
		return reasonUnverified
	case !errors.As(err, &invalid):
		return reasonInvalid
	}
	switch invalid.Reason {
	case x509.Expired:
		return reasonExpired
	case x509.IncompatibleUsage:
		return reasonPurpose
	}
	return reasonInvalid
}

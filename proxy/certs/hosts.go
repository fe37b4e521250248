package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/clientcert"
	"github.com/yettproxy/yett/proxy/ir"
)

// What hosts have of their own in a handshake: ciphers, and the question for a certificate of the client.

// hostSpec is that, to be compared.
type hostSpec struct {
	auth    ir.ClientAuth
	ciphers string
}

// own returns the configuration of a host that has one of its own, or nil. Hosts that ask for the same share it.
func (b *builder) own(h *ir.VirtualHost) *tls.Config {
	spec := hostSpec{ciphers: h.Ciphers}
	if h.ClientAuth.Mode > ir.VerifyOff && h.Deny == 0 {
		spec.auth = h.ClientAuth
	}
	if spec == (hostSpec{}) {
		return nil
	}
	if c := b.configs[spec]; c != nil {
		return c
	}
	c := b.next.config.Clone()
	if spec.ciphers != "" {
		c.CipherSuites = b.ciphers("ssl-ciphers of "+h.Name, spec.ciphers)
	}
	if spec.auth.Mode != ir.VerifyNone {
		b.askForCertificate(c, h.Name, &spec)
	}
	b.configs[spec] = c
	return c
}

// askForCertificate makes a configuration ask clients for a certificate. Whether it is good is decided for each request, by
// package clientcert; the handshake shows clients which CAs they may choose from.
//
// A session is taken up again only by a handshake that asks the same: otherwise a client that has shown no certificate, or
// one to other CAs, would never be asked.
func (b *builder) askForCertificate(c *tls.Config, host string, spec *hostSpec) {
	c.ClientAuth = tls.RequestClientCert
	pool, err := clientcert.ParseCAs(spec.auth.CA)
	if err != nil { // the route table closes the host
		b.problems = append(b.problems, Problem{Host: host, Reason: "certificates of clients: " + err.Error()})
		return
	}
	c.ClientCAs = pool
	// Text of which two different questions cannot have the same.
	asked := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%q\x00%q", spec.auth.Mode, spec.ciphers, spec.auth.CA, spec.auth.CRL))
	outer := b.store.server // has the keys
	c.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, asked[:])
		return outer.EncryptTicket(state, session)
	}
	c.UnwrapSession = func(identity []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		session, err := outer.DecryptTicket(identity, state)
		if err != nil || session == nil {
			return nil, err
		}
		for _, extra := range session.Extra {
			if bytes.Equal(extra, asked[:]) {
				return session, nil
			}
		}
		return nil, nil
	}
}

// ciphers reads a cipher list and reports what is left out of it.
func (b *builder) ciphers(key, list string) []uint16 {
	suites, unknown := ParseCiphers(list)
	if len(unknown) > 0 {
		instead := "left out"
		if suites == nil {
			instead = "and nothing else is left, so the standard ones are used"
		}
		b.problems = append(b.problems, Problem{Reason: key + ": " + strings.Join(unknown, ", ") + " not known or not supported, " + instead})
	}
	return suites
}

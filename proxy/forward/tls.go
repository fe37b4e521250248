package forward

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/variable"
)

// transport is how to speak TLS to endpoints. It is immutable.
type transport struct {
	profile upstream.Profile
	config  *tls.Config
}

// transports makes transports, each once: those with the same settings share sessions, and their
// connections may be shared. The settings are what they are known by, so a changed Secret makes another
// transport with other connections.
type transports struct {
	mu    sync.Mutex
	known map[ir.UpstreamTLS]*transport
}

// maxTransports is how many are remembered. More are made all the same, but forgotten: rotating
// certificates would otherwise be remembered forever.
const maxTransports = 1024

// get returns the transport for settings.
func (t *transports) get(s ir.UpstreamTLS) (*transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tr, ok := t.known[s]; ok {
		return tr, nil
	}
	config, err := upstreamTLS(&s)
	if err != nil {
		return nil, err
	}
	tr := &transport{profile: profileOf(&s), config: config}
	if t.known == nil || len(t.known) >= maxTransports {
		t.known = make(map[ir.UpstreamTLS]*transport)
	}
	t.known[s] = tr
	return tr, nil
}

// profileOf returns what tells connections with these settings from others: a digest of everything that
// they say.
func profileOf(s *ir.UpstreamTLS) (p upstream.Profile) {
	h := sha256.New()
	fmt.Fprintf(h, "%t %d %t %q %q %q %q %d %d %q", s.Verify, s.Depth, s.SendName, s.Name, s.CA, s.Certificate, s.Key,
		s.MinVersion, s.MaxVersion, s.Ciphers)
	copy(p[:], h.Sum(nil))
	p[0] |= 1 // never the zero profile, which is cleartext
	return p
}

// upstreamTLS makes the configuration that nginx would have: no verification and no SNI unless asked for,
// and a name to verify that need not be the one that is sent.
func upstreamTLS(s *ir.UpstreamTLS) (*tls.Config, error) {
	// crypto/tls verifies against the name that it sends; nginx knows the two apart, so verification is
	// our own: see verify.
	c := &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // verify does it, if the user wants it
		MinVersion:         s.MinVersion, MaxVersion: s.MaxVersion,
		ClientSessionCache: tls.NewLRUClientSessionCache(256),
		CipherSuites:       cipherSuites(s.Ciphers),
	}
	if s.SendName {
		c.ServerName = s.Name
	}
	if s.Certificate != "" {
		pair, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.Key))
		if err != nil {
			return nil, fmt.Errorf("read client certificate for upstream: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.Verify {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(s.CA)) {
			return nil, errors.New("read CA for upstream: there is no certificate in it")
		}
		c.VerifyConnection = func(state tls.ConnectionState) error { return verify(&state, roots, s.Name, s.Depth) }
	}
	return c, nil
}

// verify checks an endpoint's certificate against the user's CA and name. depth is how many intermediate
// certificates there may be (SSL_CTX_set_verify_depth).
func verify(state *tls.ConnectionState, roots *x509.CertPool, name string, depth int) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("verify upstream: it sent no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := state.PeerCertificates[0].Verify(o)
	if err != nil {
		return fmt.Errorf("verify upstream %q: %w", name, err)
	}
	for _, chain := range chains {
		if len(chain) <= depth+2 {
			return nil
		}
	}
	return fmt.Errorf("verify upstream %q: more than %d intermediate certificates", name, depth)
}

// cipherSuites translates an OpenSSL cipher list. Names that crypto/tls does not have and operators are left
// out; nil, the library's own choice, if nothing is left.
func cipherSuites(list string) []uint16 {
	var ids []uint16
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		for _, set := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
			for _, suite := range set {
				if name == suite.Name || name == variable.CipherName(suite.ID) {
					ids = append(ids, suite.ID)
				}
			}
		}
	}
	return ids
}

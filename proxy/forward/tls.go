package forward

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
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
	known map[transportKey]*transport
}

// transportKey is what a transport is known by.
type transportKey struct {
	ir.UpstreamTLS
	http2 bool
}

// maxTransports is how many are remembered. More are made all the same, but forgotten: rotating
// certificates would otherwise be remembered forever.
const maxTransports = 1024

// get returns the transport for settings; with http2 it is one that speaks HTTP/2.
func (t *transports) get(s ir.UpstreamTLS, http2 bool) (*transport, error) {
	key := transportKey{s, http2}
	t.mu.Lock()
	defer t.mu.Unlock()
	if tr, ok := t.known[key]; ok {
		return tr, nil
	}
	config, err := upstreamTLS(&s)
	if err != nil {
		return nil, err
	}
	tr := &transport{profile: profileOf(&key), config: config}
	if http2 {
		config.NextProtos = []string{"h2"}
	}
	if t.known == nil || len(t.known) >= maxTransports {
		t.known = make(map[transportKey]*transport)
	}
	t.known[key] = tr
	return tr, nil
}

// profileOf returns what tells connections with these settings from others: a digest of everything that
// they say.
func profileOf(s *transportKey) (p upstream.Profile) {
	h := sha256.New()
	fmt.Fprintf(h, "%t %t %d %t %q %q %q %q %d %d %q", s.http2, s.Verify, s.Depth, s.SendName, s.Name, s.CA, s.Certificate, s.Key,
		s.MinVersion, s.MaxVersion, s.Ciphers)
	copy(p[:], h.Sum(nil))
	p[0] |= 1 // never one of those for cleartext
	return p
}

// clearHTTP2 is the profile of HTTP/2 in cleartext; HTTP/1.1 has the zero profile.
var clearHTTP2 = upstream.Profile{2}

// profile tells the connections that a plan can use from those that it cannot; t is nil for cleartext.
func (p *Plan) profile(t *transport) upstream.Profile {
	switch {
	case t != nil:
		return t.profile
	case p.shared:
		return clearHTTP2
	}
	return upstream.Profile{}
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
		// It is shown whatever CAs the endpoint names, as nginx does: crypto/tls by itself would show none that those have not issued
		// directly, and the endpoint could not tell which one it turns down.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
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

// certificateAlerts are the alerts by which a server turns down the certificate of its client (RFC 8446 section 6.2): bad, unsupported,
// revoked, expired, unknown, of an unknown CA, not allowed, and missing.
var certificateAlerts = [...]tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}

// refusesUs reports whether an error of a connection is one of those alerts. crypto/tls does not export the type that it puts them into,
// only one with the same texts.
func refusesUs(err error) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	text := remote.Err.Error()
	return slices.ContainsFunc(certificateAlerts[:], func(a tls.AlertError) bool { return a.Error() == text })
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

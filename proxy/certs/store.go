package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// Problem is something wrong with the configuration of TLS that a user can mend.
type Problem struct {
	// Ref is the certificate it is about; zero for settings.
	Ref ir.CertificateRef
	// Host is a host it is about, or "".
	Host string
	// Reason says what is wrong, and what is done instead.
	Reason string
}

// Options are what a Store is made with. The zero value is good.
type Options struct {
	// NextProtos are the protocols offered by ALPN, in order of preference; nil for "http/1.1".
	NextProtos []string
}

// Store holds the certificates.
type Store struct {
	options Options
	// own is shown until Update, and where the default certificate cannot be used.
	own     *tls.Certificate
	server  *tls.Config
	current atomic.Pointer[snapshot]

	mu sync.Mutex // serialises Update, guards good
	// good are the certificates in use, by reference.
	good map[ir.CertificateRef]*parsed
}

// parsed is a certificate with the text it was read from.
type parsed struct {
	cert, key string
	tls       *tls.Certificate
}

// snapshot is what handshakes look at. It is immutable.
type snapshot struct {
	// exact are all names of hosts; wildcard those that begin with "*", without it.
	exact, wildcard map[string]shows
	// patterns are the aliases that are regular expressions.
	patterns []aliasPattern
	fallback *tls.Certificate
	config   *tls.Config
	// unnamed is the configuration for names that no host has: config, or that of the catch-all.
	unnamed *tls.Config
	// reject is the configuration for names that no host has, or nil.
	reject *tls.Config
	shown  []Shown
}

// shows is what a name gets to see: a certificate, and a configuration if its host has one of its own.
type shows struct {
	certificate *tls.Certificate
	own         *tls.Config
}

// aliasPattern is an alias that is a regular expression, with what its host shows.
type aliasPattern struct {
	*pattern.Pattern
	shows
}

// NewStore returns a Store that shows a self-signed certificate of its own until Update is called:
// ingress-nginx's "Kubernetes Ingress Controller Fake Certificate".
func NewStore(o Options) (*Store, error) {
	if o.NextProtos == nil {
		o.NextProtos = []string{"http/1.1"}
	}
	certPEM, keyPEM, err := selfSigned("Kubernetes Ingress Controller Fake Certificate", "ingress.local")
	if err != nil {
		return nil, err
	}
	own, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read own certificate: %w", err)
	}
	s := &Store{options: o, own: &own, good: make(map[ir.CertificateRef]*parsed)}
	// The outer configuration never changes: crypto/tls keeps the keys of session tickets in it.
	s.server = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: o.NextProtos,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return s.current.Load().configFor(hello), nil
		},
	}
	s.Update(&ir.Config{})
	return s, nil
}

// ServerConfig returns the configuration for listeners. It follows later Updates.
func (s *Store) ServerConfig() *tls.Config { return s.server }

// GetCertificate chooses the certificate for a handshake. It never fails: names that no host has get the
// default certificate, also where ServerConfig rejects them.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.current.Load().getCertificate(hello)
}

// Shown is the certificate that is shown for a host, for metrics.
type Shown struct {
	// Host is the name of the host, "_" for names that no host has.
	Host string
	// Ref names the Secret; zero for the Store's own certificate.
	Ref  ir.CertificateRef
	Leaf *x509.Certificate
}

// Shown lists the certificates of all hosts with TLS, sorted by host. It must only be read.
func (s *Store) Shown() []Shown { return s.current.Load().shown }

// configFor returns the configuration for a handshake.
func (s *snapshot) configFor(hello *tls.ClientHelloInfo) *tls.Config {
	switch found, ok := s.find(hello.ServerName); {
	case !ok && s.reject != nil:
		return s.reject
	case !ok:
		return s.unnamed
	case found.own != nil:
		return found.own
	}
	return s.config
}

// getCertificate implements tls.Config.GetCertificate.
func (s *snapshot) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if found, ok := s.find(hello.ServerName); ok {
		return found.certificate, nil
	}
	return s.fallback, nil
}

// find returns what a name gets to see, and whether some host has the name.
func (s *snapshot) find(name string) (shows, bool) {
	if name == "" {
		return shows{}, false
	}
	name = strings.ToLower(name) // copies only if it has to
	if found, ok := s.exact[name]; ok {
		return found, true
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if found, ok := s.wildcard[name[dot:]]; ok {
			return found, true
		}
	}
	for i := range s.patterns {
		if p := &s.patterns[i]; p.Match(name) {
			found := p.shows
			if !covers(found.certificate.Leaf, name) {
				found.certificate = s.fallback
			}
			return found, true
		}
	}
	return shows{}, false
}

package certs

import (
	"crypto/tls"

	"github.com/yettproxy/yett/proxy/ir"
)

// Problem is something wrong with the configuration of TLS that a user can mend.
type Problem struct {
	// Ref is the certificate it is about; zero for settings.
	Ref ir.CertificateRef
	// Host is the host it is about, or "".
	Host string
	// Reason says what is wrong.
	Reason string
}

// Options are what a Store is made with. The zero value is good.
type Options struct {
	// NextProtos are the protocols offered by ALPN, in order of preference; nil for "http/1.1".
	NextProtos []string
}

// Store holds the certificates.
type Store struct{}

// NewStore returns a Store that shows a self-signed certificate of its own until Update is called.
func NewStore(o Options) (*Store, error) { return &Store{}, nil }

// Update takes over the certificates and TLS settings of cfg and returns what is wrong with them. A
// certificate that cannot be used any more keeps its last good version as long as a host names it.
func (s *Store) Update(cfg *ir.Config) []Problem { return nil }

// GetCertificate chooses the certificate for a handshake.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }

// ServerConfig returns the configuration for listeners. It follows later Updates.
func (s *Store) ServerConfig() *tls.Config { return &tls.Config{} }

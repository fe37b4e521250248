package listen

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// ConnServer serves one connection to its end on the caller's goroutine. It says through info.Watch when
// the connection waits for a request and when it works on one.
type ConnServer interface {
	Serve(ctx context.Context, conn net.Conn, info *filter.Conn)
}

// Options are what a Listener is made with.
type Options struct {
	// HTTP and HTTPS are addresses to listen on, "host:port"; an empty host listens on all addresses of
	// both families.
	HTTP, HTTPS []string
	// TLS is the configuration for HTTPS.
	TLS *tls.Config
	// Server serves the connections.
	Server ConnServer
	// HandshakeTimeout limits the TLS handshake; 0 for 10 seconds.
	HandshakeTimeout time.Duration
	// MaxConnections is how many connections may be open at once; 0 for no limit.
	MaxConnections int
}

// Listener accepts connections on a set of addresses.
type Listener struct{}

// New binds all addresses. Nothing is accepted until Start.
func New(o Options) (*Listener, error) { return &Listener{}, nil }

// Start begins to accept. It returns at once.
func (l *Listener) Start(ctx context.Context) {}

// Draining says that connections are to be closed after the response being written.
func (l *Listener) Draining() bool { return false }

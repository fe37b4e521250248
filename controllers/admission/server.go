package admission

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
)

// maxConnections is how many connections there may be at a time. An API server needs a few.
const maxConnections = 256

// Server is the port of the webhook.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Listen binds the port; nobody is answered until Run. certificate returns what is shown at the moment.
func Listen(address string, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), to logr.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("bind port of the admission webhook: %w", err)
	}
	return &Server{listener: listener, server: &http.Server{
		Handler: handler,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: certificate,
			// Sessions that are resumed would show the certificate that they began with.
			SessionTicketsDisabled: true,
		},
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: maxWait, WriteTimeout: 2 * maxWait, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: newServerLog(to),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 1 << 20},
	}}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run answers until the context ends, and then finishes what it has begun.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
		defer cancel()
		if s.server.Shutdown(ctx) != nil {
			s.server.Close()
		}
	})
	err := s.server.ServeTLS(netutil.LimitListener(s.listener, maxConnections), "", "")
	if !stop() {
		<-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admission webhook: %w", err)
	}
	return nil
}

// Close gives the port back, for a server that was never run.
func (s *Server) Close() error { return s.listener.Close() }

// serverLog passes what net/http complains of to the log: broken handshakes, mostly.
type serverLog struct{ log logr.Logger }

// newServerLog returns a logger for http.Server.
func newServerLog(l logr.Logger) *log.Logger { return log.New(serverLog{l}, "", 0) }

// Write implements io.Writer.
func (l serverLog) Write(p []byte) (int, error) {
	l.log.V(1).Info("connection", "error", strings.TrimSpace(string(p)))
	return len(p), nil
}

package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// connect gets a connection to an endpoint: an idle one, or a new one. The idle one may be dead; converse finds out.
func (s *flight) connect(e *upstream.Endpoint) upstream.Failure {
	t := s.plan.transport(s.x.Scheme)
	pool := e.Pool(s.plan.profile(t))
	if s.plan.shared {
		return s.share(e, pool, t)
	}
	if !s.fresh {
		if c, ok := pool.Take(s.x.Conn.Serial, upstream.Now()).(*conn); ok {
			c.Wake()
			s.take(c, true)
			return upstream.NoFailure
		}
	}
	raw, failure := s.dial(e, t)
	if failure != upstream.NoFailure {
		return failure
	}
	c := &conn{ClientConn: http1.NewClientConn(raw), pool: pool, Pooled: upstream.Pooled{Created: upstream.Now()}}
	s.take(c, false)
	return upstream.NoFailure
}

// take makes a connection the flight's. Routes that share endpoints share idle connections, so what a route wants to be
// said on it is set each time.
func (s *flight) take(c *conn, reused bool) {
	c.http10, c.last = s.plan.Policy.HTTP10, s.plan.closes
	c.Persist(s.plan.persists)
	client, _ := s.x.Stream.(wire.Roomer)
	c.For(client)
	s.conn, s.reused = c, reused
}

// dial makes a connection. The limit is for TCP and TLS together.
func (s *flight) dial(e *upstream.Endpoint, t *transport) (net.Conn, upstream.Failure) {
	ctx, cancel := s.connectContext()
	defer cancel()
	s.cancel = cancel
	s.wait.begin()
	c, failure := s.forwarder.reach(ctx, e.Address().AddrPort, t)
	s.gone = s.wait.end()
	s.cancel = nil
	if s.gone && c != nil {
		_ = c.Close()
		return nil, upstream.ConnectError
	}
	return c, failure
}

// connectContext ends when connecting has taken too long.
func (s *flight) connectContext() (context.Context, context.CancelFunc) {
	if limit := s.bound(s.plan.Policy.Connect); limit > 0 {
		return context.WithTimeout(context.Background(), limit)
	}
	return context.WithCancel(context.Background())
}

// reach makes a connection, with TLS if there is a transport.
func (f *Forwarder) reach(ctx context.Context, to netip.AddrPort, t *transport) (net.Conn, upstream.Failure) {
	c, err := f.dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
	if err != nil {
		return nil, dialFailure(err)
	}
	if t == nil {
		return c, upstream.NoFailure
	}
	secure := tls.Client(c, t.config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		switch failure := dialFailure(err); {
		case failure == upstream.ConnectTimeout:
			return nil, failure
		case refusesUs(err):
			return nil, upstream.CertificateRefused
		}
		return nil, upstream.TLSError
	}
	return secure, upstream.NoFailure
}

// dialFailure says what an error of dialling means.
func dialFailure(err error) upstream.Failure {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return upstream.ConnectRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.As(err, &timeout) && timeout.Timeout():
		return upstream.ConnectTimeout
	}
	return upstream.ConnectError
}

package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"

	"github.com/yettproxy/yett/proxy/http2"
	"github.com/yettproxy/yett/proxy/upstream"
)

// share gets a stream on a connection to an endpoint: one that is there, or a new one, which whoever comes first makes and
// all others wait for.
func (s *flight) share(e *upstream.Endpoint, pool *upstream.Pool, t *transport) upstream.Failure {
	serial := s.x.Conn.Serial
	for {
		c, d, mine := pool.Share(serial)
		switch {
		case c != nil:
			s.conn, s.reused = multiplexed{c.(*http2.ClientConn).Stream()}, true
			return upstream.NoFailure
		case mine:
			shared, failure := s.open(e, t)
			if failure != upstream.NoFailure {
				if s.gone {
					pool.Settle(serial, d, nil, upstream.NoFailure) // no reason for others to fail
				} else {
					pool.Settle(serial, d, nil, failure)
				}
				return failure
			}
			pool.Settle(serial, d, shared, upstream.NoFailure)
			s.conn, s.reused = multiplexed{shared.Stream()}, false
			return upstream.NoFailure
		}
		if failure := s.await(d); failure != upstream.NoFailure {
			return failure
		}
	}
}

// open makes a shared connection, with a place for this flight.
func (s *flight) open(e *upstream.Endpoint, t *transport) (*http2.ClientConn, upstream.Failure) {
	ctx, cancel := s.connectContext()
	defer cancel()
	s.cancel = cancel
	s.wait.begin()
	var c *http2.ClientConn
	raw, failure := s.forwarder.reach(ctx, e.Address().AddrPort, t)
	if failure == upstream.NoFailure {
		c, failure = greet(ctx, raw)
	}
	s.gone = s.wait.end()
	s.cancel = nil
	switch {
	case failure != upstream.NoFailure:
	case s.gone:
		c.Retire()
		failure = upstream.ConnectError
	case !c.Reserve(): // it allows no request at all, or is about to end
		c.Retire()
		failure = upstream.Refused
	}
	return c, failure
}

// greet begins to speak HTTP/2 on a new connection.
func greet(ctx context.Context, raw net.Conn) (*http2.ClientConn, upstream.Failure) {
	if secure, ok := raw.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol != "h2" {
		_ = raw.Close()
		return nil, upstream.Unsupported
	}
	c := http2.NewClientConn(raw)
	switch err := c.Greet(ctx); {
	case err == nil:
		return c, upstream.NoFailure
	case errors.Is(err, http2.ErrNotHTTP2):
		return nil, upstream.Unsupported
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return nil, upstream.ConnectTimeout
	case refusesUs(err):
		return nil, upstream.CertificateRefused
	}
	return nil, upstream.ConnectError
}

// await waits until another flight has made a connection, or has not.
func (s *flight) await(d *upstream.Dialling) (failure upstream.Failure) {
	ctx, cancel := s.connectContext()
	defer cancel()
	s.cancel = cancel
	s.wait.begin()
	select {
	case <-d.Done():
		failure = d.Failure()
	case <-ctx.Done():
		failure = upstream.ConnectTimeout
	}
	if s.gone = s.wait.end(); s.gone {
		failure = upstream.ConnectError
	}
	s.cancel = nil
	return failure
}

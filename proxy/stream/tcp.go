package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/listen"
	"github.com/yettproxy/yett/proxy/preamble"
	"github.com/yettproxy/yett/proxy/tunnel"
	"github.com/yettproxy/yett/proxy/upstream"
)

// tcpPort is a port of a TCP service.
type tcpPort struct {
	server   *Server
	listener *listen.Listener
	target   atomic.Pointer[target]
	counters
}

var _ listen.ConnServer = (*tcpPort)(nil)

// newTCPPort binds a port.
func newTCPPort(s *Server, port uint16) (*tcpPort, error) {
	p := &tcpPort{server: s}
	var addresses []string
	for _, host := range s.options.Hosts {
		addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	var err error
	p.listener, err = listen.New(listen.Options{HTTP: addresses, Server: p, MaxConnections: s.options.MaxConnections, Errors: s.options.Errors})
	if err != nil {
		return nil, fmt.Errorf("open tcp port: %w", err)
	}
	return p, nil
}

// lead implements port.
func (p *tcpPort) lead(t *target) {
	p.target.Store(t)
	p.listener.Configure(listen.Policy{
		ProxyProtocol: t.stream.AcceptProxy, HeaderTimeout: t.settings.HeaderTimeout, Trusted: t.settings.Trusted,
	})
}

// start implements port.
func (p *tcpPort) start(ctx context.Context) { p.listener.Start(ctx) }

// drain implements port.
func (p *tcpPort) drain(ctx context.Context, grace time.Duration) error {
	return p.listener.Drain(ctx, grace)
}

// stats implements port.
func (p *tcpPort) stats() Stats {
	s := p.counters.stats(p.target.Load().stream)
	conns := p.listener.Stats()
	s.Active, s.HeaderErrors = conns.Active, conns.HeaderErrors
	return s
}

// Serve implements listen.ConnServer.
func (p *tcpPort) Serve(ctx context.Context, conn net.Conn, info *filter.Conn) {
	t := p.target.Load()
	s := session{info: info, stream: t.stream}
	p.server.connect(ctx, conn, &s, t, &p.counters)
}

// Pass hands a connection that nothing has been read of to an upstream, unopened, and returns when it is over. serverName is
// the name its client asks for.
func (s *Server) Pass(ctx context.Context, conn net.Conn, info *filter.Conn, u *upstream.Upstream, serverName string) {
	t := &target{stream: ir.Stream{Port: info.Local.Port(), Upstream: u.Key()}, upstream: u, settings: s.settings.Load()}
	s.connect(ctx, conn, &session{info: info, stream: t.stream, serverName: serverName}, t, &s.passed)
}

// connect joins a connection of a client with an endpoint.
func (s *Server) connect(ctx context.Context, conn net.Conn, what *session, t *target, c *counters) {
	what.start = time.Now()
	what.info.Watch.Tunnel()
	c.sessions.Add(1)
	client, ok := conn.(*net.TCPConn)
	if ok {
		what.status = s.carry(ctx, client, what, t, c)
	}
	if what.status != statusOK {
		c.failed.Add(1)
		if ok {
			_ = client.SetLinger(0) // a reset: the client is to see that this is no ordinary end
		}
		_ = conn.Close()
	}
	s.log(what, t.settings)
}

// The statuses of sessions, as nginx has them.
const (
	statusOK         = 200
	statusInternal   = 500
	statusBadGateway = 502
)

// carry finds an endpoint and moves bytes until the end.
func (s *Server) carry(ctx context.Context, client *net.TCPConn, what *session, t *target, c *counters) (status int) {
	choice := upstream.Choice{Serial: what.info.Serial}
	server, endpoint := s.dial(ctx, &choice, what, t)
	if server == nil {
		return statusBadGateway
	}
	endpoint.Begin()
	defer endpoint.Done()
	// Who is being cut does not wait for the other side.
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if t.stream.SendProxy {
		header := preamble.AppendProxy(nil, what.client(), what.local())
		if _, err := server.Write(header); err != nil {
			_ = server.Close()
			return statusBadGateway
		}
	}
	joined := tunnel.Tunnel{Idle: t.settings.Idle, In: &c.in, Out: &c.out}
	what.received, what.sent = joined.Join(tunnel.Side{Conn: client}, tunnel.Side{Conn: server})
	return statusOK
}

// dial connects to an endpoint, or to the next one if it cannot be reached.
func (s *Server) dial(ctx context.Context, choice *upstream.Choice, what *session, t *target) (*net.TCPConn, *upstream.Endpoint) {
	settings := &t.settings.StreamSettings
	begin := time.Now()
	for try := 1; ctx.Err() == nil; try++ {
		e := t.upstream.Pick(choice)
		if e == nil {
			return nil, nil
		}
		what.try(e)
		limit, cancel := context.WithTimeout(ctx, settings.Connect)
		began := time.Now()
		conn, err := s.dialer.DialTCP(limit, "tcp", netip.AddrPort{}, e.Address().AddrPort)
		cancel()
		if err == nil {
			what.connect = time.Since(began)
			return conn, e
		}
		e.Fail(dialFailure(err))
		switch {
		case !settings.Retry, settings.RetryTries > 0 && try >= settings.RetryTries, try >= upstream.MaxTries:
			return nil, nil
		case settings.RetryTimeout > 0 && time.Since(begin) >= settings.RetryTimeout:
			return nil, nil
		}
	}
	return nil, nil
}

// dialFailure says what an error of dialing means.
func dialFailure(err error) upstream.Failure {
	var timeout net.Error
	switch {
	case isRefused(err):
		return upstream.ConnectRefused
	case errors.As(err, &timeout) && timeout.Timeout():
		return upstream.ConnectTimeout
	}
	return upstream.ConnectError
}

package http3

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Handler answers one request. It must end the stream by Finish or Abort before it returns, and nobody may touch the exchange
// or its stream after that.
type Handler interface {
	ServeExchange(x *filter.Exchange)
}

// Options are what a Server is made with.
type Options struct {
	// Addresses are the UDP addresses to listen on, "host:port".
	Addresses []string
	// TLS is the configuration of the https listeners; what is spoken is filled in.
	TLS *tls.Config
	// Handler answers the requests that are well formed.
	Handler Handler
	// Limits returns the limits in force; it is called for each connection and each request. Nil for the defaults.
	Limits func() *wire.Limits
	// MaxConnections is how many connections may be open at once; 0 for no limit. Those beyond are refused.
	MaxConnections int
	// Rejected, if set, is told of each request that the engine answered by itself, with the reason in a few words.
	Rejected func(x *filter.Exchange, reason string)
	// Panicked, if set, is told of each panic of the handler.
	Panicked func(x *filter.Exchange, value any)
}

// Server serves HTTP/3.
type Server struct {
	options Options
	ends    []*end

	mu       sync.Mutex
	conns    map[*quic.Conn]*conn
	draining bool

	accepted, handled, requests atomic.Uint64
}

// end is one address that is listened on.
type end struct {
	socket    net.PacketConn
	transport *quic.Transport
	listener  *quic.Listener
}

// headCap is the largest head that is read at all, in bytes as RFC 9114 section 4.2.2 counts them; within it the limits
// decide. It bounds what all streams of a connection can make us hold.
const headCap = 64 << 10

// The windows that are granted, in bytes: those of package http2.
const (
	streamWindow = 256 << 10
	connWindow   = 1 << 20
)

// handshakeTimeout is how long a client may take to answer within the handshake.
const handshakeTimeout = 5 * time.Second

// New binds all addresses. Nothing is accepted until Start. Whoever made it must call Drain in the end.
func New(o Options) (*Server, error) {
	if o.Limits == nil {
		defaults := wire.DefaultLimits()
		o.Limits = func() *wire.Limits { return &defaults }
	}
	s := &Server{options: o, conns: make(map[*quic.Conn]*conn)}
	for _, address := range o.Addresses {
		if err := s.bind(address); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// bind listens on an address.
func (s *Server) bind(address string) error {
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return fmt.Errorf("listen on udp %q: %w", address, err)
	}
	e := &end{socket: socket, transport: &quic.Transport{Conn: socket}}
	s.ends = append(s.ends, e)
	config := &quic.Config{GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) { return s.config(), nil }}
	if e.listener, err = e.transport.Listen(http3.ConfigureTLSConfig(s.options.TLS), config); err != nil {
		return fmt.Errorf("listen on udp %q: %w", address, err)
	}
	return nil
}

// config returns the parameters of a new connection.
func (s *Server) config() *quic.Config {
	l := s.options.Limits()
	idle := l.IdleTimeout
	if idle <= 0 {
		idle = time.Second // a connection must live at least as long as its request
	}
	return &quic.Config{
		HandshakeIdleTimeout: handshakeTimeout, MaxIdleTimeout: idle,
		InitialStreamReceiveWindow: streamWindow, MaxStreamReceiveWindow: streamWindow,
		InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow,
		MaxIncomingStreams: int64(max(l.ConcurrentStreams, 1)), MaxIncomingUniStreams: 8,
	}
}

// Addresses returns where it listens.
func (s *Server) Addresses() []net.Addr {
	var list []net.Addr
	for _, e := range s.ends {
		list = append(list, e.socket.LocalAddr())
	}
	return list
}

// Start begins to accept connections. It returns at once; when ctx ends, connections are cut.
func (s *Server) Start(ctx context.Context) {
	for _, e := range s.ends {
		go s.accept(ctx, e.listener)
	}
}

// The codes of RFC 9114 section 8.1 that connections are closed with.
const (
	codeNoError       = quic.ApplicationErrorCode(http3.ErrCodeNoError)
	codeExcessiveLoad = quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad)
)

// accept serves connections until the listener is closed. Their handshakes are complete.
func (s *Server) accept(ctx context.Context, l *quic.Listener) {
	for {
		q, err := l.Accept(ctx)
		if err != nil {
			return
		}
		serial := s.accepted.Add(1)
		c := s.newConn(q, serial)
		if !s.add(c) {
			// An error of the goodbye is nobody's concern.
			_ = q.CloseWithError(codeExcessiveLoad, "")
			continue
		}
		s.handled.Add(1)
		go func() {
			defer s.remove(c)
			stop := context.AfterFunc(ctx, c.cut)
			defer stop()
			go c.attend(s.options.Limits)
			_ = c.http.ServeQUICConn(q) // how a connection ended is its client's affair
			c.cut()
		}()
	}
}

// add takes a connection in, unless there are too many.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := s.options.MaxConnections; s.draining || most > 0 && len(s.conns) >= most {
		return false
	}
	s.conns[c.quic] = c
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c.quic)
	s.mu.Unlock()
}

// Stats are the counters of a Server, as listen.Stats has them.
type Stats struct {
	Accepted, Handled, Requests uint64
	// Active is how many connections are open, Writing how many of them work on a request.
	Active, Writing int
}

// Stats counts the connections. It looks at each of them.
func (s *Server) Stats() Stats {
	st := Stats{Accepted: s.accepted.Load(), Handled: s.handled.Load(), Requests: s.requests.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		st.Active++
		if c.running.Load() > 0 {
			st.Writing++
		}
	}
	return st
}

// addrPort returns an address of a UDP socket; IPv4 on an IPv6 socket as IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := udp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/socket"
)

// ConnServer serves one connection to its end on the caller's goroutine: when Serve returns, the
// connection is closed. It says through info.Watch when the connection waits for a request and when it
// works on one. When ctx ends, the connection is being cut.
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
	// Diverter takes connections off the https addresses before TLS begins; nil for none.
	Diverter Diverter
	// MaxConnections is how many connections may be open at once; 0 for no limit. Those beyond are closed
	// at once.
	MaxConnections int
	// Errors, if set, is told of what goes wrong beside single connections: accepting fails, a server
	// panics. It is called seldom, from any goroutine.
	Errors func(error)
}

// Diverter takes some TLS connections away unopened, by the name that their client asks for.
type Diverter interface {
	// Diverts reports whether any name is taken. As long as it says no, connections are not looked into.
	Diverts() bool
	// Divert serves a connection of which nothing has been read to its end and returns true, or leaves it alone and returns
	// false. serverName is as the client wrote it, "" if it named none.
	Divert(ctx context.Context, conn net.Conn, info *filter.Conn, serverName string) bool
}

// Policy is what may change while a Listener is at work. It is immutable once it is handed over.
type Policy struct {
	// ProxyProtocol demands a PROXY header ahead of everything else on every connection (use-proxy-protocol).
	ProxyProtocol bool
	// HeaderTimeout limits the wait for it; 0 for 5 seconds (proxy-protocol-header-timeout).
	HeaderTimeout time.Duration
	// Trusted says whose headers are believed (proxy-real-ip-cidr); those of others are read and forgotten. nil believes
	// nobody.
	Trusted func(peer netip.Addr) bool
}

// defaultHeaderTimeout is how long a PROXY header may take: nginx's default in ingress-nginx.
const defaultHeaderTimeout = 5 * time.Second

// defaultHandshakeTimeout is how long a TLS handshake may take.
const defaultHandshakeTimeout = 10 * time.Second

// Listener accepts connections on a set of addresses.
type Listener struct {
	options      Options
	plain, https []net.Listener

	ctx    context.Context
	cancel context.CancelFunc
	unhook func() bool

	policy   atomic.Pointer[Policy]
	draining atomic.Bool
	// idleEnd is set once connections may wait for requests no more.
	idleEnd atomic.Bool
	// stopped is closed together with the listeners.
	stopped   chan struct{}
	closeOnce sync.Once
	accepting sync.WaitGroup

	conns    registry
	accepted atomic.Uint64
	handled  atomic.Uint64
	open     atomic.Int64
	failed   atomic.Uint64 // TLS handshakes
	headless atomic.Uint64 // connections closed for want of a PROXY header
}

// New binds all addresses. Nothing is accepted until Start. Whoever made it must call Drain in the end.
func New(o Options) (*Listener, error) {
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	if o.Errors == nil {
		o.Errors = func(error) {}
	}
	if len(o.HTTPS) > 0 && o.TLS == nil {
		return nil, errors.New("listen: https without a TLS configuration")
	}
	l := &Listener{options: o, stopped: make(chan struct{}), unhook: func() bool { return true }}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.conns.init()
	l.policy.Store(&Policy{})
	for _, address := range o.HTTP {
		if err := l.bind(&l.plain, address); err != nil {
			return nil, err
		}
	}
	for _, address := range o.HTTPS {
		if err := l.bind(&l.https, address); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Configure takes over a policy, for connections that are accepted from now on.
func (l *Listener) Configure(p Policy) {
	if p.HeaderTimeout <= 0 {
		p.HeaderTimeout = defaultHeaderTimeout
	}
	l.policy.Store(&p)
}

// bind adds a listener, or closes all.
func (l *Listener) bind(list *[]net.Listener, address string) error {
	lc := net.ListenConfig{}
	// A client that vanished is noticed in two minutes, without a packet for each every few seconds.
	socket.KeepAlive(&lc, net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4})
	lc.SetMultipathTCP(false) // Go asks for it by default; splice and socket options are not all there with it
	ln, err := lc.Listen(l.ctx, "tcp", address)
	if err != nil {
		l.close()
		l.cancel()
		return fmt.Errorf("listen on %q: %w", address, err)
	}
	*list = append(*list, ln)
	return nil
}

// Addresses returns where it listens: for http and for https.
func (l *Listener) Addresses() (plain, https []net.Addr) {
	for _, ln := range l.plain {
		plain = append(plain, ln.Addr())
	}
	for _, ln := range l.https {
		https = append(https, ln.Addr())
	}
	return plain, https
}

// Start begins to accept. It returns at once. The context is that of all connections; Drain ends it too.
func (l *Listener) Start(ctx context.Context) {
	l.unhook = context.AfterFunc(ctx, l.cancel)
	for _, ln := range l.plain {
		l.accepting.Go(func() { l.accept(ln, false) })
	}
	for _, ln := range l.https {
		l.accepting.Go(func() { l.accept(ln, true) })
	}
}

// The pauses after Accept failed: no file descriptors, most likely, and they do not come back at once.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// accept accepts connections until the listener is closed.
func (l *Listener) accept(ln net.Listener, https bool) {
	pause := time.Duration(0)
	for {
		raw, err := ln.Accept()
		if err == nil {
			pause = 0
			l.begin(raw, https)
			continue
		}
		select {
		case <-l.stopped:
			return
		default:
		}
		if isAborted(err) {
			continue // the client gave up while it was in the queue
		}
		if pause == 0 {
			l.options.Errors(fmt.Errorf("accept on %s: %w", ln.Addr(), err))
		}
		pause = min(max(2*pause, firstPause), maxPause)
		select {
		case <-l.stopped:
			return
		case <-time.After(pause):
		}
	}
}

// close closes all listeners. What is in their queues is reset by the kernel.
func (l *Listener) close() {
	l.closeOnce.Do(func() {
		close(l.stopped)
		for _, ln := range l.plain {
			ln.Close()
		}
		for _, ln := range l.https {
			ln.Close()
		}
	})
}

// Draining says that connections are to be closed after the response being written.
func (l *Listener) Draining() bool { return l.draining.Load() }

// Stats are the counters of a Listener, as nginx has them.
type Stats struct {
	// Accepted, Handled and Requests count since the start; Handled leaves out connections refused at the
	// limit. Requests leaves out those that were pipelined behind others.
	Accepted, Handled, Requests uint64
	// Active is how many connections are open; Reading, Writing and Waiting are its parts: in the TLS
	// handshake, in a request or tunnel, waiting for a request.
	Active, Reading, Writing, Waiting int
	// HandshakeErrors counts TLS handshakes that failed since the start.
	HandshakeErrors uint64
	// HeaderErrors counts connections that were closed since they did not begin with a good PROXY header.
	HeaderErrors uint64
}

// Stats counts the connections. It looks at each of them, so it is for scrapes, not for requests.
func (l *Listener) Stats() Stats {
	s := Stats{Accepted: l.accepted.Load(), Handled: l.handled.Load(), HandshakeErrors: l.failed.Load(), HeaderErrors: l.headless.Load()}
	closed := l.conns.each(func(c *tracked) {
		s.Active++
		switch c.state.Load() {
		case handshaking:
			s.Reading++
		case idle, closing:
			s.Waiting++
		default:
			s.Writing++
		}
		s.Requests += c.requests.Load()
	})
	s.Requests += closed
	return s
}

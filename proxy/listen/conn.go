package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/preamble"
)

// The states of a connection. Only the engine leaves active and tunnel; idle is left by the engine when a
// request comes and by drain, and whoever is first wins.
const (
	handshaking uint32 = iota
	idle               // waits for a request
	active             // works on one
	tunnel             // was hijacked
	closing            // was closed by drain while it was idle
)

// tracked is one connection. It implements filter.ConnWatcher.
type tracked struct {
	info     filter.Conn
	listener *Listener
	raw      net.Conn
	policy   *Policy
	// opened is when the client could first send a request, in nanoseconds since 1970.
	opened   atomic.Int64
	state    atomic.Uint32
	requests atomic.Uint64
}

var _ filter.ConnWatcher = (*tracked)(nil)

// Idle implements filter.ConnWatcher.
func (c *tracked) Idle() bool {
	c.state.Store(idle)
	// Drain sets idleEnd before it looks at states, so either it sees this connection or it is seen here.
	return !c.listener.idleEnd.Load() || c.fresh()
}

// fresh reports whether the connection has not begun a request and is young enough to be waited for.
func (c *tracked) fresh() bool {
	return c.requests.Load() == 0 && time.Now().UnixNano()-c.opened.Load() < int64(patience)
}

// Active implements filter.ConnWatcher.
func (c *tracked) Active() bool {
	c.requests.Add(1)
	return c.state.CompareAndSwap(idle, active)
}

// Tunnel implements filter.ConnWatcher.
func (c *tracked) Tunnel() { c.state.Store(tunnel) }

// begin counts a connection in and serves it on a goroutine of its own.
func (l *Listener) begin(raw net.Conn, https bool) {
	serial := l.accepted.Add(1)
	if n := l.open.Add(1); l.options.MaxConnections > 0 && n > int64(l.options.MaxConnections) {
		l.open.Add(-1)
		raw.Close()
		return
	}
	l.handled.Add(1)
	c := &tracked{listener: l, raw: raw, policy: l.policy.Load()}
	c.opened.Store(time.Now().UnixNano())
	c.info = filter.Conn{
		Serial: serial, Peer: addrPort(raw.RemoteAddr()), Local: addrPort(raw.LocalAddr()), HTTPS: https, Watch: c,
	}
	if sc, ok := raw.(syscall.Conn); ok {
		c.info.Raw, _ = sc.SyscallConn()
	}
	if !https && !c.policy.ProxyProtocol {
		c.state.Store(idle)
	}
	l.conns.add(c)
	go l.serve(c)
}

// addrPort returns an address of a TCP connection; IPv4 that came in on an IPv6 socket as IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// serve prepares a connection and runs it to its end. A handshake makes the stack of its goroutine grow several times, and
// it would stay so for as long as the connection lives; so a connection with TLS goes on with a new one.
func (l *Listener) serve(c *tracked) {
	handed := false
	defer func() {
		if !handed {
			l.end(c, recover())
		}
	}()
	if c.policy.ProxyProtocol && !l.takeHeader(c) {
		return
	}
	if !c.info.HTTPS {
		l.options.Server.Serve(l.ctx, c.raw, &c.info)
		return
	}
	if l.diverted(c) {
		return
	}
	if conn := l.handshake(c); conn != nil {
		handed = true
		go l.serveTLS(c, conn)
	}
}

// serveTLS runs a connection after its handshake to its end.
func (l *Listener) serveTLS(c *tracked, conn net.Conn) {
	defer func() { l.end(c, recover()) }()
	l.options.Server.Serve(l.ctx, conn, &c.info)
}

// end ends a connection; panicked is what its goroutine panicked with, if it did.
func (l *Listener) end(c *tracked, panicked any) {
	if panicked != nil {
		l.options.Errors(fmt.Errorf("serve connection of %s: panic: %v\n%s", c.info.Peer, panicked, debug.Stack()))
	}
	c.raw.Close()
	l.conns.remove(c)
	l.open.Add(-1)
}

// takeHeader reads the PROXY header that must come first, and reports whether it did. Whoever connects must send one, but
// only those who are trusted say with it who the client is.
func (l *Listener) takeHeader(c *tracked) bool {
	header, err := preamble.TakeProxy(c.raw, c.policy.HeaderTimeout)
	if err != nil {
		l.headless.Add(1)
		return false
	}
	if c.policy.Trusted != nil && c.policy.Trusted(c.info.Peer.Addr()) {
		c.info.ProxyProtocol, c.info.ProxyProtocolLocal = header.Source, header.Destination
	}
	if !c.info.HTTPS {
		c.opened.Store(time.Now().UnixNano())
		c.state.Store(idle)
	}
	return true
}

// diverted lets the Diverter serve a connection whose client asks for a name that it takes. It reports whether the
// connection is over.
func (l *Listener) diverted(c *tracked) bool {
	d := l.options.Diverter
	if d == nil || !d.Diverts() {
		return false
	}
	name, err := preamble.PeekName(c.raw, l.options.HandshakeTimeout)
	if err != nil {
		l.failed.Add(1)
		return true
	}
	return d.Divert(l.ctx, c.raw, &c.info, name)
}

// handshake does the TLS handshake. It returns nil if that failed.
func (l *Listener) handshake(c *tracked) net.Conn {
	conn := tls.Server(c.raw, l.options.TLS)
	if c.raw.SetDeadline(time.Now().Add(l.options.HandshakeTimeout)) != nil {
		return nil
	}
	// Without a context, which would cost a goroutine: drain closes the connection below.
	if err := conn.Handshake(); err != nil {
		l.failed.Add(1)
		var header tls.RecordHeaderError
		if errors.As(err, &header) && header.Conn != nil && isMethod(header.RecordHeader[0]) {
			answerPlain(c.raw)
		}
		return nil
	}
	if c.raw.SetDeadline(time.Time{}) != nil {
		return nil
	}
	state := conn.ConnectionState()
	c.info.TLS, c.info.Certificate = &state, new(atomic.Pointer[filter.ClientCertificate])
	c.opened.Store(time.Now().UnixNano())
	return conn
}

// isAborted reports whether a connection went away before it was accepted.
func isAborted(err error) bool {
	return errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EINTR)
}

// shards is into how many parts the registry is cut, so that cores seldom meet.
const shards = 16

// registry knows all open connections.
type registry struct {
	shards [shards]struct {
		mu    sync.Mutex
		conns map[*tracked]struct{}
		// requests are those of connections that are closed.
		requests uint64
	}
	count atomic.Int64
}

func (r *registry) init() {
	for i := range r.shards {
		r.shards[i].conns = make(map[*tracked]struct{})
	}
}

func (r *registry) add(c *tracked) {
	s := &r.shards[c.info.Serial%shards]
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	r.count.Add(1)
}

func (r *registry) remove(c *tracked) {
	s := &r.shards[c.info.Serial%shards]
	s.mu.Lock()
	delete(s.conns, c)
	s.requests += c.requests.Load()
	s.mu.Unlock()
	r.count.Add(-1)
}

// each calls f for every connection, and returns the requests of those that are closed.
func (r *registry) each(f func(*tracked)) (requests uint64) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for c := range s.conns {
			f(c)
		}
		requests += s.requests
		s.mu.Unlock()
	}
	return requests
}

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
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/observe"
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
	// MaxConnections is how many connections may be open at once; 0 for no limit. Those beyond it are
	// closed at once.
	MaxConnections int
}

// Listener accepts connections on a set of addresses and keeps track of them.
type Listener struct {
	options    Options
	plain, tls []net.Listener
	conns      connSet
	serial     atomic.Uint64
	draining   atomic.Bool
	closing    atomic.Bool

	accepted, handled, failedHandshakes atomic.Uint64

	accepting, serving sync.WaitGroup
}

// New binds all addresses. Nothing is accepted until Start; until then clients wait in the backlog.
func New(o Options) (*Listener, error) {
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	l := &Listener{options: o}
	var err error
	if l.plain, err = bindAll(o.HTTP); err == nil {
		l.tls, err = bindAll(o.HTTPS)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// bindAll listens on some addresses, or on none of them.
func bindAll(addresses []string) ([]net.Listener, error) {
	var list []net.Listener
	for _, a := range addresses {
		n, err := net.Listen("tcp", a)
		if err != nil {
			for _, n := range list {
				n.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// Addresses returns where the Listener listens: for http, and for https.
func (l *Listener) Addresses() (plain, tls []net.Addr) {
	for _, n := range l.plain {
		plain = append(plain, n.Addr())
	}
	for _, n := range l.tls {
		tls = append(tls, n.Addr())
	}
	return plain, tls
}

// Start begins to accept. It returns at once. The context is handed to the server of connections.
func (l *Listener) Start(ctx context.Context) {
	for _, n := range l.plain {
		l.accepting.Go(func() { l.accept(ctx, n, false) })
	}
	for _, n := range l.tls {
		l.accepting.Go(func() { l.accept(ctx, n, true) })
	}
}

// The pauses after an error of accept: running out of file descriptors passes, a loop that spins does not
// help it to.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept takes connections from one address until it is closed.
func (l *Listener) accept(ctx context.Context, n net.Listener, secure bool) {
	pause := firstPause
	for {
		conn, err := n.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(pause)
			pause = min(2*pause, lastPause)
			continue
		}
		pause = firstPause
		l.accepted.Add(1)
		if l.options.MaxConnections > 0 && l.conns.len() >= l.options.MaxConnections {
			conn.Close()
			continue
		}
		l.handled.Add(1)
		c := &tracked{conn: conn, serial: l.serial.Add(1), listener: l}
		l.conns.add(c)
		l.serving.Go(func() {
			defer l.conns.remove(c)
			l.serve(ctx, c, secure)
		})
	}
}

// serve runs one connection to its end.
func (l *Listener) serve(ctx context.Context, c *tracked, secure bool) {
	info := &filter.Conn{
		Serial: c.serial, Peer: addrPort(c.conn.RemoteAddr()), Local: addrPort(c.conn.LocalAddr()), HTTPS: secure, Watch: c,
	}
	if s, ok := c.conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			info.Raw = raw
		}
	}
	conn := c.conn
	if secure {
		t := tls.Server(conn, l.options.TLS)
		if err := l.handshake(ctx, t); err != nil {
			l.failedHandshakes.Add(1)
			refusePlain(err)
			conn.Close()
			return
		}
		state := t.ConnectionState()
		info.TLS, conn = &state, t
	}
	l.options.Server.Serve(ctx, conn, info)
}

// handshake runs the TLS handshake within its time.
func (l *Listener) handshake(ctx context.Context, t *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, l.options.HandshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// plainAnswer is what nginx says to somebody who speaks http to the https port.
const plainAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" +
	"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n" +
	"<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n" +
	"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// refusePlain answers a client whose first bytes were no TLS but may have been HTTP.
func refusePlain(err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil {
		return
	}
	if b := header.RecordHeader[0]; b < 'A' || b > 'Z' { // methods are upper case, records begin with a control byte
		return
	}
	_ = header.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = header.Conn.Write([]byte(plainAnswer))
}

// addrPort returns the address of a TCP connection's end.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Draining says that connections are to be closed after the response being written.
func (l *Listener) Draining() bool { return l.draining.Load() }

// Drain ends the Listener. For the grace period connections are still accepted, and every answer says
// that it is the last of its connection, so that clients go elsewhere by themselves while the news that we are
// leaving spreads. Then no more are accepted, those that wait are closed, and those that work may finish
// until the context ends; what is left then is cut, and the context's error is returned.
func (l *Listener) Drain(ctx context.Context, grace time.Duration) error {
	l.draining.Store(true)
	if grace > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	l.close()
	l.accepting.Wait()
	l.closing.Store(true)
	l.conns.each(func(c *tracked) { c.closeIfIdle() })
	finished := make(chan struct{})
	go func() {
		l.serving.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
	}
	l.conns.each(func(c *tracked) { c.conn.Close() })
	<-finished
	return fmt.Errorf("drain: connections cut: %w", ctx.Err())
}

// close stops listening.
func (l *Listener) close() {
	for _, n := range l.plain {
		n.Close()
	}
	for _, n := range l.tls {
		n.Close()
	}
}

// Stats counts connections. It looks at every open connection, so it is for scrapes.
func (l *Listener) Stats() observe.ConnStats {
	s := observe.ConnStats{Accepted: l.accepted.Load(), Handled: l.handled.Load(), HandshakeErrors: l.failedHandshakes.Load()}
	s.Requests = l.conns.ended.Load()
	l.conns.each(func(c *tracked) {
		s.Active++
		requests := c.requests.Load()
		s.Requests += requests
		switch {
		case c.state.Load() == idle:
			s.Waiting++
		case requests == 0:
			s.Reading++
		default:
			s.Writing++
		}
	})
	return s
}

package http3

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/pause"
	"github.com/yettproxy/yett/proxy/wire"
)

// conn is one client connection.
type conn struct {
	quic *quic.Conn
	// http is a server of the connection's own, so that this connection alone can be told to go elsewhere (GOAWAY).
	http *http3.Server
	// info is what its exchanges share. Every stream has a copy of its own.
	info     filter.Conn
	running  atomic.Int64
	requests atomic.Int64
	// quietSince is when the last request ended, in nanoseconds since 1970.
	quietSince atomic.Int64
	ending     atomic.Bool
	leaving    sync.Once
}

// newConn returns a connection whose handshake is complete.
func (s *Server) newConn(q *quic.Conn, serial uint64) *conn {
	c := &conn{quic: q}
	c.http = &http3.Server{
		Handler:        http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(c, w, r) }),
		MaxHeaderBytes: headCap,
	}
	state := q.ConnectionState().TLS
	c.info = filter.Conn{
		Serial: serial, Peer: addrPort(q.RemoteAddr()), Local: addrPort(q.LocalAddr()), HTTPS: true,
		TLS: &state, Certificate: new(atomic.Pointer[filter.ClientCertificate]),
	}
	c.quietSince.Store(time.Now().UnixNano())
	return c
}

// cut ends the connection at once.
func (c *conn) cut() {
	// An error of the goodbye is nobody's concern.
	_ = c.quic.CloseWithError(codeNoError, "")
}

// goodbye is how long a connection that is to end stays after its last answer: closing takes back what was not
// acknowledged yet.
const goodbye = time.Second

// leave tells the client to go elsewhere with its next request: what it sent before it knew is still served, or refused such that it
// can be sent again. It returns at once.
func (c *conn) leave() {
	c.leaving.Do(func() {
		// It returns when the connection has ended, which is what its error is about.
		go func() { _ = c.http.Shutdown(context.Background()) }()
	})
}

// endSoon ends the connection once it has been quiet for a while.
func (c *conn) endSoon() {
	if c.ending.CompareAndSwap(false, true) {
		c.leave()
		time.AfterFunc(goodbye, c.endIfQuiet)
	}
}

func (c *conn) endIfQuiet() {
	if c.quiet(time.Now()) {
		c.cut()
		return
	}
	if c.quic.Context().Err() == nil {
		time.AfterFunc(goodbye/4, c.endIfQuiet)
	}
}

// quiet reports whether no request has been under way for a while.
func (c *conn) quiet(now time.Time) bool {
	return c.running.Load() == 0 && now.UnixNano()-c.quietSince.Load() >= int64(goodbye)
}

// attend ends the connection if its client asks for nothing: before its first request for HeadTimeout, and then for IdleTimeout. QUIC's own
// idle time begins anew with every packet, and a head that is not complete is no request yet. It returns when the connection has ended.
func (c *conn) attend(limits func() *wire.Limits) {
	for {
		l := limits()
		limit, again := l.IdleTimeout, l.IdleTimeout
		if c.requests.Load() == 0 && l.HeadTimeout > 0 {
			limit, again = l.HeadTimeout, min(l.HeadTimeout, max(again, shortest))
		}
		left := limit
		if c.running.Load() == 0 {
			left -= time.Duration(time.Now().UnixNano() - c.quietSince.Load())
		}
		if limit > 0 && left <= 0 {
			c.cut()
			return
		}
		if !pause.For(c.quic.Context(), max(min(left, again), shortest)) {
			return
		}
	}
}

// shortest is the least time between two looks at a connection.
const shortest = 50 * time.Millisecond

// tick is how often Drain looks at the connections.
const tick = 50 * time.Millisecond

// Drain ends the server without losing a request: for the delay everything goes on; then nothing more is accepted, clients are
// told to go elsewhere (GOAWAY), and each connection is closed when its requests are complete. When the context ends, the rest
// is cut; it returns an error if those were requests.
func (s *Server) Drain(ctx context.Context, delay time.Duration) error {
	defer s.close()
	if !pause.For(ctx, delay) {
		return s.cutAll()
	}
	s.mu.Lock()
	s.draining = true
	for _, c := range s.conns {
		c.leave()
	}
	s.mu.Unlock()
	for _, e := range s.ends {
		e.listener.Close()
	}
	begin := time.Now()
	for {
		s.mu.Lock()
		left := len(s.conns)
		for _, c := range s.conns {
			if now := time.Now(); now.Sub(begin) >= goodbye && c.quiet(now) {
				c.cut()
			}
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		if !pause.For(ctx, tick) {
			return s.cutAll()
		}
	}
}

// errCut says that Drain ran out of time.
var errCut = errors.New("drain: HTTP/3 requests were cut")

// cutAll cuts what is left.
func (s *Server) cutAll() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if c.running.Load() > 0 {
			err = errCut
		}
		c.cut()
	}
	return err
}

// close gives the sockets back.
func (s *Server) close() {
	for _, e := range s.ends {
		if e.listener != nil {
			e.listener.Close()
		}
		e.transport.Close()
		e.socket.Close()
	}
}

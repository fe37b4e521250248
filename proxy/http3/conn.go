package http3

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/pause"
)

// conn is one client connection.
type conn struct {
	quic *quic.Conn
	// info is what its exchanges share. Every stream has a copy of its own.
	info     filter.Conn
	running  atomic.Int64
	requests atomic.Int64
	// quietSince is when the last request ended, in nanoseconds since 1970.
	quietSince atomic.Int64
	ending     atomic.Bool
}

// connKey finds the conn in the context of a request.
type connKey struct{}

// newConn returns a connection whose handshake is complete.
func newConn(q *quic.Conn, serial uint64) *conn {
	c := &conn{quic: q}
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

// endSoon ends the connection once it has been quiet for a while.
func (c *conn) endSoon() {
	if c.ending.CompareAndSwap(false, true) {
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
	s.mu.Unlock()
	for _, e := range s.ends {
		e.listener.Close()
	}
	shut := make(chan error, 1)
	go func() { shut <- s.http.Shutdown(ctx) }()
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
			<-shut
			return nil
		}
		if !pause.For(ctx, tick) {
			err := s.cutAll()
			<-shut
			return err
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
	_ = s.http.Close() // what is left of it are connections that were cut
	for _, e := range s.ends {
		if e.listener != nil {
			e.listener.Close()
		}
		e.transport.Close()
		e.socket.Close()
	}
}

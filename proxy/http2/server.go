package http2

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Handler answers one request. It must end the stream by Finish or Abort before it returns, and
// nobody may touch the exchange or its stream after that: a goroutine that reads the body must have ended.
type Handler interface {
	ServeExchange(x *filter.Exchange)
}

// Server serves HTTP/2 connections. The fields must not change once it serves.
type Server struct {
	// Handler answers the requests that are well formed.
	Handler Handler
	// Limits returns the limits in force; it is called for each connection and each request. Nil for the defaults.
	Limits func() *wire.Limits
	// Draining says that connections are to be ended; nil for never. See also Shutdown.
	Draining func() bool
	// Rejected, if set, is told of each request that the engine answered or reset by itself, with the reason in a
	// few words. What was not parsed is empty. It may be called from several goroutines.
	Rejected func(x *filter.Exchange, reason string)
	// Panicked, if set, is told of each panic of the handler. The request is answered with 500 if no
	// answer had begun, and reset otherwise; the connection goes on.
	Panicked func(x *filter.Exchange, value any)

	dates    wire.Dates
	shards   [shards]shard
	shutdown atomic.Bool
}

// shards is into how many parts connections and goroutines are cut, so that cores seldom meet.
const shards = 16

// keepWorkers is how many goroutines a shard keeps for later streams.
const keepWorkers = 32

// shard keeps some of the connections, and goroutines that wait for a stream.
type shard struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	waiting []*worker
}

// worker is a goroutine that runs streams, one after the other: its stack has grown to what they need.
type worker struct {
	shard *shard
	next  chan *stream
}

// defaultLimits hold for a Server without any.
var defaultLimits = wire.DefaultLimits()

// Serve runs a connection to its end on the caller's goroutine and closes it. The TLS handshake, if any, is
// done. When ctx ends the connection is cut. It returns when all handlers have returned.
func (s *Server) Serve(ctx context.Context, nc net.Conn, info *filter.Conn) {
	s.ServeFrom(ctx, nc, info, nil)
}

// ServeFrom is Serve for a connection of which something was read already. It keeps nothing of read.
func (s *Server) ServeFrom(ctx context.Context, nc net.Conn, info *filter.Conn, read []byte) {
	c := newConn(s, nc, info)
	c.preload(read)
	sh := &s.shards[info.Serial%shards]
	c.shard = sh
	sh.mu.Lock()
	if sh.conns == nil {
		sh.conns = make(map[*conn]struct{})
	}
	sh.conns[c] = struct{}{}
	sh.mu.Unlock()
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, c.cut)
	}
	defer func() {
		stop()
		sh.mu.Lock()
		delete(sh.conns, c)
		sh.mu.Unlock()
	}()
	c.run()
}

// Shutdown tells all clients to go elsewhere with their next request (RFC 9113 section 6.8): what is under way, and
// what was sent before a client knew, is still served. It returns at once. Connections that begin later
// serve what comes first.
func (s *Server) Shutdown() {
	s.shutdown.Store(true)
	var list []*conn
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for c := range sh.conns {
			list = append(list, c)
		}
		for _, w := range sh.waiting {
			w.next <- nil
		}
		sh.waiting = nil
		sh.mu.Unlock()
	}
	for _, c := range list {
		c.mu.Lock()
		c.leaveLocked()
		c.flushLocked()
		c.mu.Unlock()
	}
}

// draining says whether connections are to be ended.
func (s *Server) draining() bool {
	return s.shutdown.Load() || s.Draining != nil && s.Draining()
}

// limits returns the limits in force.
func (s *Server) limits() *wire.Limits {
	if s.Limits == nil {
		return &defaultLimits
	}
	return s.Limits()
}

// start runs a stream on a goroutine that waits for one, or on a new one.
func (sh *shard) start(s *stream) {
	sh.mu.Lock()
	n := len(sh.waiting)
	if n == 0 {
		sh.mu.Unlock()
		w := &worker{sh, make(chan *stream, 1)}
		go w.run(s)
		return
	}
	w := sh.waiting[n-1]
	sh.waiting[n-1] = nil
	sh.waiting = sh.waiting[:n-1]
	sh.mu.Unlock()
	w.next <- s
}

// run runs streams until there is nothing more to do.
func (w *worker) run(s *stream) {
	for s != nil {
		srv := s.c.srv
		s.serve()
		sh := w.shard
		sh.mu.Lock()
		if len(sh.waiting) >= keepWorkers || srv.shutdown.Load() {
			sh.mu.Unlock()
			return
		}
		sh.waiting = append(sh.waiting, w)
		sh.mu.Unlock()
		s = <-w.next
	}
}

package http1

import (
	"context"
	"net"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Handler answers one request. It must end the stream by Finish, Abort or Hijack before it returns, and
// nobody may touch the exchange or its stream after that: a goroutine that reads the body must have ended.
type Handler interface {
	ServeExchange(x *filter.Exchange)
}

// Server serves HTTP/1.1 connections. The fields must not change once it serves.
type Server struct {
	// Handler answers the requests that are well formed.
	Handler Handler
	// Limits returns the limits in force; it is called once for each request. Nil for the defaults.
	Limits func() *wire.Limits
	// Draining says that connections are to be closed after the response being written; nil for never.
	Draining func() bool
	// Rejected, if set, is told of each request that the engine answered by itself, with the reason in a
	// few words: malformed heads, refused methods, OPTIONS *, heads that did not come in time (408, not
	// answered). What was not parsed is empty.
	Rejected func(x *filter.Exchange, reason string)
	// Panicked, if set, is told of each panic of the handler. The request is answered with 500 if no
	// answer had begun, and the connection is closed.
	Panicked func(x *filter.Exchange, value any)

	// HTTP2, if set, is asked when a cleartext connection begins with HTTP/2's preface. It returns what runs such connections to their end
	// and closes them, given what was read already; or nil if nobody does.
	HTTP2 func() func(ctx context.Context, nc net.Conn, info *filter.Conn, read []byte)

	dates wire.Dates
}

// defaultLimits hold for a Server without any.
var defaultLimits = wire.DefaultLimits()

// Serve runs a connection to its end on the caller's goroutine and closes it, unless it was hijacked.
// The TLS handshake, if any, is done. When ctx ends the connection is cut.
func (s *Server) Serve(ctx context.Context, nc net.Conn, info *filter.Conn) {
	if next, read := s.serve(ctx, nc, info); next != nil {
		next(ctx, nc, info, read) // here, where the memory of this engine is free, and the stack short
	}
}

// runner runs a connection of which something was read already.
type runner = func(ctx context.Context, nc net.Conn, info *filter.Conn, read []byte)

// serve runs a connection as long as it speaks HTTP/1.1. It returns who is to go on with it, or nil.
func (s *Server) serve(ctx context.Context, nc net.Conn, info *filter.Conn) (next runner, read []byte) {
	c := &conn{srv: s, info: info}
	c.link.init(nc)
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { c.cut(false) })
		defer stop()
	}
	defer c.end()
	for c.serveOne() {
	}
	return c.next, c.preface
}

// limits returns the limits in force.
func (s *Server) limits() *wire.Limits {
	if s.Limits == nil {
		return &defaultLimits
	}
	return s.Limits()
}

// draining says whether connections are to be closed.
func (s *Server) draining() bool { return s.Draining != nil && s.Draining() }

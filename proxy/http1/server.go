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

	// HTTP2, if set, is offered cleartext connections that begin with HTTP/2's preface, with what was read of them. If
	// it takes one it runs it to its end, closes it and returns true.
	HTTP2 func(ctx context.Context, nc net.Conn, info *filter.Conn, read []byte) bool

	dates dates
}

// defaultLimits hold for a Server without any.
var defaultLimits = wire.DefaultLimits()

// Serve runs a connection to its end on the caller's goroutine and closes it, unless it was hijacked.
// The TLS handshake, if any, is done. When ctx ends the connection is cut.
func (s *Server) Serve(ctx context.Context, nc net.Conn, info *filter.Conn) {
	c := &conn{srv: s, info: info, ctx: ctx}
	c.link.init(nc)
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { c.cut(false) })
		defer stop()
	}
	defer c.end()
	for c.serveOne() {
	}
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

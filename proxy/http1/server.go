package http1

import (
	"context"
	"net"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Handler answers one request. It must end the stream by Finish, Abort or Hijack before it returns, and
// nobody may touch the exchange or its stream after that.
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
	// few words: malformed heads, refused methods, OPTIONS *. What was not parsed is empty.
	Rejected func(x *filter.Exchange, reason string)
	// Panicked, if set, is told of each panic of the handler; the connection is closed.
	Panicked func(x *filter.Exchange, value any)
}

// Serve runs a connection to its end on the caller's goroutine and closes it, unless it was hijacked.
// The TLS handshake, if any, is done. When ctx ends the connection is cut.
func (s *Server) Serve(ctx context.Context, conn net.Conn, info *filter.Conn) { conn.Close() }

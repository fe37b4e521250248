// Package http1 is HTTP/1.1 as the proxy speaks it: the server side towards clients (Server) and the
// client side towards upstreams (ClientConn), one codec for both. It is strict (RFC 9112 with every
// leniency that smuggling lives on refused) and it costs no allocation per request.
//
// A goroutine runs a client connection to its end and the whole exchange inline. Memory is borrowed when
// the first byte of a request comes and given back before the connection waits for the next one. Deadlines
// are coarse: they are armed only by a read or write that would block, and moved only when they have come
// close.
//
// Packages proxy/forward and proxy/listen and the root of the data plane may import it; it imports
// proxy/wire and proxy/filter. A Server is safe for concurrent use. A ClientConn and the Stream of an
// exchange belong to one goroutine, except where a method says otherwise: the request body may be read
// by one goroutine while another writes the response, and a ClientConn may be written by one goroutine while
// another reads it. Abort, Interrupt and Close may come from any.
package http1

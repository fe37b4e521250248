// Package http2 is HTTP/2 as the proxy speaks it towards clients (Server): frames of RFC 9113, heads of RFC 7541
// (decode.go, encode.go), WebSockets of RFC 8441 (socket.go), and the same verdicts on targets, hosts and fields as package http1, since both ask package
// wire. Every stream is a wire.Stream, so that nothing behind the engine knows which protocol a request came by.
//
// One goroutine reads a connection. It decodes heads and keeps bodies, up to the windows it has granted; each request runs on a
// goroutine of its own, borrowed from those that wait for one. Who has frames to send queues them, and whoever finds
// nobody writing writes them (output.go). Streams wait for windows, never for memory: of a response nothing is
// held beyond what its writer holds, of all requests bodies together at most a connection's window.
//
// Floods are answered by budgets (calm.go), clients that move a byte now and then by wire.Pace; the end of a connection loses no request (drain.go).
//
// Package proxy may import it; it imports proxy/wire and proxy/filter. A Server is safe for concurrent use. A stream belongs to
// one goroutine, except that its body may be read by another than the one that writes the response, and that Abort, Interrupt,
// Continue and Gone may come from any. One lock guards a connection with all its streams; it is held while bytes are
// copied, never while any are read or written. Lock order: a shard's lock may be taken under a connection's, not the
// other way round.
package http2

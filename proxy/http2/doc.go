// Package http2 is HTTP/2 as the proxy speaks it towards clients (Server) and towards upstreams (ClientConn): frames of RFC 9113, heads of RFC 7541
// (decode.go, encode.go), WebSockets of RFC 8441 (socket.go), and the same verdicts on targets, hosts and fields as package http1, since both ask package
// wire. Every stream is a wire.Stream, so that nothing behind the engine knows which protocol a request came by.
//
// One goroutine reads a connection. It decodes heads and keeps bodies, up to the windows it has granted; each request runs on a
// goroutine of its own, borrowed from those that wait for one. Who has frames to send queues them, and whoever finds
// nobody writing writes them (output.go). Streams wait for windows, never for memory: of a response nothing is
// held beyond what its writer holds, of all requests bodies together at most a connection's window.
//
// What does not depend on who asks and who answers is the same code on both sides: the order of frames, SETTINGS, PING, windows (peer.go), what a stream
// sends and waits for (sender.go), heads as far as their fields (decode.go).
//
// Floods are answered by budgets (calm.go), clients that move a byte now and then by wire.Pace; the end of a connection loses no request (drain.go).
//
// Towards upstreams (client*.go) many requests share a ClientConn, each as a ClientStream. Here, too, one goroutine reads: it
// fills the streams and wakes those for which something has come, each once for all that was read together; whoever has sent
// a request waits for its response itself. A stream is granted little at first, and more once its client takes what comes;
// the window of the connection is opened as bytes come, so that a slow client holds up nobody else. One timer
// keeps the time-outs of all streams. What an upstream has not begun with is told apart from what it has lost (GOAWAY,
// REFUSED_STREAM), since that can be sent again.
//
// Packages proxy and proxy/forward may import it; it imports proxy/wire and proxy/filter. A Server is safe for concurrent use. A stream belongs to
// one goroutine, except that its body may be read by another than the one that writes the response, and that Abort, Interrupt,
// Continue and Gone may come from any. A client that gives a stream up rings the alarm of who serves it (wire.Alarm). A ClientConn is
// safe for concurrent use; of a ClientStream one goroutine may write the request while another reads the response, and Close may come
// from any. One lock guards a connection with all its streams; it is held while bytes are copied, never while any are read or written. Lock order: a shard's lock may be taken under a connection's, not the
// other way round.
package http2

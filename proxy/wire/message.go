package wire

import (
	"io"
	"net"
)

// Unknown is the length of a body whose end is marked in the body itself, or by closing.
const Unknown int64 = -1

// Request is a request head, parsed once and normalised once. Everything that decides about a request
// reads these fields; nothing parses the target or the host again.
type Request struct {
	// Method is the method as sent; methods are case-sensitive (RFC 9110 section 9.1).
	Method string
	// Target is the origin-form that is forwarded when nothing rewrites it: raw path and query exactly
	// as the client sent them (an absolute-form target reduced to them), or "*".
	Target string
	// Path is the path that is matched: percent-decoded, "//" merged, "." and ".." resolved. It begins
	// with "/".
	Path string
	// Query is the raw text behind the first "?" of Target, without it.
	Query string
	// Host is the name that is routed: lower case, without port, without trailing dot; "" if the client
	// named none. IPv6 literals keep their brackets.
	Host string
	// Authority is the host as the client wrote it, with its port.
	Authority string
	// Scheme is the scheme of an absolute-form target, "http" or "https"; "" if the target named none.
	Scheme string
	// Major and Minor are the version spoken by the client: 1,0 1,1 2,0 3,0.
	Major, Minor uint8
	// Fields are all fields as sent, those that frame the message included, less those that the
	// limits drop (names with an underscore, by default).
	Fields Fields
	// Length is the length of the body in bytes: 0 for none, Unknown for a body that marks its own end.
	Length int64
	// HeadBytes is the size of the head on the wire, in bytes; $request_length begins with it.
	HeadBytes int
	// ExpectContinue says that the client waits for 100 (Continue) before it sends the body.
	ExpectContinue bool
	// Upgrade says that this is a well-formed WebSocket handshake, the one upgrade that is forwarded.
	Upgrade bool
	// KeepAlive says whether the client wants to keep the connection.
	KeepAlive bool
}

// Reset empties the request and keeps its memory.
func (r *Request) Reset() {
	fields := r.Fields
	fields.Reset()
	*r = Request{Fields: fields}
}

// Response is a response head, from an upstream or of the proxy's own making.
type Response struct {
	// Status is the status code, 100 to 999.
	Status int
	// Reason is the reason phrase as received; engines fill in the standard one for "".
	Reason string
	// Fields are the fields to send; those that frame the message are left out, engines write them.
	Fields Fields
	// Length is the length of the body in bytes, or Unknown.
	Length int64
	// HasLength says that the sender declared Length although there is no body to come: an answer to
	// HEAD, or a 304.
	HasLength bool
}

// Reset empties the response and keeps its memory.
func (r *Response) Reset() {
	fields := r.Fields
	fields.Reset()
	*r = Response{Fields: fields}
}

// Body is the body of a message as a stream.
type Body interface {
	// Read returns io.EOF exactly at the end of a well-formed body. A body cut short or malformed gives
	// another error; it must never be taken for complete.
	io.Reader
	// Trailers returns the trailer fields, known once Read has returned io.EOF; it may be nil.
	Trailers() *Fields
}

// Stream is the client's side of one exchange, implemented by each engine (HTTP/1.1, HTTP/2, HTTP/3).
// Its calls come in this order: any number of Informational; then either WriteHead, any number of
// Write and Flush, and Finish; or WriteHead with status 101 and Hijack. Reading the Body may go on at the same
// time from another goroutine. Abort may come at any time, from any goroutine.
//
// It has more methods than our budget for interfaces allows: it is the whole contract between engines
// and everything else, and has one implementation for each protocol.
type Stream interface {
	Body
	// Continue tells a client that waits for 100 (Continue) to go on. Engines also call it by
	// themselves at the first Read if nobody else has, and no final response has begun.
	Continue() error
	// Informational sends an interim response, but not to HTTP/1.0 clients (RFC 9110 section 15.2).
	Informational(*Response) error
	// WriteHead begins the final response; r.Length decides the framing. It may only be buffered.
	WriteHead(r *Response) error
	// Write sends bytes of the body; they may be buffered until Flush or Finish. p is not kept.
	io.Writer
	// Flush sends everything buffered.
	Flush() error
	// Finish ends the response; trailers may be nil. An error means that the client did not get it.
	Finish(trailers *Fields) error
	// Abort ends the exchange such that the client cannot take the response for complete: the
	// connection is closed, or the stream reset. It also wakes a Read or Write that is blocked.
	Abort()
	// Hijack hands the raw connection over, with what was read from it already, once 101 was written
	// and flushed. The engine does not touch it again; whoever took it must close it.
	Hijack() (conn net.Conn, read []byte, err error)
	// Written returns the bytes of the response sent so far: in all, and of the body alone.
	Written() (total, body int64)
	// Received returns the bytes of the request body read off the wire so far.
	Received() int64
}

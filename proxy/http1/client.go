package http1

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// Errors of ReadResponse and Next beside those of the connection itself. All of them mean that the
// connection cannot be used again.
var (
	// ErrHeadTooLarge says that the head of a response is longer than allowed.
	ErrHeadTooLarge = errors.New("read response: head too large")
	// ErrMalformed is wrapped by every error about a response that breaks the rules, bodies cut short
	// included.
	ErrMalformed = errors.New("read response: malformed")
	// ErrUnexpectedUpgrade says that the upstream answered 101 to a request that did not ask for it, or
	// switched to another protocol than was asked for. It wraps ErrMalformed.
	ErrUnexpectedUpgrade = fmt.Errorf("%w: unexpected upgrade", ErrMalformed)
	// ErrRequest is wrapped by every error about a request that cannot be written as it is: a target with
	// white space, more or fewer bytes of body than announced. Nothing is wrong with the upstream.
	ErrRequest = errors.New("write request")
)

var (
	errTarget        = fmt.Errorf("%w: malformed target", ErrRequest)
	errLengthUnknown = fmt.Errorf("%w: HTTP/1.0 needs the length of the body", ErrRequest)
	errBodyTooLong   = fmt.Errorf("%w: more bytes of body than announced", ErrRequest)
	errBodyTooShort  = fmt.Errorf("%w: fewer bytes of body than announced", ErrRequest)
)

// ClientConn is the client side of one upstream connection. It carries one exchange after the other.
// One goroutine may write the request while another reads the response.
//
// It borrows memory only for bytes that are there: a connection that waits for its upstream holds no buffer.
type ClientConn struct {
	link

	// The request.
	out       []byte
	outBuf    *smallBuffer
	chunkedRq bool
	leftRq    int64 // bytes of body still to be written if not chunked
	finished  bool
	deferred  bool // out is sent by the next read of a response
	last      bool // no request will follow
	upgrading bool
	sent      int64

	// The response.
	in       []byte
	inBuf    *largeBuffer
	pos, end int
	scanned  int // how much of in[pos:end] is known to hold no end of a head
	interim  int // bytes of interim heads so far

	head     responseHead
	kind     bodyKind
	left     int64
	chunks   chunks
	tlines   lines
	trailers wire.Fields
	state    responseState
	keep     bool
}

// responseState is how far the response is.
type responseState uint8

const (
	stateIdle     responseState = iota // no request
	stateHead                          // the final head is to come
	stateBody                          // the body is to come
	stateComplete                      // everything was read
	stateFailed                        // there was an error, or the connection was handed over
)

var (
	_ wire.Body = (*ClientConn)(nil)
	_ lender    = (*ClientConn)(nil)
)

// NewClientConn returns the client side of a connection that is ready to carry HTTP/1.1.
func NewClientConn(c net.Conn) *ClientConn {
	cc := &ClientConn{}
	cc.link.init(c)
	return cc
}

// WriteRequest begins a request. It is only buffered: WriteBody, FinishRequest or Flush send it. The
// fields are written as given, less Host and those that frame the message or belong to the connection, which follow from
// r.Authority, r.Length and r.Upgrade. With http10 it is an HTTP/1.0 request, whose length must be known.
func (c *ClientConn) WriteRequest(r *wire.Request, http10 bool) error {
	if r.Target == "" || !cleanTarget(r.Target) || !wire.IsToken(r.Method) {
		return errTarget
	}
	if http10 && r.Length == wire.Unknown {
		return errLengthUnknown
	}
	if c.out == nil {
		c.outBuf = smallBuffers.Get().(*smallBuffer)
		c.out = c.outBuf[:0]
	}
	c.sent, c.finished, c.deferred, c.upgrading = 0, false, false, r.Upgrade && !http10
	c.chunkedRq, c.leftRq = r.Length == wire.Unknown, max(r.Length, 0)
	c.state, c.interim = stateHead, 0
	c.trailers.Reset()

	b := append(c.out[:0], r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	if http10 {
		b = append(b, " HTTP/1.0\r\nConnection: close\r\nHost: "...)
	} else {
		b = append(b, " HTTP/1.1\r\nHost: "...)
	}
	start := len(b)
	b = append(b, r.Authority...)
	if at := nextControl(b, start); at < len(b) {
		blankControls(b[at:])
	}
	b = append(b, "\r\n"...)
	b = appendFields(b, r.Fields.All(), framing|1<<wire.Host)
	switch {
	case r.Length > 0 || r.Length == 0 && (r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, "\r\n"...)
	case c.chunkedRq:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case c.upgrading:
		b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case c.last && !http10:
		b = append(b, "Connection: close\r\n"...)
	}
	c.out = append(b, "\r\n"...)
	return nil
}

// LastRequest makes the next WriteRequest tell the upstream that the connection ends with it. To be called
// before WriteRequest.
func (c *ClientConn) LastRequest() { c.last = true }

// cleanTarget reports whether a target can stand in a request line.
func cleanTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// WriteBody sends bytes of the request body; small ones are buffered until FinishRequest or Flush. More
// bytes than the request's Length are an error. p is not kept.
func (c *ClientConn) WriteBody(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if !c.chunkedRq {
		if int64(len(p)) > c.leftRq {
			return errBodyTooLong
		}
		c.leftRq -= int64(len(p))
		return c.emit(p)
	}
	c.out = strconv.AppendUint(c.out, uint64(len(p)), 16)
	c.out = append(c.out, "\r\n"...)
	if err := c.emit(p); err != nil {
		return err
	}
	c.out = append(c.out, "\r\n"...)
	return nil
}

// emit sends or gathers bytes of the body.
func (c *ClientConn) emit(p []byte) error {
	if len(c.out)+len(p)+chunkRoom <= cap(c.out) {
		c.out = append(c.out, p...)
		return nil
	}
	return c.send(c.out, p)
}

// FinishRequest ends the request body and sends what is buffered; trailers may be nil and are dropped if
// the body is not chunked. It is an error if fewer bytes than the request's Length were written.
func (c *ClientConn) FinishRequest(trailers *wire.Fields) error {
	if err := c.endRequest(trailers); err != nil {
		return err
	}
	err := c.Flush()
	c.dropOut()
	return err
}

// FinishWithRead is FinishRequest for the common case that nothing of the request was sent yet and the
// same goroutine calls ReadResponse next: the request may be sent by that call, which saves asking the
// kernel for a response that cannot have come yet. Errors of sending then come from ReadResponse, and Sent
// tells as always whether the upstream can have seen anything.
func (c *ClientConn) FinishWithRead() error {
	if c.sent > 0 || c.raw == nil {
		return c.FinishRequest(nil)
	}
	if err := c.endRequest(nil); err != nil {
		return err
	}
	c.deferred = true
	return nil
}

// endRequest writes the end of the body.
func (c *ClientConn) endRequest(trailers *wire.Fields) error {
	if c.finished {
		return nil
	}
	switch {
	case c.chunkedRq:
		c.out = append(c.out, "0\r\n"...)
		if trailers != nil {
			c.out = appendFields(c.out, trailers.All(), 0)
		}
		c.out = append(c.out, "\r\n"...)
	case c.leftRq > 0:
		return errBodyTooShort
	}
	c.finished = true
	return nil
}

// Flush sends everything buffered.
func (c *ClientConn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	return c.send(c.out, nil)
}

// send sends two pieces and forgets what was buffered.
func (c *ClientConn) send(p, q []byte) error {
	n, err := c.writeAll(p, q)
	c.sent += int64(n)
	c.out = c.out[:0]
	if c.deferred { // another goroutine that reads the response looks at it: do not write for nothing
		c.deferred = false
	}
	return err
}

// dropOut gives the buffer of the request back.
func (c *ClientConn) dropOut() {
	if c.outBuf != nil {
		smallBuffers.Put(c.outBuf)
		c.out, c.outBuf = nil, nil
	}
}

// Sent returns the bytes handed to the kernel since WriteRequest: 0 means that the request can be replayed.
func (c *ClientConn) Sent() int64 { return c.sent }

// Reusable reports whether the connection can carry another request: request and response are complete,
// both sides keep it open, and nothing unasked is buffered.
func (c *ClientConn) Reusable() bool {
	return c.state == stateComplete && c.finished && c.keep && !c.last && c.pos == c.end && !c.interrupted.Load()
}

// Idle gives back the memory that only a running exchange needs.
func (c *ClientConn) Idle() {
	c.dropOut()
	c.dropIn()
}

// Wake prepares an idle connection for the next request.
func (c *ClientConn) Wake() {}

// Dead reports, without waiting, whether the upstream has closed the idle connection or sent bytes that
// nobody asked for. It costs a system call; over TLS it sees what the socket holds, session tickets included, so it
// must only be asked about connections that have carried a response.
func (c *ClientConn) Dead() bool { return !c.idle() }

// SetReadTimeout limits how long a read may wait for the next byte; 0 for no limit. It costs nothing
// unless a read has to wait: only then is a deadline armed, late by up to a twentieth of d, or by d
// itself if d is under a second, so that a busy connection hardly ever moves it. The error is
// os.ErrDeadlineExceeded.
func (c *ClientConn) SetReadTimeout(d time.Duration) { c.read.timeout = int64(d) }

// SetWriteTimeout limits how long a write may wait for room, as SetReadTimeout does for reads.
func (c *ClientConn) SetWriteTimeout(d time.Duration) { c.write.timeout = int64(d) }

// Conn returns the connection underneath.
func (c *ClientConn) Conn() net.Conn { return c.conn }

// Take hands the connection over after 101, with what was read behind the head. Its deadlines are
// cleared. The ClientConn must not be used again.
func (c *ClientConn) Take() (net.Conn, []byte) {
	rest := append([]byte(nil), c.in[c.pos:c.end]...)
	c.Idle()
	c.state = stateFailed
	if c.read.armed != 0 || c.write.armed != 0 {
		c.conn.SetDeadline(time.Time{}) // of a closed connection: whoever has it will see
	}
	return c.conn, rest
}

// Close closes the connection. It may be called from any goroutine and wakes a blocked read or write.
func (c *ClientConn) Close() error { return c.conn.Close() }

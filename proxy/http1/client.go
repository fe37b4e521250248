package http1

import (
	"fmt"
	"net"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// ErrUnexpectedUpgrade says that the upstream answered 101 to a request that did not ask for it, or switched to another
// protocol than was asked for. It wraps wire.ErrMalformed.
var ErrUnexpectedUpgrade = fmt.Errorf("%w: unexpected upgrade", wire.ErrMalformed)

// ClientConn is the client side of one upstream connection. It carries one exchange after the other.
// One goroutine may write the request while another reads the response.
//
// It borrows memory only for bytes that are there: a connection that waits for its upstream holds no buffer.
type ClientConn struct {
	link

	// The request.
	out       []byte
	rest      []byte // what follows out if it is deferred: the end of the body, which is the caller's
	outBuf    *smallBuffer
	chunkedRq bool
	leftRq    int64 // bytes of body still to be written if not chunked
	finished  bool
	deferred  bool // out is sent by the next read of a response
	last      bool // no request will follow
	persist   bool // the upstream is told that others may follow
	upgrading bool
	sent      int64
	reused    bool // the connection has carried a response before
	bulk      bool // the kernel has moved the last response

	// The response.
	in       []byte
	inBuf    *largeBuffer
	tight    *smallBuffer // in, while the client takes nothing, or the kernel is going to move most of the body
	to       wire.Roomer  // the client, if it says how much it takes; or nil
	pos, end int
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
	c.to = nil
}

// Wake prepares an idle connection for the next request.
func (c *ClientConn) Wake() {}

// Dead reports, without waiting, whether the upstream has closed the idle connection or sent bytes that
// nobody asked for. It costs a system call; over TLS it sees what the socket holds, session tickets included, so it
// must only be asked about connections that have carried a response. There is no need to ask before a request:
// it is not sent on such a connection (wire.ErrStale).
func (c *ClientConn) Dead() bool { return !c.idle() }

// For says who the next response is for, if they say how much they take; nil otherwise. It must be called for each request.
func (c *ClientConn) For(client wire.Roomer) { c.to = client }

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

package http1

import (
	"errors"
	"net"
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
	ErrUnexpectedUpgrade = errors.New("read response: unexpected upgrade")
)

// ClientConn is the client side of one upstream connection. It carries one exchange after the other.
// One goroutine may write the request while another reads the response.
type ClientConn struct {
	conn net.Conn
}

var _ wire.Body = (*ClientConn)(nil)

// NewClientConn returns the client side of a connection that is ready to carry HTTP/1.1.
func NewClientConn(c net.Conn) *ClientConn { return &ClientConn{conn: c} }

// WriteRequest begins a request. It is only buffered: WriteBody, FinishRequest or Flush send it. The
// fields are written as given, less those that frame the message or belong to the connection, which
// follow from r.Length and r.Upgrade. With http10 it is an HTTP/1.0 request, whose length must be known.
func (c *ClientConn) WriteRequest(r *wire.Request, http10 bool) error { return errors.ErrUnsupported }

// WriteBody sends bytes of the request body; small ones are buffered until FinishRequest or Flush. More
// bytes than the request's Length are an error. p is not kept.
func (c *ClientConn) WriteBody(p []byte) error { return errors.ErrUnsupported }

// FinishRequest ends the request body and sends what is buffered; trailers may be nil and are dropped if
// the body is not chunked. It is an error if fewer bytes than the request's Length were written.
func (c *ClientConn) FinishRequest(trailers *wire.Fields) error { return errors.ErrUnsupported }

// Flush sends everything buffered.
func (c *ClientConn) Flush() error { return errors.ErrUnsupported }

// Sent returns the bytes handed to the kernel since WriteRequest: 0 means that the request can be replayed.
func (c *ClientConn) Sent() int64 { return 0 }

// ReadResponse reads one head, interim ones (1xx) too, each with a call of its own. Its strings are in a.
// Framing and hop-by-hop fields, those that Connection names, and X-Accel-* are left out of r.Fields.
// After a time-out it may be called again and goes on where it was.
func (c *ClientConn) ReadResponse(r *wire.Response, a *wire.Arena, method string, maxHead int) error {
	return errors.ErrUnsupported
}

// Next returns the next piece of the response body as a view that is valid until the next call, and
// io.EOF at its end. A body cut short is an error that wraps ErrMalformed.
func (c *ClientConn) Next() ([]byte, error) { return nil, errors.ErrUnsupported }

// Read copies the next piece of the body to p; see Next.
func (c *ClientConn) Read(p []byte) (int, error) { return 0, errors.ErrUnsupported }

// Buffered reports whether more of the body, or its end, is there without waiting.
func (c *ClientConn) Buffered() bool { return false }

// Trailers returns the trailer fields once the body has ended, less those that must not be merged into a
// head; nil if there are none.
func (c *ClientConn) Trailers() *wire.Fields { return nil }

// CopyBody copies the rest of the response body to dst, flushing whenever the upstream pauses, and moves
// large bodies between plain TCP sockets without copying them. It returns the bytes copied and which
// side failed; it does not finish dst.
func (c *ClientConn) CopyBody(dst wire.Stream) (n int64, readErr, writeErr error) {
	return 0, errors.ErrUnsupported, nil
}

// Reusable reports whether the connection can carry another request: request and response are complete,
// both sides keep it open, and nothing unasked is buffered.
func (c *ClientConn) Reusable() bool { return false }

// Idle gives back the memory that only a running exchange needs. The connection keeps what it has read.
func (c *ClientConn) Idle() {}

// Wake prepares an idle connection for the next request.
func (c *ClientConn) Wake() {}

// Dead reports, without waiting, whether the upstream has closed the idle connection or sent bytes that
// nobody asked for.
func (c *ClientConn) Dead() bool { return false }

// SetReadTimeout limits how long a read may wait for the next byte; 0 for no limit. It costs nothing
// unless a read has to wait: only then is a deadline armed, late by up to a twentieth of d or by d
// itself if d is short (under a second), so that a busy connection hardly ever moves it. The error is os.ErrDeadlineExceeded.
func (c *ClientConn) SetReadTimeout(d time.Duration) {}

// SetWriteTimeout limits how long a write may wait for room, as SetReadTimeout does for reads.
func (c *ClientConn) SetWriteTimeout(d time.Duration) {}

// Conn returns the connection underneath.
func (c *ClientConn) Conn() net.Conn { return c.conn }

// Take hands the connection over after 101, with what was read behind the head. The ClientConn must not
// be used again.
func (c *ClientConn) Take() (net.Conn, []byte) { return c.conn, nil }

// Close closes the connection. It may be called from any goroutine and wakes a blocked read or write.
func (c *ClientConn) Close() error { return c.conn.Close() }

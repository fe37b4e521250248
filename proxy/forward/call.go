package forward

import (
	"io"
	"time"

	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/http2"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// call is one request to an endpoint and its response, whatever protocol carries them. Like wire.Stream, its other end, it
// has more methods than our budget for interfaces allows: it is the whole contract between the forwarder and the engines
// towards endpoints.
type call interface {
	sender
	receiver
	// Close gives the call up: the connection is closed, or the stream reset. Any goroutine may call it, and it wakes
	// those that wait.
	Close() error
	// release gives the call back. Whole says that request and response are complete, so that the connection can carry
	// another request. Nobody may use the call any more.
	release(whole bool, serial uint64)
}

// sender writes the request.
type sender interface {
	WriteRequest(r *wire.Request) error
	WriteBody(p []byte) error
	Flush() error
	FinishRequest(trailers *wire.Fields) error
	// FinishWithRead is WriteBody and FinishRequest for a request of which nothing was sent yet, if the same goroutine reads
	// the response next.
	FinishWithRead(body []byte) error
	// Sent returns 0 as long as the endpoint cannot have seen anything of the request.
	Sent() int64
	SetWriteTimeout(d time.Duration)
}

// receiver reads the response.
type receiver interface {
	ReadResponse(r *wire.Response, a *wire.Arena, method string, maxHead int) error
	CopyBody(dst wire.Stream) (n int64, readErr, writeErr error)
	Trailers() *wire.Fields
	SetReadTimeout(d time.Duration)
	// drained reports whether all of the response is there, and forgets it.
	drained() bool
}

var (
	_ call          = (*conn)(nil)
	_ call          = multiplexed{}
	_ upstream.Conn = (*conn)(nil)

	_ upstream.Shared = (*http2.ClientConn)(nil)
)

// conn is a connection of HTTP/1.1 to an endpoint, which carries one call at a time.
type conn struct {
	upstream.Pooled
	*http1.ClientConn
	pool *upstream.Pool
	// http10 says that HTTP/1.0 is spoken, last that the connection ends with the call.
	http10, last bool
}

// WriteRequest implements sender.
func (c *conn) WriteRequest(r *wire.Request) error {
	if c.last {
		c.LastRequest()
	}
	return c.ClientConn.WriteRequest(r, c.http10)
}

// drained implements receiver.
func (c *conn) drained() bool {
	for c.Buffered() {
		if _, err := c.Next(); err != nil {
			return err == io.EOF
		}
	}
	return false
}

// release implements call: the connection is put back into its pool if it can carry another request.
func (c *conn) release(whole bool, serial uint64) {
	if !whole || !c.Reusable() || c.http10 || c.last {
		_ = c.Close()
		return
	}
	c.Requests++
	c.Idle()
	c.pool.Put(serial, c, upstream.Now())
}

// multiplexed is a stream of HTTP/2 to an endpoint.
type multiplexed struct{ *http2.ClientStream }

// drained implements receiver: a stream is not worth reading to its end.
func (m multiplexed) drained() bool { return false }

// release implements call.
func (m multiplexed) release(bool, uint64) { m.Release() }

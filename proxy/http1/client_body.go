package http1

import (
	"fmt"
	"io"

	"github.com/yettproxy/yett/proxy/wire"
)

// Ways for the body of a response to be malformed.
var (
	errBodyCut     = fmt.Errorf("%w: body cut short", wire.ErrMalformed)
	errChunk       = fmt.Errorf("%w: chunk", wire.ErrMalformed)
	errTrailer     = fmt.Errorf("%w: trailer", wire.ErrMalformed)
	errNoBody      = fmt.Errorf("%w: no body to read", wire.ErrMalformed)
	errConnInBreak = fmt.Errorf("%w: read after an error", wire.ErrMalformed)
)

// maxTrailerCount is how many trailers a response may have.
const maxTrailerCount = 100

// trickle is how much is read at once for a client that takes nothing, in bytes: an ordinary head, and little of the body.
const trickle = 1 << 10

// lend implements lender. No more is read than the client will take, so that a thousand streams that wait for their clients hold
// next to nothing: what has not come here waits in the kernel, and then at the upstream. Nor is more than a head read where a response
// is likely to be as long as the last one, since what is read here is copied twice, and the rest not once.
func (c *ClientConn) lend() []byte {
	room := largeSize
	if c.to != nil {
		room = c.to.Room()
	}
	if bulk := c.bulk && c.state == stateHead; bulk || room < smallSize {
		c.tight = smallBuffers.Get().(*smallBuffer)
		c.in = c.tight[:]
		if !bulk {
			c.in = c.in[:trickle]
		}
		return c.in
	}
	c.inBuf = largeBuffers.Get().(*largeBuffer)
	c.in = c.inBuf[:min(room, largeSize)]
	return c.in
}

// reclaim implements lender.
func (c *ClientConn) reclaim() { c.dropIn() }

// dropIn gives the read buffer back, if nothing is in it.
func (c *ClientConn) dropIn() {
	if c.pos < c.end {
		return
	}
	c.returnIn()
	c.in, c.pos, c.end = nil, 0, 0
}

// returnIn gives back what in was borrowed from.
func (c *ClientConn) returnIn() {
	if c.inBuf != nil {
		largeBuffers.Put(c.inBuf)
		c.inBuf = nil
	}
	if c.tight != nil {
		smallBuffers.Put(c.tight)
		c.tight = nil
	}
}

// fill reads more bytes behind those in the buffer, for which it makes room up to limit bytes. While it
// waits with nothing buffered, it holds no buffer.
func (c *ClientConn) fill(limit int) error {
	if c.pos == c.end {
		c.pos, c.end = 0, 0
		n, err := 0, error(nil)
		if c.deferred {
			var m int
			p, q := c.out, c.rest
			c.deferred, c.rest = false, nil
			c.dropIn()
			m, n, err = c.readAfter(p, q, c.reused, c)
			c.sent += int64(m)
			c.dropOut()
		} else {
			if c.to != nil || c.tight != nil {
				c.dropIn() // how much there is room for is asked each time, and a buffer for a head is none for a body
			}
			n, err = c.readLent(c, c.in)
		}
		c.end = n
		return err
	}
	if c.end == len(c.in) {
		if c.pos > 0 {
			c.end = copy(c.in, c.in[c.pos:c.end])
			c.pos = 0
		} else {
			c.grow(limit)
		}
	}
	n, err := c.readInto(c.in[c.end:])
	c.end += n
	return err
}

// grow makes room for more than in has, for a head: first all of what was borrowed, then a large buffer, then one made for limit
// bytes, which is rare.
func (c *ClientConn) grow(limit int) {
	if len(c.in) < cap(c.in) {
		c.in = c.in[:cap(c.in)]
		return
	}
	var to []byte
	var large *largeBuffer
	if len(c.in) < largeSize {
		large = largeBuffers.Get().(*largeBuffer)
		to = large[:]
	} else {
		to = make([]byte, max(limit, 2*len(c.in)))
	}
	c.end = copy(to, c.in[c.pos:c.end])
	c.returnIn()
	c.in, c.inBuf, c.pos = to, large, 0
}

// Next returns the next piece of the response body as a view that is valid until the next call, and
// io.EOF at its end. A body cut short is an error that wraps wire.ErrMalformed. After a time-out it may be called
// again.
func (c *ClientConn) Next() ([]byte, error) {
	switch c.state {
	case stateComplete:
		return nil, io.EOF
	case stateBody:
	case stateFailed:
		return nil, errConnInBreak
	default:
		return nil, errNoBody
	}
	if c.kind == kindChunked {
		return c.nextChunk()
	}
	if c.pos == c.end {
		if err := c.fill(0); err != nil {
			if err == io.EOF && c.kind == kindClose {
				c.state = stateComplete
				return nil, io.EOF
			}
			return nil, c.bodyFailed(err)
		}
	}
	p := c.in[c.pos:c.end]
	if c.kind == kindLength {
		if int64(len(p)) >= c.left {
			p = p[:c.left]
			c.state = stateComplete
		}
		c.left -= int64(len(p))
	}
	c.pos += len(p)
	return p, nil
}

// nextChunk is Next for a chunked body.
func (c *ClientConn) nextChunk() ([]byte, error) {
	for {
		skip, n, v := c.chunks.next(c.in[c.pos:c.end])
		c.pos += skip
		switch {
		case v == malformed:
			return nil, c.failed(errChunk)
		case v == needMore:
			if err := c.fill(0); err != nil {
				return nil, c.bodyFailed(err)
			}
		case n > 0:
			p := c.in[c.pos : c.pos+n]
			c.pos += n
			c.chunks.took(int64(n))
			return p, nil
		default:
			return nil, c.readTrailers()
		}
	}
}

// readTrailers reads the trailers and returns io.EOF if they are well formed. Their strings are views
// into the buffer, which stays until the next request.
func (c *ClientConn) readTrailers() error {
	for {
		c.trailers.Reset()
		c.tlines = lines{maxLine: maxTrailers, maxCount: maxTrailerCount, underscores: true, taker: nil}
		switch c.tlines.scan(c.in[c.pos:c.end], &c.trailers) {
		case complete:
			c.pos += c.tlines.pos
			dropTrailers(&c.trailers)
			c.state = stateComplete
			return io.EOF
		case malformed, tooLarge:
			return c.failed(errTrailer)
		}
		if c.end-c.pos > maxTrailers {
			return c.failed(errTrailer)
		}
		if err := c.fill(2 * maxTrailers); err != nil {
			return c.bodyFailed(err)
		}
	}
}

// bodyFailed returns the error of a read within a body.
func (c *ClientConn) bodyFailed(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return c.failed(errBodyCut)
	}
	return err
}

// Read copies the next piece of the body to p; see Next.
func (c *ClientConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := c.Next()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	if back := len(b) - n; back > 0 {
		c.pos -= back
		switch c.kind {
		case kindChunked:
			c.chunks.took(-int64(back))
		case kindLength:
			c.left += int64(back)
			c.state = stateBody
		}
	}
	return n, nil
}

// Buffered reports whether more of the body, or its end, is there without waiting.
func (c *ClientConn) Buffered() bool {
	switch {
	case c.state == stateComplete:
		return true
	case c.state != stateBody || c.pos == c.end:
		return false
	case c.kind != kindChunked:
		return true
	}
	return c.chunks.ready(c.in[c.pos:c.end])
}

// Trailers returns the trailer fields once the body has ended, less those that must not be merged into a
// head; nil if there are none. They are valid until Idle or the next request.
func (c *ClientConn) Trailers() *wire.Fields {
	if c.state != stateComplete || c.trailers.Len() == 0 {
		return nil
	}
	return &c.trailers
}

package http1

import (
	"net"
	"net/http"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// conn is one client connection. It is all that an idle connection keeps, with the net.Conn and the
// stack of its goroutine: the stream is borrowed when a request comes.
type conn struct {
	link
	srv    *Server
	info   *filter.Conn
	limits *wire.Limits
	s      *stream // nil while the connection waits

	begun    []byte // of a head, while its client lets us wait for more
	hijacked bool
	next     runner // who goes on with the connection, which is not HTTP/1.1
	preface  []byte // what was read of it
}

// lend implements lender.
func (c *conn) lend() []byte {
	c.s = borrowStream(c)
	c.s.end = copy(c.s.in, c.begun)
	return c.s.in[c.s.end:]
}

// reclaim implements lender. Of a head that has begun it keeps what has come.
func (c *conn) reclaim() {
	if s := c.s; s.end > 0 {
		c.begun = append(c.begun[:0], s.in[:s.end]...)
		s.pos = s.end
		s.reset()
	}
	c.s.release()
	c.s = nil
}

// serveOne serves the next request. It returns false if there is none, or if it was the last.
func (c *conn) serveOne() bool {
	if !c.await() || !c.readHead() {
		return false
	}
	s := c.s
	x := &s.x
	x.Start = time.Now()
	c.info.Requests++
	s.body.begin(&x.Request, c.limits)
	if x.Hop(s.head.maxForwards) {
		c.srv.Handler.ServeExchange(x)
	} else {
		c.rejected("answered by the proxy")
	}
	return c.settle()
}

// await waits for the first byte of a request.
func (c *conn) await() bool {
	w := c.info.Watch
	stay := w == nil || w.Idle()
	c.limits = c.srv.limits()
	if c.s != nil && c.s.end > 0 { // pipelined: it has come, so it is served although others would not be waited for
		return w == nil || w.Active()
	}
	if !stay {
		return false
	}
	wait := c.limits.IdleTimeout
	if c.info.Requests == 0 {
		wait = c.limits.HeadTimeout
	}
	c.read.timeout, c.write.timeout = int64(wait), int64(c.limits.WriteTimeout)
	var p []byte
	if c.s != nil {
		p = c.s.in
	}
	n, err := c.readLent(c, p)
	if err != nil {
		return false
	}
	c.s.end = n
	return w == nil || w.Active()
}

// readHead reads the head of a request, of which something has come.
//
// It is not inlined, whatever the profile says: what it needs on the stack would lie under the whole exchange, whose stack then
// outgrew 4 KiB, on every connection for good.
//
//go:noinline
func (c *conn) readHead() bool {
	s := c.s
	https := c.info.HTTPS || c.info.TLS != nil
	s.head.reset(&s.x.Request, &s.x.Arena, c.limits, https)
	for {
		if c.info.Requests == 0 && c.offer(s.in[:s.end]) {
			return false
		}
		done, no := s.head.parse(s.in[:s.end])
		if done {
			c.begun = nil
			c.read.fixed, c.read.timeout = 0, int64(c.limits.BodyTimeout)
			s.pos, s.base = s.head.pos, s.head.pos
			if no.status != 0 {
				c.reject(no)
				return false
			}
			return true
		}
		if s.end == len(s.in) {
			s.growHead(c.limits.HeadBytes)
			s.x.Request.Reset()
			s.head.reset(&s.x.Request, &s.x.Arena, c.limits, https)
		}
		// Over TLS the first byte always comes alone, and the rest with the next read.
		if c.read.fixed == 0 && c.limits.HeadTimeout > 0 && s.end > 1 {
			c.read.fixed = clock() + int64(c.limits.HeadTimeout)
		}
		n, again, err := c.readMore()
		if s = c.s; again {
			s.head.reset(&s.x.Request, &s.x.Arena, c.limits, https)
		}
		if err != nil {
			s.head.parse(s.in[:s.end]) // what the log can say about it
			c.headFailed(err)
			return false
		}
		s.end += n
	}
}

// begunSize is the longest beginning of a head that is kept by itself, in bytes.
const begunSize = 4 << 10

// readMore goes on reading a head that has begun. If it has to wait, only what has come is kept meanwhile, not the memory of a whole
// exchange, which a client that moves a byte now and then would hold for nothing (S-F7). The head is then parsed again from its start:
// what that costs is bounded by begunSize.
func (c *conn) readMore() (n int, again bool, err error) {
	if c.raw == nil || c.s.end > begunSize {
		n, err = c.readInto(c.s.in[c.s.end:])
		return n, false, err
	}
	n, err = c.readLent(c, c.s.in[c.s.end:])
	if c.s == nil {
		c.lend()
	}
	again = len(c.begun) > 0
	c.begun = c.begun[:0]
	return n, again, err
}

// offer gives a connection to the HTTP/2 engine, if its client speaks that, and reports whether it did.
func (c *conn) offer(read []byte) bool {
	const begin = "PRI * HTTP/2.0\r\n"
	if c.srv.HTTP2 == nil || c.info.TLS != nil || len(read) < len("PRI ") {
		return false
	}
	if n := min(len(begin), len(read)); string(read[:n]) != begin[:n] {
		return false
	}
	next := c.srv.HTTP2()
	if next == nil || c.conn.SetDeadline(time.Time{}) != nil {
		return false
	}
	c.next, c.preface, c.hijacked = next, append([]byte(nil), read...), true
	return true
}

// keep reports whether the connection may go on after the response being written.
func (c *conn) keep() bool {
	return c.info.Requests < c.limits.RequestsPerConnection && c.limits.IdleTimeout > 0 && !c.srv.draining()
}

// handOver gives up the connection for Hijack.
func (c *conn) handOver() net.Conn {
	c.hijacked = true
	if w := c.info.Watch; w != nil {
		w.Tunnel()
	}
	if c.read.armed != 0 || c.write.armed != 0 {
		c.conn.SetDeadline(time.Time{}) // of a connection that is closed: whoever has it will see
	}
	return c.conn
}

// end ends the connection, also after a panic.
func (c *conn) end() {
	if v := recover(); v != nil {
		c.panicked(v)
		return
	}
	if !c.hijacked {
		c.conn.Close()
	}
	if c.s != nil {
		c.s.pos = c.s.end
		c.s.reset()
		c.reclaim()
	}
}

// panicked answers a request whose handler panicked. The stream is not used again, since nobody knows
// who still has it.
func (c *conn) panicked(value any) {
	s, waiting := c.s, c.s == nil
	if waiting {
		s = borrowStream(c)
	}
	c.s = nil
	if c.srv.Panicked != nil {
		c.srv.Panicked(&s.x, value)
	}
	switch {
	case c.hijacked:
	case waiting:
		c.cut(false)
	case s.out.Began || s.out.aborted.Load():
		c.cut(s.out.mode == modeClose)
	default:
		s.answerError(http.StatusInternalServerError)
		c.resume()
		c.linger(s)
		c.conn.Close()
	}
}

package http2

import (
	"io"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// How a head becomes a request under way, or not.

// onHeaders begins a request, or the trailers of one.
func (c *conn) onHeaders(f *frame) errCode {
	if f.stream%2 == 0 {
		return codeProtocol
	}
	block, parent, code := f.block()
	if code != codeNone {
		return code
	}
	c.mu.Lock()
	if f.stream <= c.last {
		s := c.streams[f.stream]
		if s == nil && !c.knowsReset(f.stream) {
			unused := f.stream > c.unused[0] && f.stream < c.unused[1]
			c.mu.Unlock()
			if unused {
				return codeProtocol // RFC 9113 section 5.1.1
			}
			return codeStreamClosed
		}
		c.head.beginTrailers(f.stream, s != nil)
	} else {
		c.limits = c.srv.limits()
		if f.stream > c.last+2 {
			c.unused = [2]uint32{c.last, f.stream}
		}
		switch {
		case c.leaving == final:
			c.head.beginNothing(f.stream)
		case len(c.streams) >= c.announced || c.running >= 2*c.announced || c.heads > headBudget || c.fields > fieldBudget:
			c.last = f.stream
			c.head.beginNothing(f.stream)
			c.head.refused = true
		default:
			c.last = f.stream
			c.head.beginRequest(borrowStream(c, f.stream), c.limits)
		}
	}
	c.mu.Unlock()
	c.head.end = f.has(flagEndStream)
	if parent == f.stream {
		c.head.malformed("depends on itself")
	}
	return c.fragment(f, block)
}

// knowsReset reports whether a stream was reset by us not long ago.
func (c *conn) knowsReset(id uint32) bool {
	for _, r := range c.recent {
		if r == id {
			return true
		}
	}
	return false
}

// fragment takes a part of a head, and acts on the whole.
func (c *conn) fragment(f *frame, block []byte) errCode {
	h := &c.head
	if whole, code := c.peer.fragment(&h.headBlock, f, block, 2*c.limits.HeadBytes); !whole {
		return code
	}
	id := h.stream
	h.stream = 0
	switch {
	case h.trailers:
		return c.endTrailers(id)
	case h.s != nil:
		return c.endRequest(h.s)
	case h.refused:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out.buf = appendReset(c.out.take(), id, codeRefused)
		c.recent[c.numRecent%len(c.recent)] = id
		c.numRecent++
		if !c.calm.frame() {
			return codeCalm
		}
	}
	return codeNone
}

// endTrailers ends a request body with its trailers.
func (c *conn) endTrailers(id uint32) errCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	switch {
	case s == nil:
		return codeNone
	case s.body.err == io.EOF:
		return c.faultLocked(s, codeStreamClosed, errBodyFrame)
	case s.body.err != nil:
		return codeNone
	case s.socket, !c.head.end || c.head.bad != "" || c.head.no.status != 0:
		return c.faultLocked(s, codeProtocol, errBodyTrailer)
	}
	for i := range c.head.list.Len() {
		if f := c.head.list.At(i); wire.TrailerAllowed(f.ID, f.Name) {
			s.body.trailers.Append(*f)
		}
	}
	c.head.list.Reset()
	if !s.endBodyLocked() {
		return c.faultLocked(s, codeProtocol, errBodyLength)
	}
	return codeNone
}

// endRequest begins a request whose head is complete.
func (c *conn) endRequest(s *stream) errCode {
	h := &c.head
	h.s = nil
	s.x.Start = time.Now()
	h.finish(s)
	if h.bad != "" {
		return c.refuse(s)
	}
	s.no, s.size, s.fields = h.no, h.size, h.count
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.openLocked(s) {
		return codeInternal
	}
	c.shard.start(s)
	return codeNone
}

// refuse resets a stream whose head is malformed (RFC 9113 section 8.1.1).
func (c *conn) refuse(s *stream) errCode {
	c.mu.Lock()
	c.out.buf = appendReset(c.out.take(), s.id, codeProtocol)
	c.recent[c.numRecent%len(c.recent)] = s.id
	c.numRecent++
	c.requests++
	s.info.Requests = c.requests
	calm := c.calm.reset()
	c.mu.Unlock()
	s.x.Response.Status = 400
	s.rejected(c.head.bad)
	s.release()
	if !calm {
		return codeCalm
	}
	return codeNone
}

// openLocked makes the stream known. It is false if the connection is being closed.
func (c *conn) openLocked(s *stream) bool {
	if c.dead {
		return false
	}
	if !c.watched {
		if w := c.info.Watch; w != nil && !w.Active() {
			return false
		}
		c.watched = true
	}
	b := &s.body
	r := &s.x.Request
	b.declared, b.window, b.waits = c.head.declared, streamWindow, r.ExpectContinue
	if c.head.end {
		b.err = io.EOF
	}
	s.window, s.open = c.firstWindow, true
	c.streams[s.id] = s
	c.running++
	c.requests++
	c.heads += s.size
	c.fields += s.fields
	s.info.Requests = c.requests
	c.calm.request()
	if c.leaving == wanted || c.requests >= c.limits.RequestsPerConnection || c.srv.draining() {
		c.leaveLocked()
	}
	return true
}

package http2

import (
	"io"
	"os"
	"time"
)

// send sends what has gathered, and then p; at the end of the response also the trailers, if there are any.
func (s *stream) send(p []byte, end bool, trailers []byte) error {
	c, o := s.c, &s.out
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.open {
		return s.closedLocked()
	}
	s.body.waits = false
	if len(o.head) > 0 {
		flags := uint8(0)
		if end && len(o.data) == 0 && len(p) == 0 && trailers == nil {
			flags = flagEndStream
		}
		s.blockLocked(o.head, flags)
		o.head = nil
		if flags != 0 {
			s.completeLocked()
			return nil
		}
	}
	last := end && trailers == nil
	if len(o.data) > 0 {
		if err := s.dataLocked(o.data, last && len(p) == 0); err != nil {
			return err
		}
		o.data = o.data[:0]
		last = last && len(p) > 0
	}
	if len(p) > 0 || last {
		if err := s.dataLocked(p, last); err != nil {
			return err
		}
	}
	if trailers != nil {
		s.blockLocked(trailers, flagEndStream)
	}
	if end {
		s.completeLocked()
		return nil
	}
	c.flushLocked()
	return nil
}

// Room implements wire.Roomer.
func (s *stream) Room() int {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(min(s.window, c.sendWindow, int64(outputLimit-len(c.out.buf)))) - len(s.out.data)
}

// completeLocked ends the response after its last frame was queued. Of a request body that is still coming nobody wants
// the rest: the stream is reset (RFC 9113 section 8.1). The response leaves ahead of that, in a write of its own, since there
// are clients, curl 7.88 for one, that forget it when they read the reset while they are busy sending.
func (s *stream) completeLocked() {
	c := s.c
	c.calm.complete()
	if s.body.err != io.EOF {
		c.flushLocked()
	}
	if s.body.err == io.EOF {
		s.forgetLocked()
	} else {
		s.resetLocked(codeNone, errComplete)
		s.failBodyLocked(errBodyGone)
	}
	c.flushLocked()
}

// dataLocked queues a piece of the body as DATA frames, as far as the client grants it and there is room, and waits for
// more of both.
func (s *stream) dataLocked(p []byte, end bool) error {
	c, o := s.c, &s.out
	for {
		if n, ok := c.dataOutLocked(&s.sender, p, end); ok {
			o.body += n
			o.pace.Move(n)
			o.total += n + headerSize
			if p = p[n:]; len(p) == 0 {
				return nil
			}
			continue
		}
		if len(c.out.buf) > 0 && !c.out.writing {
			c.flushLocked()
		} else {
			s.waitLocked()
		}
		switch {
		case !s.open:
			return s.closedLocked()
		case s.tunnel != nil && s.tunnel.out.passed():
			return os.ErrDeadlineExceeded
		}
	}
}

// waitLocked waits until there is something to send again, or to give up for. The time counts, but not that of a tunnel.
func (s *stream) waitLocked() {
	c := s.c
	if s.tunnel != nil {
		c.waitLocked(&s.sender)
		return
	}
	s.writeSince = clock() - int64(s.out.pace.Waited)
	c.guardLocked()
	c.waitLocked(&s.sender)
	s.out.pace.Waited, s.writeSince = time.Duration(clock()-s.writeSince), 0
}

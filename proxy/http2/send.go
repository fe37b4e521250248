package http2

import (
	"io"
	"os"
	"slices"

	"github.com/yettproxy/yett/proxy/wire"
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

// completeLocked ends the response after its last frame was queued. Of a request body that is still coming nobody wants
// the rest.
func (s *stream) completeLocked() {
	c := s.c
	c.calm.complete()
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
		n := int64(len(p))
		if n > 0 {
			n = min(n, s.window, c.sendWindow, int64(c.frameSize))
		}
		room := len(c.out.buf) < outputLimit
		if room && (n > 0 || len(p) == 0) {
			flags := uint8(0)
			if end && int(n) == len(p) {
				flags = flagEndStream
			}
			b := appendHeader(c.out.take(), int(n), frameData, flags, s.id)
			c.out.buf = append(b, p[:n]...)
			s.window -= n
			c.sendWindow -= n
			o.body += n
			if o.moved += n; o.moved >= wire.Pace {
				o.waited, o.moved = 0, 0
			}
			o.total += n + headerSize
			if p = p[n:]; len(p) == 0 {
				return nil
			}
			continue
		}
		if len(c.out.buf) > 0 && !c.out.writing {
			c.flushLocked()
		} else {
			s.waitLocked(!room || s.window > 0)
		}
		switch {
		case !s.open:
			return s.closedLocked()
		case s.tunnel != nil && s.tunnel.out.passed():
			return os.ErrDeadlineExceeded
		}
	}
}

// waitLocked waits until the client grants more, or there is room for frames again: for shared, something that
// others wait for, too.
func (s *stream) waitLocked(shared bool) {
	c := s.c
	if shared && !s.stuck {
		s.stuck = true
		c.blocked = append(c.blocked, s)
	}
	if s.tunnel == nil {
		s.writeSince = clock() - s.out.waited
		c.guardLocked()
	}
	s.canWrite.Wait()
	if s.tunnel == nil {
		s.out.waited, s.writeSince = clock()-s.writeSince, 0
	}
	if s.stuck { // woken for another reason
		s.stuck = false
		at := slices.Index(c.blocked, s)
		c.blocked = slices.Delete(c.blocked, at, at+1)
	}
}

// wakeBlockedLocked wakes the streams that wait for something of the connection's.
func (c *conn) wakeBlockedLocked() {
	for i, s := range c.blocked {
		s.stuck = false
		s.canWrite.Signal()
		c.blocked[i] = nil
	}
	c.blocked = c.blocked[:0]
}

package http2

import (
	"net/http"
	"os"
	"strconv"

	"github.com/yettproxy/yett/proxy/wire"
)

// WriteRequest begins a request. It is only put into words: WriteBody, FinishRequest or Flush send it. The fields are written
// as given, less those that frame the message or belong to the connection.
func (s *ClientStream) WriteRequest(r *wire.Request) error {
	if !wire.CleanTarget(r.Target) || !wire.IsToken(r.Method) || !wire.ValidValue(r.Authority) {
		return errTarget
	}
	s.head = r.Method == "HEAD"
	s.block = appendRequest(s.block[:0], r, s.c.scheme)
	return nil
}

// WriteBody sends bytes of the request body; small ones are gathered until FinishRequest or Flush. p is not kept.
func (s *ClientStream) WriteBody(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(s.gather)+len(p) <= gatherSize {
		if s.gather == nil {
			s.gather = make([]byte, 0, gatherSize)
		}
		s.gather = append(s.gather, p...)
		return nil
	}
	return s.send(p, false, nil)
}

// Flush sends everything gathered.
func (s *ClientStream) Flush() error { return s.send(nil, false, nil) }

// FinishRequest ends the request body; trailers may be nil.
func (s *ClientStream) FinishRequest(trailers *wire.Fields) error {
	var block []byte
	if trailers != nil && trailers.Len() > 0 {
		block = appendFields(nil, trailers.All(), wire.HTTP1Only|1<<wire.Host)
	}
	return s.send(nil, true, block)
}

// FinishWithRead is WriteBody and FinishRequest in one.
func (s *ClientStream) FinishWithRead(body []byte) error { return s.send(body, true, nil) }

// send sends what has gathered, and then p; at the end of the request also the trailers, if there are any.
func (s *ClientStream) send(p []byte, end bool, trailers []byte) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.sendErr != nil {
		return s.sendErr
	}
	last := end && trailers == nil
	if s.id == 0 {
		whole := last && len(s.gather)+len(p) == 0
		if !s.beginLocked(whole) {
			return wire.ErrStale
		}
		last = last && !whole
	}
	if len(s.gather) > 0 {
		if err := s.bodyLocked(s.gather, last && len(p) == 0); err != nil {
			return err
		}
		s.gather = s.gather[:0]
		last = last && len(p) > 0
	}
	if len(p) > 0 || last {
		if err := s.bodyLocked(p, last); err != nil {
			return err
		}
	}
	if trailers != nil {
		c.headOutLocked(&s.sender, trailers, flagEndStream)
	}
	s.ended = s.ended || end
	c.out.flushLocked(c.places > 1)
	return nil
}

// beginLocked queues the head. It is false if the connection takes no more requests.
func (s *ClientStream) beginLocked(whole bool) bool {
	c := s.c
	if !c.openLocked() {
		return false
	}
	s.id, s.window = c.next, c.firstWindow
	c.next += 2
	c.streams[s.id] = s
	c.calm.request()
	if c.next >= 1<<31-2 { // the last number there is (RFC 9113 section 5.1.1)
		c.leaving = true
	}
	flags := uint8(0)
	if whole {
		flags = flagEndStream
		s.ended = true
	}
	c.headOutLocked(&s.sender, s.block, flags)
	if c.reminder.at == 0 {
		c.remindLocked(clock() + int64(pingAfter))
	}
	return true
}

// bodyLocked queues a piece of the body, as far as the upstream grants it and there is room, and waits for more of both.
func (s *ClientStream) bodyLocked(p []byte, end bool) error {
	c := s.c
	for {
		if n, ok := c.dataOutLocked(&s.sender, p, end); ok {
			if p = p[n:]; len(p) == 0 {
				return nil
			}
			continue
		}
		if len(c.out.buf) > 0 && !c.out.writing {
			c.out.flushLocked(false)
		} else if !s.waitWriteLocked() {
			return os.ErrDeadlineExceeded
		}
		if s.sendErr != nil {
			return s.sendErr
		}
	}
}

// waitWriteLocked waits until there is something to send again, or to give up for. It is false when that has taken too long.
func (s *ClientStream) waitWriteLocked() bool {
	if s.writeTimeout > 0 {
		s.writeDue = clock() + s.writeTimeout
		s.c.remindLocked(s.writeDue)
	}
	s.c.waitLocked(&s.sender)
	s.writeDue = 0
	expired := s.writeExpired
	s.writeExpired = false
	return !expired
}

// waitReadLocked waits until something has come. It is false when that has taken too long.
func (s *ClientStream) waitReadLocked() bool {
	if s.readTimeout > 0 {
		s.readDue = clock() + s.readTimeout
		s.c.remindLocked(s.readDue)
	}
	s.canRead.Wait()
	s.readDue = 0
	expired := s.readExpired
	s.readExpired = false
	return !expired
}

// appendRequest appends the head of a request.
func appendRequest(b []byte, r *wire.Request, scheme string) []byte {
	switch r.Method {
	case http.MethodGet:
		b = append(b, 0x82)
	case http.MethodPost:
		b = append(b, 0x83)
	default:
		b = appendLiteral(append(b, 0x02), r.Method)
	}
	if scheme == "https" {
		b = append(b, 0x87)
	} else {
		b = append(b, 0x86)
	}
	b = appendLiteral(append(b, 0x01), r.Authority)
	b = appendLiteral(append(b, 0x04), r.Target)
	fields := r.Fields.All()
	b = appendFields(b, fields, wire.HTTP1Only|1<<wire.Host)
	if r.Fields.HasToken(wire.TE, "trailers") {
		b = appendLiteral(appendLiteral(append(b, 0), "te"), "trailers")
	}
	if r.Length > 0 {
		b = append(b, 0x0f, 28-0x0f)
		at := len(b)
		b = strconv.AppendInt(append(b, 0), r.Length, 10)
		b[at] = byte(len(b) - at - 1)
	}
	return b
}

// appendLiteral appends a string.
func appendLiteral(b []byte, s string) []byte { return append(appendLength(b, len(s)), s...) }

package http2

import (
	"net/http"

	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// gatherSize is how much of a body is gathered before it is sent, in bytes; what is larger goes as it is.
	gatherSize = 4 << 10
	// firstGather is how much memory for it a stream has at first.
	firstGather = 1 << 10
	// headSize is the memory for a head that is kept with a stream.
	headSize = 4 << 10
)

// response is where the response being sent stands.
type response struct {
	head   []byte // the encoded head, as long as it was not sent
	memory []byte // of head
	data   []byte // of the body, to be sent with the next piece
	wire.Extent
	done        bool
	failed      error
	pace        wire.Progress
	total, body int64
}

// reset prepares for the next response.
func (o *response) reset() {
	memory, data := o.memory, o.data[:0]
	if cap(memory) > headSize {
		memory = nil
	}
	*o = response{memory: memory, data: data}
}

// Informational implements wire.Stream. An interim response is sent at once.
func (s *stream) Informational(r *wire.Response) error {
	if s.out.Began || r.Status == http.StatusSwitchingProtocols {
		return nil
	}
	c := s.c
	if r.Status == http.StatusContinue {
		return s.Continue()
	}
	block := appendHead(s.out.memory[:0], r, -1)
	s.out.memory = block[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.open {
		return s.closedLocked()
	}
	s.blockLocked(block, 0)
	c.flushLocked()
	return nil
}

// WriteHead implements wire.Stream.
func (s *stream) WriteHead(r *wire.Response) error {
	o := &s.out
	switch {
	case o.Began: // Begin complains
	case r.Status == http.StatusSwitchingProtocols:
		return s.writeSwitch(r)
	case s.socket && r.Status >= 200 && r.Status < 300:
		return s.writeNoSwitch(r)
	}
	length, err := o.Begin(s.x.Request.Method, r)
	if err != nil {
		return s.fail(err)
	}
	o.head = appendHead(o.memory[:0], r, length)
	if !r.Fields.Has(wire.Date) {
		o.head = appendDate(o.head, &s.c.srv.dates, s.x.Start)
	}
	o.memory = o.head[:0]
	return nil
}

// Write implements wire.Stream.
func (s *stream) Write(p []byte) (int, error) {
	o := &s.out
	if o.failed != nil {
		return 0, o.failed
	}
	if send, err := o.Take(len(p)); err != nil {
		return 0, s.fail(err)
	} else if !send {
		return len(p), nil
	}
	if len(o.data)+len(p) <= gatherSize {
		if o.data == nil {
			o.data = make([]byte, 0, max(len(p), firstGather))
		}
		o.data = append(o.data, p...)
		return len(p), nil
	}
	if err := s.send(p, false, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush implements wire.Stream.
func (s *stream) Flush() error {
	if s.out.failed != nil || len(s.out.head) == 0 && len(s.out.data) == 0 {
		return s.out.failed
	}
	return s.send(nil, false, nil)
}

// Finish implements wire.Stream.
func (s *stream) Finish(trailers *wire.Fields) error {
	o := &s.out
	switch {
	case o.failed != nil:
		return o.failed
	case s.socket && o.done: // writeNoSwitch
		return nil
	}
	if err := o.End(); err != nil {
		return s.fail(err)
	}
	var block []byte
	if trailers != nil && trailers.Len() > 0 && s.x.Request.Method != http.MethodHead {
		head := o.head
		if head == nil { // it has been sent
			head = o.memory[:0]
		}
		all := appendFields(head, trailers.All(), wire.HTTP1Only)
		o.memory = all[:0]
		if len(all) > len(head) {
			block = all[len(head):]
		}
	}
	if err := s.send(nil, true, block); err != nil {
		return err
	}
	o.done = true
	return nil
}

// fail makes every further call fail and resets the stream: whatever is sent now, the client cannot make sense of it.
func (s *stream) fail(err error) error {
	if s.out.failed == nil {
		s.out.failed = err
		c := s.c
		c.mu.Lock()
		s.resetLocked(codeInternal, err)
		c.flushLocked()
		c.mu.Unlock()
	}
	return s.out.failed
}

// closedLocked returns why nothing can be sent.
func (s *stream) closedLocked() error {
	if s.out.failed = s.ended; s.out.failed == nil {
		s.out.failed = errComplete
	}
	return s.out.failed
}

// blockLocked queues a header block.
func (s *stream) blockLocked(block []byte, flags uint8) {
	s.out.total += int64(s.c.headOutLocked(&s.sender, block, flags))
}

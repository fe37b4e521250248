package forward

// The request body on its way up.
//
// A body that is short, or has come with the head, is read before an endpoint is asked: head and body then
// go out with one write, no second goroutine is needed, slow clients do not keep endpoints busy, and a
// retry can send it again. What is longer streams (pump.go).
//
// Towards HTTP/2 nothing is waited for: a call may go both ways at once, and the client may want to hear something before it
// says anything.

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// inlineBody is the longest body that is read before an endpoint is asked.
	inlineBody = 16 << 10
	// bodyBuffer is how much of a body is in memory at once.
	bodyBuffer = 32 << 10
)

// bodyBuffers is memory and nothing else.
var bodyBuffers = sync.Pool{New: func() any { return new([bodyBuffer]byte) }}

// fault is why a request body could not be forwarded through no fault of the upstream.
type fault uint8

const (
	noFault fault = iota
	// tooLong: it is longer than the policy allows.
	tooLong
	// broken: it is malformed, or the client went away.
	broken
	// unbounded: its length is not known, but HTTP/1.0 needs one.
	unbounded
)

// body is the request body of a flight.
type body struct {
	buffer *[bodyBuffer]byte
	// prefix is what was read before an endpoint was asked; complete says that this is all.
	prefix   []byte
	complete bool
	// spilled says that more was read than prefix holds.
	spilled bool
	// read is how much was read.
	read int64
	// fault and status say what was wrong. The pump writes them before it closes the connection, which
	// the flight then notices; finished orders the two.
	fault  fault
	status int

	// started says that the pump runs or ran.
	started  bool
	pumping  sync.WaitGroup
	finished atomic.Int64 // when the pump ended, 0 before
	timedOut bool         // the upstream did not take the body in time
	whole    bool         // the pump has sent all of the body
}

// reset makes the body ready for another exchange. The pump must have ended.
func (b *body) reset() {
	if b.buffer != nil {
		bodyBuffers.Put(b.buffer)
	}
	b.buffer, b.prefix, b.complete, b.read = nil, nil, false, 0
	b.fault, b.status, b.started, b.timedOut, b.whole, b.spilled = noFault, 0, false, false, false, false
	b.finished.Store(0)
}

// begin reads the beginning of the body, all of it if it is short. If it reports false the exchange has
// been answered.
func (b *body) begin(s *flight) bool {
	r := &s.x.Request
	if r.Length == 0 {
		b.complete = true
		b.tap(s, nil, true)
		return true
	}
	if v, ok := s.x.Stream.(wire.BodyViewer); ok {
		if p, whole := v.View(); whole {
			b.prefix, b.complete, b.read = p, true, int64(len(p))
			b.tap(s, p, true)
			return true
		}
	}
	b.buffer = bodyBuffers.Get().(*[bodyBuffer]byte)
	short := r.Length > 0 && r.Length <= inlineBody
	endless := r.Length < 0 && s.plan.Policy.HTTP10 && !s.plan.shared
	for {
		if s.plan.shared && !short && !more(s.x.Stream) {
			return true
		}
		n, err := s.x.Stream.Read(b.buffer[b.read:inlineBody])
		b.read += int64(n)
		b.prefix = b.buffer[:b.read]
		b.complete = err == io.EOF || b.read == r.Length
		full := b.read == inlineBody
		if (err == nil || err == io.EOF) && !b.tooLong(s) {
			b.tap(s, b.prefix[len(b.prefix)-n:], b.complete)
		}
		switch {
		case b.tooLong(s):
			b.fault = tooLong
		case err != nil && err != io.EOF:
			b.blame(err)
		case b.complete:
			return true
		case full && endless:
			b.fault = unbounded
		case !full && (short || endless || more(s.x.Stream)):
			continue
		default:
			return true
		}
		b.answer(s)
		return false
	}
}

// more reports whether the next Read of a stream is known not to wait.
func more(stream wire.Stream) bool {
	p, ok := stream.(wire.BodyPeeker)
	return ok && p.Buffered()
}

// tooLong reports whether more was read than the policy allows.
func (b *body) tooLong(s *flight) bool {
	limit := s.plan.Policy.MaxBody
	return limit > 0 && b.read > limit
}

// blame notes an error of reading the body.
func (b *body) blame(err error) {
	b.fault, b.status = broken, 499
	var bad *wire.BodyError
	if errors.As(err, &bad) {
		b.status = bad.Status
	}
}

// answer ends an exchange whose body is at fault and of whose response nothing was sent.
func (b *body) answer(s *flight) {
	b.stop(s)
	switch {
	case b.fault == tooLong:
		s.x.Reply(413)
	case b.fault == unbounded:
		s.x.Reply(411)
	case b.status == 499:
		s.x.ClientGone = true
		s.x.Stream.Abort()
	default:
		s.x.Reply(b.status)
	}
}

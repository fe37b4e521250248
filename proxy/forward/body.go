package forward

// The request body on its way up.
//
// A body that is short, or has come with the head, is read before an endpoint is asked: head and body then
// go out with one write, no second goroutine is needed, slow clients do not keep endpoints busy, and a
// retry can send it again. What is longer streams: a goroutine, the pump, copies it while the response may
// already be coming back, and there is no second try.
//
// Towards HTTP/2 nothing is waited for: a call may go both ways at once, and the client may want to hear something before it
// says anything. The beginning of what streams is kept, so that an endpoint that has not begun with the request
// can be replaced as long as there is not more.

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/upstream"
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

// pump begins to copy the rest of the body to the connection.
func (b *body) pump(s *flight) {
	b.started = true
	b.pumping.Go(func() {
		b.copy(s, s.conn)
		b.finished.Store(upstream.Now())
	})
}

// room returns where the pump reads to. What fits is kept for another try, if there can be one.
func (b *body) room(s *flight) (to []byte, kept bool) {
	if s.plan.shared && !b.spilled && len(b.prefix) < inlineBody {
		return b.buffer[len(b.prefix):inlineBody], true
	}
	if !s.plan.shared {
		return b.buffer[:], false
	}
	return b.buffer[inlineBody:], false
}

// copy is the pump. Faults of the client end the upstream connection, so that the endpoint sees an
// incomplete request; faults of the upstream only end the pump, since there may be a response.
func (b *body) copy(s *flight, c call) {
	stream, limit := s.x.Stream, s.plan.Policy.MaxBody
	for {
		to, kept := b.room(s)
		n, err := stream.Read(to)
		b.read += int64(n)
		if kept {
			b.prefix = b.buffer[:len(b.prefix)+n]
		} else {
			b.spilled = b.spilled || n > 0
		}
		if limit > 0 && b.read > limit {
			b.fault = tooLong
			_ = c.Close()
			return
		}
		if err != nil && err != io.EOF {
			if err != wire.ErrInterrupted {
				b.blame(err)
			}
			_ = c.Close()
			return
		}
		b.complete = err == io.EOF && !b.spilled
		b.tap(s, to[:n], err == io.EOF)
		sendErr := c.WriteBody(to[:n])
		switch {
		case sendErr != nil:
		case err == io.EOF:
			sendErr = c.FinishRequest(s.requestTrailers())
		default:
			sendErr = c.Flush()
		}
		if sendErr != nil {
			b.timedOut = errors.Is(sendErr, os.ErrDeadlineExceeded)
			if b.timedOut {
				_ = c.Close()
			}
			return
		}
		if err == io.EOF {
			b.whole = true
			return
		}
	}
}

// again prepares for another try. It is false if what was sent is not there any more, or the pump still runs: an endpoint that
// answers early, with a status that could be tried again, is taken at its word.
func (b *body) again(s *flight) bool {
	if !b.started {
		return true
	}
	if !s.plan.shared || b.finished.Load() == 0 || b.spilled || b.fault != noFault {
		return false
	}
	if !b.complete {
		r, ok := s.x.Stream.(wire.Resumer)
		if !ok {
			return false
		}
		r.Resume()
	}
	b.started, b.timedOut, b.whole = false, false, false
	b.finished.Store(0)
	return true
}

// extend decides about a read that timed out: as long as the body is on its way the response is not due,
// and after that the upstream has the full time. It reports whether to go on reading.
func (b *body) extend(s *flight) bool {
	if !b.started || s.late() {
		return false
	}
	end := b.finished.Load()
	if end == 0 {
		return true
	}
	left := s.plan.Policy.Read - time.Duration(upstream.Now()-end)
	if left <= s.plan.Policy.Read/20 {
		return false
	}
	s.conn.SetReadTimeout(s.bound(left))
	return true
}

// sendTimedOut reports whether reading the response failed because the upstream did not take the body in
// time, whereupon the pump has closed the connection.
func (b *body) sendTimedOut(err error) bool {
	if !b.started || !errors.Is(err, net.ErrClosed) {
		return false
	}
	b.pumping.Wait()
	return b.timedOut
}

// stop ends the pump, if it runs, and reports whether the upstream has got all of the body. The
// connection is closed if it has not.
func (b *body) stop(s *flight) (whole bool) {
	if !b.started {
		return b.complete
	}
	if b.finished.Load() == 0 {
		if i, ok := s.x.Stream.(wire.Interrupter); ok {
			i.Interrupt()
		}
		if s.conn != nil {
			_ = s.conn.Close()
		}
		b.pumping.Wait()
	}
	return b.whole
}

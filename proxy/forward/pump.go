package forward

// The pump: what copies a request body that is not all there to the endpoint, on a goroutine of its own, while the response may
// already be coming back. Hence there is no second try, with one exception: the beginning of what streams towards HTTP/2 is kept, so
// that an endpoint that has not begun with the request can be replaced as long as there is not more.

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

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

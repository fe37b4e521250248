package http2

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// What can end a stream. The values are shared and never changed.
var (
	errGone     = errors.New("write response: client closed the connection")
	errReset    = errors.New("write response: client reset the stream")
	errStalled  = errors.New("write response: client does not take it")
	errAborted  = errors.New("write response: aborted")
	errRuined   = errors.New("write response: stream was reset for a fault of the client's")
	errComplete = errors.New("write response: it is complete")
)

// stream is one exchange with all the memory it needs. It is borrowed from a pool when a head begins and given back when
// the handler has returned and the client cannot say anything to it any more: the connection knows it by its number
// only as long as both hold.
type stream struct {
	x    filter.Exchange
	info filter.Conn
	c    *conn
	no   refusal // what to answer instead of asking the handler
	hops int     // Max-Forwards, -1 for none
	size int     // of the head
	// fields are how many the head has.
	fields int

	socket bool        // the request is a handshake for a WebSocket (RFC 8441)
	tunnel *tunnel     // what it has become
	gone   atomic.Bool // the client does not want the response any more
	alarm  atomic.Pointer[wire.Alarm]

	// The lock of the connection guards what follows.
	open      bool  // the connection knows the stream
	ended     error // why nothing can be sent any more
	body      requestBody
	readSince int64 // since when Read waits; 0 if it does not

	sender
	writeSince int64

	// Only the goroutine that writes the response touches these.
	out response
}

var (
	_ wire.Stream      = (*stream)(nil)
	_ wire.Interrupter = (*stream)(nil)
	_ wire.Alarmer     = (*stream)(nil)
	_ wire.BodyPeeker  = (*stream)(nil)
	_ wire.Resetter    = (*stream)(nil)
	_ wire.Resumer     = (*stream)(nil)
	_ wire.Roomer      = (*stream)(nil)
)

// streams is memory and nothing else.
var streams = sync.Pool{New: func() any {
	s := new(stream)
	s.x.Stream = s
	return s
}}

// borrowStream returns a stream for a head that begins.
func borrowStream(c *conn, id uint32) *stream {
	s := streams.Get().(*stream)
	s.c, s.id, s.hops = c, id, -1
	s.info = *c.info
	s.x.Conn = &s.info
	s.canWrite.L, s.body.canRead.L = &c.mu, &c.mu
	return s
}

// release gives the stream back. Nobody may know it any more.
func (s *stream) release() {
	s.x.Reset()
	s.body.reset()
	s.out.reset()
	s.gone.Store(false)
	s.alarm.Store(nil)
	s.c, s.info, s.no, s.ended, s.readSince, s.writeSince, s.stuck = nil, filter.Conn{}, refusal{}, nil, 0, 0, false
	s.socket, s.tunnel = false, nil
	streams.Put(s)
}

// serve runs the exchange on the goroutine of a worker.
func (s *stream) serve() {
	defer s.end()
	x := &s.x
	switch {
	case s.gone.Load():
		return // reset before it was begun
	case s.no.status != 0:
		s.x.Refuse(s.no.status)
		s.rejected(s.no.reason)
	case !x.Hop(s.hops):
		s.rejected("answered by the proxy")
	default:
		s.c.srv.Handler.ServeExchange(x)
	}
}

// rejected tells the server of a request that the engine answered.
func (s *stream) rejected(reason string) {
	if s.c.srv.Rejected != nil {
		s.x.End = s.x.Start
		s.c.srv.Rejected(&s.x, reason)
	}
}

// end ends the exchange, also after a panic.
func (s *stream) end() {
	c := s.c
	panicked := false
	if v := recover(); v != nil {
		panicked = true
		if c.srv.Panicked != nil {
			c.srv.Panicked(&s.x, v)
		}
	}
	c.mu.Lock()
	if !s.out.Began && s.open {
		c.mu.Unlock()
		s.x.Refuse(http.StatusInternalServerError)
		c.mu.Lock()
	}
	if s.open {
		s.resetLocked(codeInternal, errAborted) // the handler did not finish
	}
	if s.x.CloseAfter {
		c.leaveLocked()
	}
	c.running--
	if s.tunnel != nil {
		c.tunnels--
	}
	c.tunnelsLocked()
	c.heads -= s.size
	c.fields -= s.fields
	if c.running == 0 {
		c.idleSince = clock()
		c.done.Broadcast()
	}
	c.flushLocked()
	c.restLocked()
	c.overWakeLocked()
	c.mu.Unlock()
	if !panicked { // otherwise nobody knows who still has it
		s.release()
	}
}

// forgetLocked takes the stream off the connection.
func (s *stream) forgetLocked() {
	if !s.open {
		return
	}
	s.open = false
	delete(s.c.streams, s.id)
	s.c.grantLocked(int64(s.body.data.size)) // nobody will read it
	s.body.data.reset()
}

// lostLocked ends the stream without a frame: the client reset it, or is gone.
func (s *stream) lostLocked(why error) {
	if s.ended == nil {
		s.ended = why
	}
	s.open = false
	s.gone.Store(true)
	if a := s.alarm.Load(); a != nil {
		a.Ring()
	}
	s.failBodyLocked(errBodyGone)
	s.canWrite.Broadcast()
}

// resetLocked resets the stream, unless it is over.
func (s *stream) resetLocked(code errCode, why error) {
	if !s.open || s.c.dead {
		return
	}
	c := s.c
	c.out.buf = appendReset(c.out.take(), s.id, code)
	c.recent[c.numRecent%len(c.recent)] = s.id
	c.numRecent++
	s.forgetLocked()
	if s.ended == nil {
		s.ended = why
	}
	s.canWrite.Broadcast()
	s.body.canRead.Broadcast()
}

// Abort implements wire.Stream.
func (s *stream) Abort() { s.Reset(wire.ResetInternal) }

// Reset implements wire.Resetter.
func (s *stream) Reset(code wire.ResetError) {
	c := s.c
	c.mu.Lock()
	s.resetLocked(errCode(code), errAborted)
	s.failBodyLocked(errBodyGone)
	if s.ended == nil {
		s.ended = errAborted
	}
	c.flushLocked()
	c.mu.Unlock()
}

// Gone implements wire.Goner.
func (s *stream) Gone() bool { return s.gone.Load() }

// SetAlarm implements wire.Alarmer.
func (s *stream) SetAlarm(a *wire.Alarm) { s.alarm.Store(a) }

// Written implements wire.Stream.
func (s *stream) Written() (total, body int64) {
	if t := s.tunnel; t != nil {
		return t.total, t.body
	}
	return s.out.total, s.out.body
}

// Received implements wire.Stream.
func (s *stream) Received() int64 {
	if s.tunnel != nil {
		return 0
	}
	return s.body.received.Load()
}

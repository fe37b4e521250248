package http2

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// What can be wrong with a request body. The values are shared and never changed.
var (
	errBodyGone    = &wire.BodyError{Status: 499, Reason: "client gave up the request within the body"}
	errBodyTimeout = &wire.BodyError{Status: http.StatusRequestTimeout, Reason: "client sent the body too slowly"}
	errBodyLength  = &wire.BodyError{Status: http.StatusBadRequest, Reason: "body and content-length differ"}
	errBodyTrailer = &wire.BodyError{Status: http.StatusBadRequest, Reason: "malformed trailer"}
	errBodyFrame   = &wire.BodyError{Status: http.StatusBadRequest, Reason: "malformed frame"}
)

// requestBody is where the body of a request stands. The lock of the connection guards it.
type requestBody struct {
	canRead     sync.Cond
	data        queue
	err         error // io.EOF once the client has sent all
	interrupted bool
	waits       bool  // the client waits for 100 (Continue)
	declared    int64 // Content-Length; -1 for none
	window      int64 // what the client may still send
	pace        wire.Progress
	credit      int64 // what was consumed and not yet granted again
	trailers    wire.Fields
	received    atomic.Int64
}

// reset prepares for another request.
func (b *requestBody) reset() {
	b.data.reset()
	b.trailers.Reset()
	b.err, b.interrupted, b.waits, b.declared, b.window, b.credit = nil, false, false, 0, 0, 0
	b.pace = wire.Progress{}
	b.received.Store(0)
}

// Read implements wire.Body. It may run in a goroutine of its own.
func (s *stream) Read(p []byte) (int, error) {
	c, b := s.c, &s.body
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.waits {
		s.continueLocked()
	}
	for {
		switch {
		case s.socket:
			return 0, io.EOF // what comes is for the tunnel
		case b.interrupted:
			return 0, wire.ErrInterrupted
		case b.err != nil && b.err != io.EOF:
			return 0, b.err
		case len(p) == 0:
			return 0, nil
		case b.data.size > 0:
			n := b.data.take(p)
			if b.pace.Move(int64(n)); b.declared < 0 {
				b.pace = wire.Progress{}
			}
			s.grantLocked(int64(n))
			c.grantLocked(int64(n))
			c.flushLocked()
			return n, nil
		case b.err != nil:
			return 0, io.EOF
		}
		s.readSince = clock() - int64(b.pace.Waited)
		c.guardLocked()
		b.canRead.Wait()
		b.pace.Waited, s.readSince = time.Duration(clock()-s.readSince), 0
	}
}

// grantLocked lets the client send more on the stream, once it is worth a frame.
func (s *stream) grantLocked(n int64) {
	b := &s.body
	if b.credit += n; b.credit < streamWindow/4 || b.err != nil || !s.open {
		return
	}
	s.c.out.buf = appendWindowUpdate(s.c.out.take(), s.id, b.credit)
	b.window += b.credit
	b.credit = 0
}

// Trailers implements wire.Body.
func (s *stream) Trailers() *wire.Fields {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.body.err != io.EOF || s.body.data.size > 0 || s.body.trailers.Len() == 0 {
		return nil
	}
	return &s.body.trailers
}

// Buffered reports whether more of the request body, or its end, is there without waiting.
func (s *stream) Buffered() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.socket || s.body.data.size > 0 || s.body.err != nil
}

// Interrupt implements wire.Interrupter.
func (s *stream) Interrupt() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.body.interrupted = true
	s.body.canRead.Broadcast()
}

// Resume implements wire.Resumer.
func (s *stream) Resume() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.body.interrupted = false
}

// Continue implements wire.Stream.
func (s *stream) Continue() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.continueLocked()
	s.c.flushLocked()
	return nil
}

// continueLocked sends 100 (Continue) to a client that waits for it.
func (s *stream) continueLocked() {
	if !s.body.waits || !s.open {
		return
	}
	s.body.waits = false
	s.blockLocked(appendStatus(nil, http.StatusContinue), 0)
	s.c.flushLocked()
}

// failBodyLocked makes Read fail, unless all of the body has come.
func (s *stream) failBodyLocked(err error) {
	if s.body.err == nil {
		s.body.err = err
	}
	s.body.canRead.Broadcast()
}

// endBodyLocked is called at END_STREAM. It is false if the body is shorter than announced.
func (s *stream) endBodyLocked() bool {
	b := &s.body
	if b.declared >= 0 && b.received.Load() != b.declared {
		return false
	}
	b.err = io.EOF
	b.canRead.Broadcast()
	return true
}

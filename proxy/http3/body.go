package http3

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// What can be wrong with a request body. The values are shared and never changed.
var (
	errBodyGone    = &wire.BodyError{Status: 499, Reason: "client gave up the request within the body"}
	errBodyTimeout = &wire.BodyError{Status: http.StatusRequestTimeout, Reason: "client sent the body too slowly"}
	errBodyBad     = &wire.BodyError{Status: http.StatusBadRequest, Reason: "malformed body, or not as long as its content-length"}
)

// requestBody is where the body of a request stands.
type requestBody struct {
	received atomic.Int64
	err      error // why nothing more can be read; io.EOF at its end
	trailers wire.Fields
	waits    bool // the client waits for 100 (Continue)
	pace     wire.Progress

	// A request without Content-Length may have no body at all, which the end of its stream tells: mostly it comes with
	// the head. So the first piece is read ahead, by a goroutine since the read may block, and only briefly waited for.
	early     chan struct{} // closed when it is there; nil if nobody reads ahead
	earlyData []byte
	earlyErr  error
	memory    []byte
}

const (
	// earlySize is how much is read ahead, in bytes, and earlyWait how long that is waited for.
	earlySize = 4 << 10
	earlyWait = 5 * time.Millisecond
)

// begin finds out whether there is a body.
func (b *requestBody) begin(s *stream) {
	q := &s.x.Request
	if q.ExpectContinue = q.ExpectContinue && q.Length != 0; q.ExpectContinue {
		b.waits = true
		return
	}
	if q.Length != wire.Unknown || s.no.status != 0 {
		return
	}
	if b.memory == nil {
		b.memory = make([]byte, earlySize)
	}
	b.early = make(chan struct{})
	body, done := s.r.Body, b.early
	go func() {
		defer close(done)
		for len(b.earlyData) == 0 && b.earlyErr == nil {
			var n int
			n, b.earlyErr = body.Read(b.memory)
			b.earlyData = b.memory[:n]
		}
	}()
	timer := time.NewTimer(earlyWait)
	defer timer.Stop()
	select {
	case <-b.early:
		if len(b.earlyData) == 0 && b.earlyErr == io.EOF {
			q.Length, b.early, b.earlyErr, b.err = 0, nil, nil, io.EOF
		}
	case <-timer.C:
	}
}

// end waits for the goroutine that reads ahead.
func (b *requestBody) end(s *stream) {
	if b.early != nil {
		s.Interrupt()
		<-b.early
	}
}

// reset prepares for another request.
func (b *requestBody) reset() {
	b.trailers.Reset()
	b.received.Store(0)
	b.err, b.waits, b.pace, b.early, b.earlyData, b.earlyErr = nil, false, wire.Progress{}, nil, nil, nil
}

// Read implements wire.Body. It may run in a goroutine of its own.
func (s *stream) Read(p []byte) (int, error) {
	b := &s.body
	for {
		switch {
		case b.err != nil:
			return 0, b.err
		case len(p) == 0:
			return 0, nil
		}
		if b.waits {
			if err := s.Continue(); err != nil {
				return 0, errBodyGone
			}
		}
		if !s.armRead() {
			return 0, wire.ErrInterrupted
		}
		begin := time.Now()
		n, err := b.next(s, p)
		b.received.Add(int64(n))
		if s.x.Request.Length >= 0 { // else it may be a stream
			b.pace.Waited += time.Since(begin)
			b.pace.Move(int64(n))
		}
		if err != nil {
			b.err = s.bodyError(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// armRead sets the deadline of the next read. It is false if nobody is to read any more.
func (s *stream) armRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupted || s.aborted {
		return false
	}
	deadline := time.Time{}
	if t := s.limits.BodyTimeout; t > 0 {
		deadline = time.Now().Add(t - s.body.pace.Waited)
	}
	return s.w.SetReadDeadline(deadline) == nil
}

// next returns what was read ahead, and then what comes.
func (b *requestBody) next(s *stream, p []byte) (int, error) {
	if b.early == nil {
		return s.r.Body.Read(p)
	}
	<-b.early
	n := copy(p, b.earlyData)
	if b.earlyData = b.earlyData[n:]; len(b.earlyData) > 0 {
		return n, nil
	}
	err := b.earlyErr
	b.early, b.earlyErr = nil, nil
	return n, err
}

// bodyError says why a read failed.
func (s *stream) bodyError(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == io.EOF:
		s.takeTrailers()
		return io.EOF
	case s.interrupted:
		return wire.ErrInterrupted
	case s.aborted || s.gone():
		return errBodyGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodyTimeout
	case isReset(err):
		return errBodyGone
	}
	return errBodyBad
}

// takeTrailers takes the trailers that may pass, sorted by name.
func (s *stream) takeTrailers() {
	if len(s.r.Trailer) == 0 {
		return
	}
	var names []string
	for name := range s.r.Trailer {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, key := range names {
		name := strings.ToLower(key)
		id := wire.Lookup(name)
		for _, value := range s.r.Trailer[key] {
			if wire.TrailerAllowed(id, name) && wire.CheckName(name, s.limits.UnderscoresInNames) == wire.KeepField && wire.TrimmedValue(value) {
				s.body.trailers.Append(wire.Field{Name: name, Value: value, ID: id})
			}
		}
	}
}

// Trailers implements wire.Body.
func (s *stream) Trailers() *wire.Fields {
	if s.body.err != io.EOF || s.body.trailers.Len() == 0 {
		return nil
	}
	return &s.body.trailers
}

// Continue implements wire.Stream.
func (s *stream) Continue() error {
	if !s.body.waits || s.out.Began {
		return nil
	}
	s.body.waits = false
	return s.interim(http.StatusContinue)
}

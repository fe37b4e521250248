package http1

import (
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// What can be wrong with a request body. The values are shared and never changed.
var (
	errBodyGone     = &wire.BodyError{Status: 499, Reason: "client closed the connection within the body"}
	errBodyTimeout  = &wire.BodyError{Status: http.StatusRequestTimeout, Reason: "client sent the body too slowly"}
	errBodyChunk    = &wire.BodyError{Status: http.StatusBadRequest, Reason: "malformed chunk"}
	errBodyTrailer  = &wire.BodyError{Status: http.StatusBadRequest, Reason: "malformed trailer"}
	errBodyTrailers = &wire.BodyError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "trailers too large"}
)

// direct is how many bytes of body a reader must have room for to be read past the buffer.
const direct = 1 << 10

// maxTrailers is the most trailers in all, in bytes.
const maxTrailers = 16 << 10

// requestBody is where the body of the request being served stands.
type requestBody struct {
	chunked bool
	left    int64 // bytes still to come if not chunked
	chunks  chunks
	lines   lines
	err     error // what Read returns from now on; io.EOF once the body was read to its end

	trailers wire.Fields
	pace     wire.Progress
	received atomic.Int64
	expect   expectation
	broken   atomic.Bool // err is the client's fault: whatever comes next is no request
}

// reset prepares for the next request.
func (b *requestBody) reset() {
	b.chunked, b.left, b.chunks, b.err = false, 0, chunks{}, nil
	b.pace = wire.Progress{}
	b.trailers.Reset()
	b.received.Store(0)
	b.broken.Store(false)
	b.expect.Store(expectNothing)
}

// begin is called when the head is complete.
func (b *requestBody) begin(r *wire.Request, limits *wire.Limits) {
	switch {
	case r.Length == 0:
		b.err = io.EOF
	case r.Length == wire.Unknown:
		b.chunked = true
		b.lines = lines{maxLine: limits.LineBytes, maxCount: limits.FieldCount}
	default:
		b.left = r.Length
	}
	if r.ExpectContinue {
		b.expect.Store(expectPending)
	}
}

// Read implements wire.Body. It may run in a goroutine of its own.
func (s *stream) Read(p []byte) (int, error) {
	b := &s.body
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.expect.Load() == expectPending {
		if err := s.Continue(); err != nil {
			return 0, s.bodyFailed(err)
		}
	}
	if b.chunked {
		return s.readChunked(p)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := s.readPayload(p)
	if err != nil {
		return 0, err
	}
	if b.left -= int64(n); b.left == 0 {
		b.err = io.EOF
	}
	return n, nil
}

// Trailers implements wire.Body.
func (s *stream) Trailers() *wire.Fields {
	if s.body.err != io.EOF || s.body.trailers.Len() == 0 {
		return nil
	}
	return &s.body.trailers
}

// Buffered reports whether more of the request body, or its end, is there without waiting: a short chunked
// body often comes with its head.
func (s *stream) Buffered() bool {
	b := &s.body
	switch {
	case b.err != nil:
		return true
	case s.pos == s.end:
		return false
	case !b.chunked:
		return true
	}
	return b.chunks.ready(s.in[s.pos:s.end])
}

// View implements wire.BodyViewer. The bytes stay where they are until the exchange is over: nothing is read into the
// buffer behind the end of a body.
func (s *stream) View() ([]byte, bool) {
	b := &s.body
	if b.err != nil || b.chunked || int64(s.end-s.pos) < b.left || b.expect.Load() == expectPending {
		return nil, false
	}
	p := s.in[s.pos : s.pos+int(b.left)]
	s.pos += len(p)
	b.received.Add(int64(len(p)))
	b.left, b.err = 0, io.EOF
	return p, true
}

// readPayload reads bytes that are payload for sure: from the buffer, or past it if p is large.
func (s *stream) readPayload(p []byte) (n int, err error) {
	if s.pos == s.end {
		if len(p) >= direct {
			n, err = s.readPaced(p)
			if err != nil {
				return 0, s.bodyFailed(err)
			}
			s.body.received.Add(int64(n))
			return n, nil
		}
		if err = s.fill(direct); err != nil {
			return 0, err
		}
	}
	n = copy(p, s.in[s.pos:s.end])
	s.pos += n
	s.body.received.Add(int64(n))
	return n, nil
}

// fill reads more bytes behind those in the buffer, which has then room for n bytes in all.
func (s *stream) fill(n int) error {
	s.reserve(n)
	m, err := s.readPaced(s.in[s.end:])
	if err != nil {
		return s.bodyFailed(err)
	}
	s.end += m
	return nil
}

// readPaced reads bytes of the body and sees to it that its client keeps up wire.Pace.
func (s *stream) readPaced(p []byte) (int, error) {
	b, c := &s.body, s.c
	if b.chunked || c.limits.BodyTimeout <= 0 {
		return c.readInto(p)
	}
	c.read.timeout = int64(max(c.limits.BodyTimeout-b.pace.Waited, time.Millisecond))
	begin := clock()
	n, err := c.readInto(p)
	b.pace.Waited += time.Duration(clock() - begin)
	b.pace.Move(int64(n))
	return n, err
}

// readChunked reads payload of a chunked body.
func (s *stream) readChunked(p []byte) (int, error) {
	b := &s.body
	for {
		if b.chunks.state == chunkData && b.chunks.left > 0 && s.pos == s.end && len(p) >= direct {
			n, err := s.readPayload(p[:min(int64(len(p)), b.chunks.left)])
			b.chunks.took(int64(n))
			return n, err
		}
		skip, n, v := b.chunks.next(s.in[s.pos:s.end])
		s.pos += skip
		b.received.Add(int64(skip))
		switch {
		case v == malformed:
			return 0, b.fail(errBodyChunk)
		case v == needMore:
			if err := s.fill(maxChunkLine + 2); err != nil {
				return 0, err
			}
		case n > 0:
			n, err := s.readPayload(p[:min(len(p), n)])
			b.chunks.took(int64(n))
			return n, err
		default:
			return 0, s.readTrailers()
		}
	}
}

// readTrailers reads the trailers and returns io.EOF if they are well formed. Their strings point into the
// buffer, where nothing is read any more until the exchange is over.
func (s *stream) readTrailers() error {
	b := &s.body
	b.lines.pos = 0
	for {
		switch b.lines.scan(s.in[s.pos:s.end], &b.trailers) {
		case complete:
			s.pos += b.lines.pos
			b.received.Add(int64(b.lines.pos))
			dropTrailers(&b.trailers)
			b.err = io.EOF
			return io.EOF
		case malformed:
			return b.fail(errBodyTrailer)
		case tooLarge:
			return b.fail(errBodyTrailers)
		}
		if s.end-s.pos >= maxTrailers {
			return b.fail(errBodyTrailers)
		}
		from, at := &s.in[0], s.pos
		if err := s.fill(maxTrailers); err != nil {
			return err
		}
		if at != s.pos || from != &s.in[0] { // moved: the strings point to where they were
			b.lines.pos, b.lines.count = 0, 0
			b.trailers.Reset()
		}
	}
}

// bodyFailed turns an error of the connection into one of the body, which sticks.
func (s *stream) bodyFailed(err error) error {
	switch {
	case err == wire.ErrInterrupted:
		s.body.err = err
		return err
	case err == os.ErrDeadlineExceeded:
		return s.body.fail(errBodyTimeout)
	}
	return s.body.fail(errBodyGone) // the end, a reset, a connection closed by Abort
}

// fail makes this and every later Read return err.
func (b *requestBody) fail(err error) error {
	b.err = err
	b.broken.Store(true)
	return err
}

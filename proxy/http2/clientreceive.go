package http2

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/yettproxy/yett/proxy/wire"
)

// Ways for a response to be malformed.
var (
	errFrame    = fmt.Errorf("%w: frame out of place", wire.ErrMalformed)
	errHead     = fmt.Errorf("%w: head", wire.ErrMalformed)
	errTrailers = fmt.Errorf("%w: trailers", wire.ErrMalformed)
	errLength   = fmt.Errorf("%w: body and content-length differ", wire.ErrMalformed)
	errInterims = fmt.Errorf("%w: too many interim responses", wire.ErrMalformed)
)

// maxInterims is how many interim responses may come before a final one.
const maxInterims = 100

// headLocked takes a head, or trailers, that are complete.
func (s *ClientStream) headLocked(h *responseParser) {
	r := &h.response
	switch {
	case h.large:
		s.faultLocked(codeCalm, wire.ErrHeadTooLarge)
	case s.err != nil:
		s.faultLocked(codeStreamClosed, errFrame)
	case h.trailers:
		if h.bad || !h.end {
			s.faultLocked(codeProtocol, errTrailers)
			return
		}
		for i := range r.Fields.Len() {
			s.trailers.Append(*r.Fields.At(i))
		}
		s.endInLocked()
	case h.bad || r.Status == 0 || r.Status < 200 && h.end:
		s.faultLocked(codeProtocol, errHead)
	case r.Status < 200:
		// One that nobody has looked at yet gives way to the next one.
		if s.interims++; s.interims > maxInterims {
			s.faultLocked(codeCalm, errInterims)
			return
		}
		s.takeHeadLocked(h)
	default:
		s.final = true
		s.frameLocked(h)
		s.takeHeadLocked(h)
		if h.end {
			s.endInLocked()
		}
	}
}

// takeHeadLocked hands the head over: the memory of the one before goes back.
func (s *ClientStream) takeHeadLocked(h *responseParser) {
	s.response, h.response = h.response, s.response
	s.text, s.ready = h.text, true
	s.wakeLocked()
}

// frameLocked decides how long the body is.
func (s *ClientStream) frameLocked(h *responseParser) {
	r := &h.response
	s.declared, r.Length = h.length, h.length
	switch {
	case s.head || r.Status == http.StatusNotModified:
		s.none = true
		r.HasLength = h.length >= 0
	case r.Status == http.StatusNoContent:
		s.none, r.Length = true, 0
	}
}

// dataInLocked takes a piece of the body, which took all bytes of the windows.
func (s *ClientStream) dataInLocked(data []byte, all int64, end bool) {
	n := int64(len(data))
	s.received += n
	switch {
	case s.err != nil, !s.final, s.none && n > 0:
		s.faultLocked(codeProtocol, errFrame)
		return
	case s.recvWindow < all:
		s.faultLocked(codeFlowControl, errFrame)
		return
	case s.declared >= 0 && s.received > s.declared:
		s.faultLocked(codeProtocol, errLength)
		return
	}
	s.recvWindow -= all
	s.data.put(data)
	if padding := all - n; padding > 0 {
		s.grantLocked(padding)
	}
	if end {
		s.endInLocked()
	}
	s.wakeLocked()
}

// endInLocked is called at END_STREAM.
func (s *ClientStream) endInLocked() {
	if s.declared >= 0 && !s.none && s.received != s.declared {
		s.faultLocked(codeProtocol, errLength)
		return
	}
	s.err = io.EOF
	s.wakeLocked()
}

// ReadResponse reads one head, interim ones (1xx) too, each with a call of its own. What is for proxies alone is left out of
// r.Fields. A head longer than maxHead bytes is an error. After a time-out it may be called again.
func (s *ClientStream) ReadResponse(r *wire.Response, _ *wire.Arena, _ string, maxHead int) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for !s.ready {
		if s.err != nil {
			return s.err
		}
		if !s.waitReadLocked() {
			return os.ErrDeadlineExceeded
		}
	}
	s.ready = false
	if s.text > maxHead {
		return wire.ErrHeadTooLarge
	}
	*r, s.response = s.response, *r
	return nil
}

// CopyBody copies the rest of the response body to dst, flushing whenever the upstream pauses. It returns the bytes copied
// and which side failed; it does not finish dst.
func (s *ClientStream) CopyBody(dst wire.Stream) (n int64, readErr, writeErr error) {
	for used := 0; ; {
		p, more, err := s.next(used)
		if err == io.EOF {
			return n, nil, nil
		}
		if err != nil {
			return n, err, nil
		}
		m, err := dst.Write(p)
		n += int64(m)
		if err == nil && !more && !s.buffered(len(p)) {
			err = dst.Flush()
		}
		if err != nil {
			return n, nil, err
		}
		used = len(p)
	}
}

// next gives back the piece of the body that the last call returned and returns the next one, and whether there is more.
func (s *ClientStream) next(used int) (p []byte, more bool, err error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.data.skip(used)
	s.consumed += int64(used)
	if s.grantLocked(int64(used)) {
		c.out.flushLocked(c.places > 1)
	}
	for s.data.size == 0 {
		if s.err != nil {
			return nil, false, s.err
		}
		if !s.waitReadLocked() {
			return nil, false, os.ErrDeadlineExceeded
		}
	}
	p = s.data.peek()
	return p, len(p) < s.data.size || s.err != nil, nil
}

// buffered reports whether there is more than the first used bytes, or the end.
func (s *ClientStream) buffered(used int) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.data.size > used || s.err != nil
}

// grantLocked lets the upstream send more, once it is worth a frame, and reports whether it was.
func (s *ClientStream) grantLocked(n int64) bool {
	if s.credit += n; s.err != nil || n == 0 {
		return false
	}
	if s.consumed >= firstGrant && s.consumed-n < firstGrant {
		s.credit += grownGrant - firstGrant
	}
	if s.credit < firstGrant/4 {
		return false
	}
	s.c.out.buf = appendWindowUpdate(s.c.out.take(), s.id, s.credit)
	s.recvWindow += s.credit
	s.credit = 0
	return true
}

// Trailers returns the trailers once the body has ended, less those that must not be merged into a head; nil if there are
// none. They are valid until Release.
func (s *ClientStream) Trailers() *wire.Fields {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.err != io.EOF || s.trailers.Len() == 0 {
		return nil
	}
	return &s.trailers
}

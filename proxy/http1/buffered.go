package http1

import (
	"bytes"

	"github.com/yettproxy/yett/proxy/wire"
)

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
	d := b.chunks
	rest := s.in[s.pos:s.end]
	skip, n, v := d.next(rest)
	if v == complete && n == 0 { // the trailers have begun
		rest = rest[skip:]
		return bytes.HasPrefix(rest, wire.Bytes("\r\n")) || bytes.Contains(rest, wire.Bytes("\r\n\r\n"))
	}
	return v != needMore
}

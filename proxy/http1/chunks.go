package http1

import (
	"bytes"

	"github.com/yettproxy/yett/proxy/wire"
)

// chunks finds the payload in a chunked body (RFC 9112 section 7.1). It looks at what is buffered and
// says how much of it is framing to skip and how much behind that is payload; the payload itself is never touched,
// so it can be handed on as a view or read past the buffer. A size line that is incomplete is looked at
// again from its start, which its short maximum keeps cheap.
type chunks struct {
	left   int64 // bytes of the current chunk still to come
	state  chunkState
	excess int64 // framing bytes beyond what chunks of a decent size need
	// spaces allows white space behind a size. Some servers pad their sizes; a client that does is trying
	// something.
	spaces bool
}

// chunkState is what comes next.
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData            // left bytes of payload, then CRLF
	chunkEnd             // trailers, which the caller scans
)

const (
	// maxChunkLine is the longest size line with its extensions, in bytes.
	maxChunkLine = 1 << 10
	// maxExcess is how many bytes of framing a body may have beyond 16 and twice the payload for each
	// chunk: senders of long extensions and tiny chunks give up here.
	maxExcess = 16 << 10
)

// next skips framing at the start of b. If v is complete, n bytes of payload follow at b[skip:], or, if n
// is 0, the trailers begin there; the caller tells took how much it used. If v is needMore, b[skip:] is
// to be shown again with more behind it.
func (d *chunks) next(b []byte) (skip, n int, v verdict) {
	for {
		switch d.state {
		case chunkEnd:
			return skip, 0, complete
		case chunkData:
			rest := b[skip:]
			if d.left > 0 {
				if len(rest) == 0 {
					return skip, 0, needMore
				}
				return skip, int(min(d.left, int64(len(rest)))), complete
			}
			if len(rest) < 2 {
				if len(rest) == 1 && rest[0] != '\r' {
					return skip, 0, malformed
				}
				return skip, 0, needMore
			}
			if rest[0] != '\r' || rest[1] != '\n' {
				return skip, 0, malformed
			}
			skip += 2
			d.state = chunkSize
		case chunkSize:
			m, v := d.sizeLine(b[skip:])
			if v != complete {
				return skip, 0, v
			}
			skip += m
		}
	}
}

// ready reports whether b holds payload or the whole end of the body, trailers included. What it looks at
// is not used up.
func (d chunks) ready(b []byte) bool {
	skip, n, v := d.next(b)
	if v == complete && n == 0 { // the trailers have begun
		b = b[skip:]
		return bytes.HasPrefix(b, wire.Bytes("\r\n")) || bytes.Contains(b, wire.Bytes("\r\n\r\n"))
	}
	return v != needMore
}

// took says that n bytes of payload have been used.
func (d *chunks) took(n int64) { d.left -= n }

// sizeLine parses a size line at the start of b and returns its length.
func (d *chunks) sizeLine(b []byte) (n int, v verdict) {
	size, i := int64(0), 0
	for i < len(b) {
		digit := hexValue(b[i])
		if digit > 15 {
			break
		}
		if i == 16 || size > 1<<56 { // more digits, or more bytes, than any body has
			return 0, malformed
		}
		size = size<<4 | int64(digit)
		i++
	}
	if i < len(b) && i == 0 {
		return 0, malformed
	}
	for d.spaces && i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if i < len(b) && b[i] == ';' {
		i = endOfValue(b, i) // extensions mean nothing to anybody and are dropped
	}
	switch {
	case i > maxChunkLine:
		return 0, malformed
	case i == len(b):
		return 0, needMore
	case b[i] != '\r':
		return 0, malformed
	case i+1 == len(b):
		return 0, needMore
	case b[i+1] != '\n':
		return 0, malformed
	}
	n = i + 2
	if d.excess = max(0, d.excess+int64(n)-16-2*size); d.excess > maxExcess {
		return 0, malformed
	}
	d.left, d.state = size, chunkData
	if size == 0 {
		d.state = chunkEnd
	}
	return n, complete
}

// hexValue returns the value of a hex digit, or more than 15.
func hexValue(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// dropTrailers takes out what must not come as a trailer.
func dropTrailers(f *wire.Fields) {
	f.Drop(func(x *wire.Field) bool { return !wire.TrailerAllowed(x.ID, x.Name) })
}

package http1

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"unsafe"

	"github.com/yettproxy/yett/proxy/wire"
)

// Ways for a response to be malformed.
var (
	errStatusLine  = fmt.Errorf("%w: status line", wire.ErrMalformed)
	errFieldLine   = fmt.Errorf("%w: field line", wire.ErrMalformed)
	errTwoLengths  = fmt.Errorf("%w: several lengths, or no number", wire.ErrMalformed)
	errTwoFramings = fmt.Errorf("%w: both transfer encoding and length", wire.ErrMalformed)
	errEncoding    = fmt.Errorf("%w: transfer encoding", wire.ErrMalformed)
	errInterims    = fmt.Errorf("%w: too many interim responses", wire.ErrMalformed)
	errHeadCut     = fmt.Errorf("%w: head cut short: %w", wire.ErrMalformed, io.ErrUnexpectedEOF)
)

// maxInterim is the most bytes of interim heads that may come before a final one.
const maxInterim = 64 << 10

// bodyKind is how the body of a response is framed.
type bodyKind uint8

const (
	kindNone bodyKind = iota
	kindLength
	kindChunked
	kindClose
)

// responseFields are the fields that responseHead takes out of a head, a bit for each ID.
const responseFields = wire.Framing | wire.UpstreamOnly

// responseHead parses the head of a response that is there as a whole.
type responseHead struct {
	lines
	lengths, encodings, upgrades int
	length                       int64
	encoding                     string
	close, named                 bool
	webSocket                    bool
	minor                        uint8
}

// take implements taker: what frames the message, or belongs to the connection, is not handed on.
func (h *responseHead) take(f wire.Field) (keep, ok bool) {
	switch f.ID {
	case wire.ContentLength:
		h.lengths++
		h.length, ok = wire.ParseLength(f.Value)
		if !ok {
			h.lengths = 2
		}
	case wire.TransferEncoding:
		h.encodings++
		h.encoding = f.Value
	case wire.Connection:
		for t, rest := wire.NextToken(f.Value); t != ""; t, rest = wire.NextToken(rest) {
			switch {
			case wire.EqualFold(t, "close"):
				h.close = true
			case !wire.EqualFold(t, "keep-alive") && !wire.EqualFold(t, "upgrade"):
				h.named = true
			}
		}
		return h.named, true // stays until what it names has been removed
	case wire.Upgrade:
		h.upgrades++
		h.webSocket = wire.EqualFold(f.Value, "websocket")
	}
	return false, true
}

// begin prepares for a head that begins at the start of a buffer, and empties r. Not inlined, as readHead of a server: waiting for an endpoint is where the
// stack is deepest, and what is built here would lie under it.
//
//go:noinline
func (h *responseHead) begin(r *wire.Response) {
	r.Reset()
	*h = responseHead{}
	h.lines = lines{
		maxLine: math.MaxInt32, maxCount: math.MaxInt32, underscores: true, // the head as a whole is limited
		dropAccel: true, taker: h, taken: responseFields,
	}
}

// parse goes on with a head of which b has come so far. Unless there is an error, it is done when the head
// is complete, which then ends at pos; the strings in r are views into b. Not inlined, as begin.
//
//go:noinline
func (h *responseHead) parse(b []byte, r *wire.Response) (done bool, err error) {
	if h.pos == 0 {
		const prefix = "HTTP/1."
		if n := min(len(b), len(prefix)); string(b[:n]) != prefix[:n] {
			return false, errStatusLine // rubbish is not waited for
		}
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			return false, nil
		}
		if b[n-1] != '\r' || !h.statusLine(view(b, 0, n-1), r) {
			return false, errStatusLine
		}
		h.pos = n + 1
	}
	switch h.scan(b, &r.Fields) {
	case needMore:
		return false, nil
	case complete:
		if h.named {
			h.dropNamed(&r.Fields)
		}
		return true, h.checkFraming()
	}
	return false, errFieldLine
}

// statusLine parses "HTTP/1.x NNN reason". The space before an empty reason may be missing, as it often is.
func (h *responseHead) statusLine(line string, r *wire.Response) bool {
	const prefix = "HTTP/1."
	if len(line) < len("HTTP/1.1 200") || line[:len(prefix)] != prefix || !isDigit(line[7]) || line[8] != ' ' {
		return false
	}
	h.minor = line[7] - '0'
	for _, c := range wire.Bytes(line[9:12]) {
		if !isDigit(c) {
			return false
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if line = line[12:]; line != "" {
		if line[0] != ' ' {
			return false
		}
		r.Reason = line[1:]
	}
	return r.Status >= 100 && wire.ValidValue(r.Reason)
}

// dropNamed removes the fields that Connection fields name, and these.
func (h *responseHead) dropNamed(f *wire.Fields) {
	for {
		list, ok := f.Get(wire.Connection)
		if !ok {
			return
		}
		f.Drop(func(x *wire.Field) bool {
			return x.ID != wire.Connection && wire.HasToken(list, x.Name) || x.ID == wire.Connection && x.Value == list
		})
	}
}

// ReadResponse reads one head, interim ones (1xx) too, each with a call of its own. Its strings are in a.
// Framing and hop-by-hop fields, those that Connection names, and X-Accel-* are left out of r.Fields. A
// head longer than maxHead bytes is an error. After a time-out it may be called again and goes on where it was.
func (c *ClientConn) ReadResponse(r *wire.Response, a *wire.Arena, method string, maxHead int) error {
	n, err := c.readHead(r, maxHead)
	if err != nil {
		return err
	}
	keepHead(c.in[c.pos:c.pos+n], r, a)
	c.pos += n
	if r.Status < 200 && r.Status != http.StatusSwitchingProtocols {
		if c.interim += n; c.interim > maxInterim {
			return c.failed(errInterims)
		}
		return nil
	}
	c.setFraming(r, method)
	if r.Status == http.StatusSwitchingProtocols && (!c.upgrading || c.head.upgrades != 1 || !c.head.webSocket) {
		return c.failed(ErrUnexpectedUpgrade)
	}
	c.state = stateBody
	if c.kind == kindNone {
		c.state = stateComplete
	}
	return nil
}

// checkFraming refuses what two readers could take differently.
func (h *responseHead) checkFraming() error {
	switch {
	case h.lengths > 1:
		return errTwoLengths
	case h.lengths > 0 && h.encodings > 0:
		return errTwoFramings
	case h.encodings > 1 || h.encodings == 1 && (h.minor == 0 || !wire.EqualFold(h.encoding, "chunked")):
		return errEncoding
	}
	return nil
}

// setFraming decides how long the body is (RFC 9112 section 6.3).
func (c *ClientConn) setFraming(r *wire.Response, method string) {
	h := &c.head
	c.keep = h.minor > 0 && !h.close
	c.bulk = c.bulk && h.lengths == 1 && h.length >= spliceFrom
	r.Length = wire.Unknown
	if h.lengths == 1 {
		r.Length = h.length
	}
	switch {
	case r.Status == http.StatusSwitchingProtocols:
		c.kind, c.keep, r.Length = kindNone, false, 0
	case method == http.MethodHead || r.Status == http.StatusNotModified:
		c.kind = kindNone
		r.HasLength = h.lengths == 1
	case r.Status == http.StatusNoContent:
		c.kind, r.Length = kindNone, 0
	case h.encodings == 1:
		c.kind = kindChunked
		c.chunks = chunks{spaces: true}
	case h.lengths == 1:
		c.kind, c.left = kindLength, h.length
		if h.length == 0 {
			c.kind = kindNone
		}
	default:
		c.kind, c.keep = kindClose, false
	}
}

// readHead reads until a whole head is buffered and parses it. It returns its length.
func (c *ClientConn) readHead(r *wire.Response, maxHead int) (int, error) {
	var start *byte // where the head begins that the parser knows
	for {
		b := c.in[c.pos:c.end]
		if at := unsafe.SliceData(b); at != start || start == nil {
			start = at
			c.head.begin(r)
		}
		done, err := c.head.parse(b, r)
		switch {
		case err != nil:
			return 0, c.failed(err)
		case done && c.head.pos <= maxHead:
			return c.head.pos, nil
		case done || len(b) > maxHead:
			return 0, c.failed(wire.ErrHeadTooLarge)
		}
		if err := c.fill(maxHead + 1); err != nil {
			return 0, c.headFailed(err, len(b))
		}
	}
}

// keepHead copies a head to the arena and makes the strings in r views into the copy.
func keepHead(b []byte, r *wire.Response, a *wire.Arena) {
	head := a.Copy(b)
	from, to := uintptr(unsafe.Pointer(unsafe.SliceData(b))), unsafe.Pointer(unsafe.StringData(head))
	move := func(s string) string {
		if s == "" {
			return ""
		}
		at := uintptr(unsafe.Pointer(unsafe.StringData(s))) - from
		return unsafe.String((*byte)(unsafe.Add(to, at)), len(s))
	}
	r.Reason = move(r.Reason)
	fields := r.Fields.All()
	for i := range fields {
		f := &fields[i]
		f.Name, f.Value = move(f.Name), move(f.Value)
	}
}

// headFailed returns the error of a read within a head of which n bytes had come.
func (c *ClientConn) headFailed(err error, n int) error {
	if err == io.EOF && n > 0 {
		return c.failed(errHeadCut)
	}
	if err == io.EOF {
		c.state = stateFailed
	}
	return err
}

// failed makes the connection unusable.
func (c *ClientConn) failed(err error) error {
	c.state, c.keep = stateFailed, false
	return err
}

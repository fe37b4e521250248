package http1

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/wire"
)

// errNoTunnel is a mistake of whoever writes a response.
var errNoTunnel = errors.New("hijack connection: no upgrade was answered")

// bodyMode is how the body of a response is framed.
type bodyMode uint8

const (
	modeNone    bodyMode = iota // no body; what is written is dropped
	modeLength                  // Content-Length
	modeChunked                 // chunks
	modeClose                   // until the connection closes (HTTP/1.0)
	modeTunnel                  // the connection is no longer HTTP
)

// response is where the response being sent stands. Bytes gather in buf, so that a small response is one
// write; large pieces of a body go from where they are, behind what has gathered.
type response struct {
	buf   []byte
	small smallBuffer
	large *largeBuffer

	wire.Extent
	mode                 bodyMode
	length               int64 // what Content-Length says; wire.Unknown for no such field
	done, hijacked, keep bool
	failed               error
	aborted              atomic.Bool
	total, body          int64
}

// reset prepares for the next response.
func (o *response) reset() {
	if o.large != nil {
		largeBuffers.Put(o.large)
		o.large = nil
	}
	o.buf = o.small[:0]
	o.Extent, o.mode, o.length, o.failed, o.total, o.body = wire.Extent{}, modeNone, wire.Unknown, nil, 0, 0
	o.done, o.hijacked, o.keep = false, false, false
	o.aborted.Store(false)
}

// Informational implements wire.Stream. An interim response is sent at once.
func (s *stream) Informational(r *wire.Response) error {
	if s.x.Request.Minor == 0 || s.out.Began {
		return nil
	}
	if r.Status == http.StatusContinue && s.body.expect.Load() != expectNothing {
		return s.Continue()
	}
	if s.body.expect.Load() != expectNothing {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	o := &s.out
	o.buf, _ = appendResponse(o.buf, r)
	o.buf = append(o.buf, "\r\n"...)
	return o.flush(s)
}

// WriteHead implements wire.Stream.
func (s *stream) WriteHead(r *wire.Response) error {
	o := &s.out
	if err := o.setMode(&s.x.Request, r); err != nil {
		return o.fail(err)
	}
	waiting := false
	if s.body.expect.Load() != expectNothing {
		s.mu.Lock()
		waiting = s.body.expect.CompareAndSwap(expectPending, expectOver)
		s.mu.Unlock()
	}
	// A client that waited for 100 and got an answer instead may send the body or the next request now:
	// there is no telling which it is.
	o.keep = s.x.Request.KeepAlive && o.mode != modeClose && !waiting && !s.x.CloseAfter && s.c.keep() &&
		!s.body.broken.Load() && !s.abandons()

	var dated bool
	o.buf, dated = appendResponse(o.buf, r)
	if !dated {
		o.buf = appendDate(o.buf, &s.c.srv.dates, s.x.Start)
	}
	o.appendFraming(&s.x.Request)
	o.buf = append(o.buf, "\r\n"...)
	return nil
}

// setMode decides how the body is framed (RFC 9112 section 6.3).
func (o *response) setMode(q *wire.Request, r *wire.Response) (err error) {
	if r.Status == http.StatusSwitchingProtocols && !o.Began {
		o.Began, o.mode, o.length = true, modeTunnel, wire.Unknown
		return nil
	}
	if o.length, err = o.Begin(q.Method, r); err != nil {
		return err
	}
	switch {
	case o.None:
		o.mode = modeNone
	case o.Bounded:
		o.mode = modeLength
	case q.Minor > 0:
		o.mode = modeChunked
	default:
		o.mode = modeClose
	}
	return nil
}

// appendFraming appends the fields that frame the response and decide about the connection.
func (o *response) appendFraming(q *wire.Request) {
	switch {
	case o.length >= 0:
		o.buf = append(o.buf, "Content-Length: "...)
		o.buf = strconv.AppendInt(o.buf, o.length, 10)
		o.buf = append(o.buf, "\r\n"...)
	case o.mode == modeChunked:
		o.buf = append(o.buf, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case o.mode == modeTunnel:
		o.buf = append(o.buf, "Connection: upgrade\r\nUpgrade: websocket\r\n"...)
	case !o.keep:
		o.buf = append(o.buf, "Connection: close\r\n"...)
	case q.Minor == 0:
		o.buf = append(o.buf, "Connection: keep-alive\r\n"...)
	}
}

// Write implements wire.Stream.
func (s *stream) Write(p []byte) (int, error) {
	o := &s.out
	if o.failed != nil {
		return 0, o.failed
	}
	if send, err := o.Take(len(p)); err != nil {
		return 0, o.fail(err)
	} else if !send {
		return len(p), nil
	}
	var err error
	switch o.mode {
	case modeLength, modeClose:
		err = o.emit(s, p)
	case modeChunked:
		o.buf = strconv.AppendUint(o.buf, uint64(len(p)), 16)
		o.buf = append(o.buf, "\r\n"...)
		if err = o.emit(s, p); err == nil {
			o.buf = append(o.buf, "\r\n"...)
		}
	default:
		err = o.fail(wire.ErrNoHead)
	}
	if err != nil {
		return 0, err
	}
	o.body += int64(len(p))
	return len(p), nil
}

// emit sends or gathers bytes of the body.
func (o *response) emit(s *stream, p []byte) error {
	if len(o.buf)+len(p)+chunkRoom <= cap(o.buf) {
		o.buf = append(o.buf, p...)
		return nil
	}
	if s.c.raw == nil && o.large == nil && len(o.buf)+len(p)+chunkRoom <= largeSize {
		// TLS: better one record than two.
		o.large = largeBuffers.Get().(*largeBuffer)
		o.buf = append(append(o.large[:0], o.buf...), p...)
		return nil
	}
	return o.send(s, o.buf, p)
}

// chunkRoom is the room kept in the buffer for the framing around a chunk, in bytes.
const chunkRoom = 32

// Flush implements wire.Stream.
func (s *stream) Flush() error { return s.out.flush(s) }

// Finish implements wire.Stream.
func (s *stream) Finish(trailers *wire.Fields) error {
	o := &s.out
	if o.failed != nil {
		return o.failed
	}
	if err := o.End(); err != nil {
		return o.fail(err)
	}
	if o.mode == modeChunked {
		o.buf = append(o.buf, "0\r\n"...)
		if trailers != nil {
			o.buf = appendFields(o.buf, trailers.All(), 0)
		}
		o.buf = append(o.buf, "\r\n"...)
	}
	if err := o.flush(s); err != nil {
		return err
	}
	o.done = true
	return nil
}

// flush sends what has gathered.
func (o *response) flush(s *stream) error {
	if len(o.buf) == 0 || o.failed != nil {
		return o.failed
	}
	return o.send(s, o.buf, nil)
}

// send sends two pieces and forgets what has gathered.
func (o *response) send(s *stream, p, q []byte) error {
	n, err := s.c.writeAll(p, q)
	o.total += int64(n)
	o.buf = o.buf[:0]
	if err != nil {
		return o.fail(err)
	}
	return nil
}

// fail makes every further call fail: whatever is sent now, the client cannot make sense of it.
func (o *response) fail(err error) error {
	if o.failed == nil {
		o.failed = err
	}
	return o.failed
}

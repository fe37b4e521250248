package http3

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/wire"
)

// What can go wrong with a response. The values are shared and never changed.
var (
	errHeadAgain   = errors.New("write response: head was written before")
	errNoHead      = errors.New("write response: no head")
	errInterimHead = errors.New("write response: interim status in a final head")
	errTooLong     = errors.New("write response: more bytes than its length")
	errTooShort    = errors.New("write response: fewer bytes than its length")
	errAborted     = errors.New("write response: aborted")
	errGone        = errors.New("write response: client closed or reset the stream")
)

// unsent are the fields that the engine writes itself or that HTTP/3 does not have (RFC 9114 section 4.2), a bit for each ID.
// Trailer would make quic-go take the fields it names for trailers.
const unsent = 1<<wire.Connection | 1<<wire.KeepAlive | 1<<wire.ProxyConnection | 1<<wire.ContentLength |
	1<<wire.TransferEncoding | 1<<wire.Upgrade | 1<<wire.HTTP2Settings | 1<<wire.TE | 1<<wire.Trailer

// response is where the response being sent stands.
type response struct {
	began, done bool
	none        bool // there is no body; what is written is dropped
	bounded     bool // left counts
	left        int64
	failed      error
	head, body  int64 // bytes sent
}

// fill puts fields into quic-go's map. A key with lower-case letters is as good as a canonical one: it writes all in lower case.
func (s *stream) fill(fields *wire.Fields) {
	h := s.w.Header()
	clear(h)
	list := fields.All()
	for i := range list {
		f := &list[i]
		if unsent>>f.ID&1 != 0 || f.Name == "" || f.Name[0] == ':' || !wire.IsToken(f.Name) {
			continue
		}
		value := clean(f.Value)
		key := http.CanonicalHeaderKey(f.Name)
		h[key] = append(h[key], value)
		s.out.head += int64(len(key) + len(value))
	}
}

// clean returns a value with spaces instead of control characters: an HTTP/1.1 hop behind the client would take them for lines.
// It is a copy, since quic-go may keep it longer than the exchange lives.
func clean(v string) string {
	b := []byte(v)
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// Informational implements wire.Stream.
func (s *stream) Informational(r *wire.Response) error {
	if s.out.began || r.Status == http.StatusSwitchingProtocols {
		return nil
	}
	if r.Status == http.StatusContinue {
		return s.Continue()
	}
	s.fill(&r.Fields)
	err := s.interim(r.Status)
	clear(s.w.Header())
	return err
}

// interim sends an interim response at once.
func (s *stream) interim(status int) error {
	if !s.armWrite() {
		return s.fail(errAborted)
	}
	s.w.WriteHeader(status)
	return nil
}

// WriteHead implements wire.Stream.
func (s *stream) WriteHead(r *wire.Response) error {
	o := &s.out
	switch {
	case o.began:
		return s.fail(errHeadAgain)
	case r.Status < 200:
		return s.fail(errInterimHead)
	}
	o.began = true
	s.fill(&r.Fields)
	h := s.w.Header()
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else it is guessed from the body
	}
	length := wire.Unknown
	switch {
	case r.Status == http.StatusNoContent:
		o.none = true
	case r.Status == http.StatusNotModified:
		o.none = true
		if r.HasLength {
			length = r.Length
		}
	default:
		length = r.Length
		o.none = s.x.Request.Method == http.MethodHead
		o.bounded, o.left = length >= 0 && !o.none, length
	}
	if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	s.w.WriteHeader(r.Status)
	return nil
}

// Write implements wire.Stream.
func (s *stream) Write(p []byte) (int, error) {
	o := &s.out
	switch {
	case o.failed != nil:
		return 0, o.failed
	case !o.began:
		return 0, s.fail(errNoHead)
	case o.none || len(p) == 0:
		return len(p), nil
	case o.bounded && int64(len(p)) > o.left:
		return 0, s.fail(errTooLong)
	case !s.armWrite():
		return 0, s.fail(errAborted)
	}
	n, err := s.w.Write(p)
	o.left -= int64(n)
	o.body += int64(n)
	if err != nil {
		return n, s.fail(errGone)
	}
	return n, nil
}

// armWrite sets the deadline of the next write. It is false if nobody is to write any more.
func (s *stream) armWrite() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted {
		return false
	}
	deadline := time.Time{}
	if t := s.limits.WriteTimeout; t > 0 {
		deadline = time.Now().Add(t)
	}
	return s.w.SetWriteDeadline(deadline) == nil
}

// Flush implements wire.Stream.
func (s *stream) Flush() error {
	o := &s.out
	switch {
	case o.failed != nil:
		return o.failed
	case !o.began:
		return nil
	case !s.armWrite():
		return s.fail(errAborted)
	case s.w.FlushError() != nil:
		return s.fail(errGone)
	}
	return nil
}

// Finish implements wire.Stream. quic-go ends the stream, and sends the trailers, when the handler returns.
func (s *stream) Finish(trailers *wire.Fields) error {
	o := &s.out
	switch {
	case o.failed != nil:
		return o.failed
	case !o.began:
		return s.fail(errNoHead)
	case o.bounded && o.left != 0:
		return s.fail(errTooShort)
	}
	if err := s.Flush(); err != nil { // also so that quic-go does not make up a length
		return err
	}
	if trailers != nil && s.x.Request.Method != http.MethodHead {
		h := s.w.Header()
		list := trailers.All()
		for i := range list {
			if f := &list[i]; unsent>>f.ID&1 == 0 && wire.IsToken(f.Name) {
				key := http.TrailerPrefix + http.CanonicalHeaderKey(f.Name)
				h[key] = append(h[key], clean(f.Value))
			}
		}
	}
	o.done = true
	return nil
}

// fail makes every further call fail; the stream is reset when the handler returns.
func (s *stream) fail(err error) error {
	if s.out.failed == nil {
		s.out.failed = err
	}
	return s.out.failed
}

// isReset reports whether an error says that the client has given up the stream or the connection.
func isReset(err error) bool {
	var byStream *quic.StreamError
	var byConn *quic.ApplicationError
	var byHTTP *http3.Error
	return errors.As(err, &byStream) && byStream.Remote || errors.As(err, &byConn) || errors.As(err, &byHTTP) && byHTTP.Remote
}

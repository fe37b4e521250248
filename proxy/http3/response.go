package http3

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/wire"
)

// What can go wrong with a response. The values are shared and never changed.
var (
	errAborted = errors.New("write response: aborted")
	errGone    = errors.New("write response: client closed or reset the stream")
)

// unsent are the fields that the engine writes itself or that HTTP/3 does not have, a bit for each ID. Trailer would make quic-go
// take the fields it names for trailers.
const unsent = wire.HTTP1Only | 1<<wire.Trailer

// response is where the response being sent stands.
type response struct {
	wire.Extent
	done       bool
	failed     error
	head, body int64 // bytes sent
	pace       wire.Progress
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
	wire.BlankControls(b)
	return string(b)
}

// Informational implements wire.Stream.
func (s *stream) Informational(r *wire.Response) error {
	if s.out.Began || r.Status == http.StatusSwitchingProtocols {
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
	length, err := o.Begin(s.x.Request.Method, r)
	if err != nil {
		return s.fail(err)
	}
	s.fill(&r.Fields)
	h := s.w.Header()
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else it is guessed from the body
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
	if o.failed != nil {
		return 0, o.failed
	}
	if send, err := o.Take(len(p)); err != nil {
		return 0, s.fail(err)
	} else if !send {
		return len(p), nil
	}
	n := 0
	for {
		if !s.armWrite() {
			return n, s.fail(errAborted)
		}
		begin := time.Now()
		m, err := s.w.Write(p[n:])
		n += m
		o.body += int64(m)
		o.pace.Waited += time.Since(begin)
		o.pace.Move(int64(m))
		switch {
		case err == nil:
			return n, nil
		case o.pace.Waited > 0 || !errors.Is(err, os.ErrDeadlineExceeded): // else it has moved by wire.Pace
			return n, s.fail(errGone)
		}
	}
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
		deadline = time.Now().Add(t - s.out.pace.Waited)
	}
	return s.w.SetWriteDeadline(deadline) == nil
}

// Flush implements wire.Stream.
func (s *stream) Flush() error {
	o := &s.out
	switch {
	case o.failed != nil:
		return o.failed
	case !o.Began:
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
	if o.failed != nil {
		return o.failed
	}
	if err := o.End(); err != nil {
		return s.fail(err)
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

package http3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// control is what quic-go's ResponseWriter can do beyond writing.
type control interface {
	http.ResponseWriter
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	FlushError() error
}

// stream is one exchange with all the memory it needs.
type stream struct {
	x      filter.Exchange
	info   filter.Conn
	srv    *Server
	conn   *conn
	limits *wire.Limits
	w      control
	r      *http.Request
	names  []string // to sort fields by

	no          refusal
	hops        int // Max-Forwards, -1 for none
	expectOther bool

	// mu guards the deadlines: those that wake a blocked call must not be taken back by the next one.
	mu          sync.Mutex
	interrupted bool
	aborted     bool

	// silence takes back the alarm that rings when the client goes; nil if there is none.
	silence func() bool

	body requestBody
	out  response
}

var (
	_ wire.Stream      = (*stream)(nil)
	_ wire.Interrupter = (*stream)(nil)
	_ wire.Alarmer     = (*stream)(nil)
)

// streams is memory and nothing else.
var streams = sync.Pool{New: func() any {
	s := new(stream)
	s.x.Stream = s
	return s
}}

// serve runs a request.
func (s *Server) serve(c *conn, w http.ResponseWriter, r *http.Request) {
	ctl, able := w.(control)
	if !able {
		panic(http.ErrAbortHandler) // another quic-go than the one this was written for
	}
	s.requests.Add(1)
	c.running.Add(1)
	st := streams.Get().(*stream)
	st.srv, st.conn, st.limits, st.w, st.r, st.hops = s, c, s.options.Limits(), ctl, r, -1
	st.info = c.info
	st.info.Requests = int(c.requests.Add(1))
	st.x.Conn, st.x.Start = &st.info, time.Now()
	if l := st.limits; st.info.Requests >= l.RequestsPerConnection || l.IdleTimeout <= 0 {
		c.endSoon()
	}
	complete := st.run()
	c.quietSince.Store(time.Now().UnixNano())
	c.running.Add(-1)
	if !complete {
		panic(http.ErrAbortHandler) // quic-go resets the stream
	}
}

// run runs the exchange to its end and reports whether the client got a complete answer.
func (s *stream) run() (complete bool) {
	defer func() {
		v := recover()
		if v != nil && s.srv.options.Panicked != nil {
			s.srv.options.Panicked(&s.x, v)
		}
		if !s.out.Began && !s.gone() {
			s.x.Refuse(http.StatusInternalServerError)
		}
		complete = s.out.done && !s.isAborted()
		s.body.end(s)
		if s.x.CloseAfter {
			s.conn.endSoon()
		}
		if v == nil { // otherwise nobody knows who still has it
			s.release()
		}
	}()
	x := &s.x
	s.no = s.parse(s.r, s.limits)
	s.body.begin(s)
	switch {
	case s.no.status != 0:
		s.x.Refuse(s.no.status)
		s.rejected(s.no.reason)
	case !x.Hop(s.hops):
		s.rejected("answered by the proxy")
	default:
		s.srv.options.Handler.ServeExchange(x)
	}
	return false // the deferred function knows
}

// release gives the stream back.
func (s *stream) release() {
	s.SetAlarm(nil) // quic-go ends the context of every request, also of those that are answered
	s.x.Reset()
	clear(s.names)
	s.body.reset()
	s.srv, s.conn, s.limits, s.w, s.r, s.info = nil, nil, nil, nil, nil, filter.Conn{}
	s.no, s.expectOther, s.interrupted, s.aborted, s.out = refusal{}, false, false, false, response{}
	streams.Put(s)
}

// rejected tells the server's owner of a request that the engine answered.
func (s *stream) rejected(reason string) {
	if s.srv.options.Rejected != nil {
		s.x.End = s.x.Start
		s.srv.options.Rejected(&s.x, reason)
	}
}

// past is a deadline that ends a call which is blocked.
var past = time.Unix(1, 0)

// Abort implements wire.Stream.
func (s *stream) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = true
	s.wakeLocked(s.w.SetReadDeadline)
	s.wakeLocked(s.w.SetWriteDeadline)
}

// Interrupt implements wire.Interrupter.
func (s *stream) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
	s.wakeLocked(s.w.SetReadDeadline)
}

// wakeLocked ends a blocked call. A stream that is over already has none.
func (s *stream) wakeLocked(set func(time.Time) error) { _ = set(past) }

func (s *stream) isAborted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aborted
}

// gone reports whether the client has given the stream or the connection up.
func (s *stream) gone() bool { return s.r.Context().Err() != nil }

// Gone implements wire.Goner.
func (s *stream) Gone() bool { return s.gone() || s.isAborted() }

// SetAlarm implements wire.Alarmer; with nil nothing rings any more.
func (s *stream) SetAlarm(a *wire.Alarm) {
	if s.silence != nil {
		s.silence()
	}
	s.silence = nil
	if a != nil {
		s.silence = context.AfterFunc(s.r.Context(), a.Ring)
	}
}

// Hijack implements wire.Stream: streams have no connection of their own.
func (s *stream) Hijack() (net.Conn, []byte, error) {
	return nil, nil, errors.New("hijack connection: no upgrade in HTTP/3")
}

// Written implements wire.Stream. The head counts as the text that it is, not as QPACK makes it.
func (s *stream) Written() (total, body int64) { return s.out.head + s.out.body, s.out.body }

// Received implements wire.Stream.
func (s *stream) Received() int64 { return s.body.received.Load() }

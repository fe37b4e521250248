package forward

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// ask sends the request to an endpoint and reads the head of its answer into x.Response. Idle connections that
// turn out dead before anything was sent are passed over.
func (s *flight) ask(e *upstream.Endpoint, a *filter.Attempt, start int64) (failure upstream.Failure) {
	stale := true
	for n := 0; stale; n++ {
		s.drop()
		if n > maxStale && s.plan.shared {
			return upstream.ConnectError
		}
		if failure = s.connect(e); failure != upstream.NoFailure {
			return failure
		}
		a.Connect = 0
		if !s.reused {
			a.Connect = time.Duration(upstream.Now() - start)
		}
		failure, stale = s.converse()
	}
	s.sent = s.sent || failure != upstream.Refused && (s.body.started || s.conn.Sent() > 0)
	if failure == upstream.NoFailure {
		a.Header = time.Duration(upstream.Now() - start)
	}
	return failure
}

// maxStale is how many shared connections of one endpoint may end just before a request is sent.
const maxStale = 4

// maxInterim is how many interim responses are relayed for one request; more of them are a malformed
// answer.
const maxInterim = 100

// converse sends the request over the connection and reads heads until a final one. stale says that
// nothing was sent, since the connection was dead already.
func (s *flight) converse() (failure upstream.Failure, stale bool) {
	x, c := s.x, s.conn
	c.SetReadTimeout(s.bound(s.plan.Policy.Read))
	c.SetWriteTimeout(s.plan.Policy.Send)
	s.wait.begin()
	err := s.send()
	if errors.Is(err, wire.ErrStale) {
		s.gone = s.wait.end()
		return upstream.NoFailure, !s.gone
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.gone = s.wait.end()
		return upstream.SendTimeout, false
	}
	if errors.Is(err, wire.ErrRequest) {
		s.gone = s.wait.end()
		return upstream.Unsendable, false
	}
	// Another error need not be the end: an upstream that refuses a request may answer and close before
	// it has read all of it.
	broken := err != nil
	for interim := 0; ; {
		err = c.ReadResponse(&x.Response, &x.Arena, x.Request.Method, s.plan.maxHead)
		if s.wait.end() {
			s.gone = true
			return upstream.NoFailure, false
		}
		switch {
		case err != nil && errors.Is(err, wire.ErrStale):
			return upstream.NoFailure, true
		case err != nil && errors.Is(err, os.ErrDeadlineExceeded) && s.body.extend(s):
		case err != nil && broken && !errors.Is(err, wire.ErrRefused) && !refusesUs(err):
			return upstream.WriteError, false
		case err != nil:
			return s.headFailure(err), false
		case x.Response.Status >= 200 || x.Response.Status == 101:
			return upstream.NoFailure, false
		default:
			if interim++; interim > maxInterim {
				return upstream.Malformed, false
			}
			if x.Stream.Informational(&x.Response) != nil {
				s.gone = true
				return upstream.NoFailure, false
			}
			x.Response.Reset()
		}
		s.wait.begin()
	}
}

// send hands the request to the connection, or as much of it as was read.
func (s *flight) send() error {
	c := s.conn
	if err := c.WriteRequest(&s.request); err != nil {
		return err
	}
	if s.body.complete {
		if trailers := s.requestTrailers(); trailers != nil {
			if err := c.WriteBody(s.body.prefix); err != nil {
				return err
			}
			return c.FinishRequest(trailers)
		}
		return c.FinishWithRead(s.body.prefix)
	}
	if err := c.WriteBody(s.body.prefix); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	s.body.pump(s)
	return nil
}

// headFailure says what an error of ReadResponse means.
func (s *flight) headFailure(err error) upstream.Failure {
	var reset wire.ResetError
	switch {
	case errors.Is(err, wire.ErrRefused):
		return upstream.Refused
	case refusesUs(err):
		return upstream.CertificateRefused
	case errors.As(err, &reset):
		return upstream.Reset
	case errors.Is(err, wire.ErrHeadTooLarge):
		return upstream.HeadTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF): // an end within the head, which also counts as malformed
		return upstream.ReadError
	case errors.Is(err, wire.ErrMalformed):
		return upstream.Malformed
	case s.body.sendTimedOut(err):
		return upstream.SendTimeout
	case errors.Is(err, os.ErrDeadlineExceeded):
		return upstream.ReadTimeout
	}
	return upstream.ReadError
}

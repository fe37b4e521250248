package forward

import (
	"errors"
	"os"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// relay sends the response, whose head is in x.Response, to the client and ends the exchange. It is not inlined: asking the
// endpoint, where the stack is deepest, should not stand on what it needs.
//
//go:noinline
func (s *flight) relay(e *upstream.Endpoint, a *filter.Attempt, start int64) {
	x := s.x
	s.request.Reset() // nobody asks again, and the client may take its time
	s.rewrite()
	s.answerGRPC()
	if s.target != nil && s.target.affinity != nil {
		s.target.affinity.issue(x, s.upstream, &s.choice)
	}
	out, err := s.responder.Respond(x)
	if err != nil {
		if err == ErrReplaced {
			s.giveBack(a, start)
			return
		}
		s.abandon(a, start)
		return
	}
	if a.Status == 101 {
		s.tunnel(a, start)
		return
	}
	s.wait.begin()
	n, readErr, writeErr := s.conn.CopyBody(s.paced(out))
	s.gone = s.wait.end()
	a.Bytes = n
	a.Total = time.Duration(upstream.Now() - start)
	switch {
	case s.gone || writeErr != nil && (s.raw == nil || goner(x.Stream) || goneNow(s.raw)):
		s.abandon(a, start)
	case readErr != nil || writeErr != nil:
		// Of a body that the kernel moves it is not known which side failed; the client is there.
		s.truncate(e, a, readErr)
	default:
		s.finish(out)
	}
}

// giveBack ends the forwarding of an exchange whose response somebody else gives.
func (s *flight) giveBack(a *filter.Attempt, start int64) {
	if s.body.stop(s) {
		s.discard()
	} else {
		s.drop()
	}
	a.Total = time.Duration(upstream.Now() - start)
}

// goner reports whether a stream knows that its client has given it up.
func goner(stream wire.Stream) bool {
	g, ok := stream.(wire.Goner)
	return ok && g.Gone()
}

// truncate ends a response that cannot be completed, such that the client notices.
func (s *flight) truncate(e *upstream.Endpoint, a *filter.Attempt, err error) {
	s.body.stop(s)
	s.drop()
	var reset wire.ResetError
	switch {
	case s.body.fault != noFault: // which ended the connection to the endpoint
		s.x.ClientGone = s.body.status == 499
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.Failure = upstream.ReadTimeout
	case errors.As(err, &reset):
		a.Failure = upstream.Reset
	default:
		a.Failure = upstream.Truncated
	}
	if a.Failure != upstream.NoFailure {
		e.Fail(a.Failure)
	}
	if s.x.ClientGone || !s.endGRPC(a.Failure) {
		abort(s.x.Stream, reset)
	}
}

// abort ends a response that is not complete, with the code that the endpoint gave if it gave one.
func abort(stream wire.Stream, code wire.ResetError) {
	if r, ok := stream.(wire.Resetter); ok && code != 0 {
		r.Reset(code)
		return
	}
	stream.Abort()
}

// finish ends a response that was copied to its end. The connection is put back first: the next request may
// come before this client has taken its answer.
func (s *flight) finish(out wire.Stream) {
	x := s.x
	trailers := s.conn.Trailers()
	if trailers != nil {
		trailers = s.ownTrailers(trailers)
	}
	if s.grpc && x.Response.Status == 200 && !s.hasStatus() {
		s.addStatus(200, "response ended without a status")
		trailers = &s.trailers
	}
	s.release(s.body.stop(s))
	if out.Finish(trailers) != nil {
		x.ClientGone = true
	}
}

// ownTrailers copies trailers out of the connection's buffer.
func (s *flight) ownTrailers(in *wire.Fields) *wire.Fields {
	for _, f := range in.All() {
		f.Name, f.Value = s.x.Arena.Concat(f.Name), s.x.Arena.Concat(f.Value)
		s.trailers.Append(f)
	}
	return &s.trailers
}

// rewrite changes what the upstream says about addresses of its own (proxy-redirect, proxy-cookie-*).
func (s *flight) rewrite() {
	p := s.plan
	if p.redirect == nil && p.cookieDomain == nil && p.cookiePath == nil {
		return
	}
	x := s.x
	fields := &x.Response.Fields
	for i := range fields.Len() {
		f := fields.At(i)
		switch {
		case f.ID == wire.Location && p.redirect != nil:
			f.Value = p.redirect.prefix(x, f.Value)
		case f.ID == wire.Other && p.redirect != nil && wire.EqualFold(f.Name, "Refresh"):
			f.Value = p.redirect.refresh(x, f.Value)
		case f.ID == wire.SetCookie:
			if p.cookieDomain != nil {
				f.Value = p.cookieDomain.attribute(x, f.Value, "domain")
			}
			if p.cookiePath != nil {
				f.Value = p.cookiePath.attribute(x, f.Value, "path")
			}
		}
	}
}

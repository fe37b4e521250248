package forward

import (
	"time"

	"github.com/yettproxy/yett/proxy/grpc"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// refuseGRPC prepares for a call of gRPC, or answers one that cannot work.
func (s *flight) refuseGRPC() bool {
	x := s.x
	if !grpc.Is(x.Request.Fields.Value(wire.ContentType)) {
		return false
	}
	if x.Request.Major < 2 {
		x.ReplyText(505, "text/plain", "gRPC needs HTTP/2\n")
		return true
	}
	if text, ok := x.Request.Fields.Find(grpc.TimeoutField); ok {
		if limit, ok := grpc.ParseTimeout(text); ok {
			s.deadline = upstream.Now() + int64(min(limit, longest))
		}
	}
	return false
}

// longest is the longest time that a call may take. It keeps sums of times from overflowing.
const longest = 100 * 365 * 24 * time.Hour

// bound shortens a time-out, 0 for none, to how long the client still waits.
func (s *flight) bound(limit time.Duration) time.Duration {
	if s.deadline == 0 {
		return limit
	}
	left := max(time.Duration(s.deadline-upstream.Now()), time.Nanosecond)
	if limit <= 0 {
		return left
	}
	return min(limit, left)
}

// late reports whether the client has stopped waiting.
func (s *flight) late() bool { return s.deadline != 0 && upstream.Now() >= s.deadline }

// answerGRPC looks whether the response in x.Response is one of gRPC. It may have to be ended with a status of ours, whatever
// was sent of it: so the client is not promised a length.
func (s *flight) answerGRPC() {
	r := &s.x.Response
	if s.grpc = s.plan.shared && s.x.Request.Major >= 2 && grpc.Is(r.Fields.Value(wire.ContentType)); s.grpc {
		r.Length, r.HasLength = wire.Unknown, false
	}
}

// endGRPC ends a response of gRPC that cannot be completed with a status that says why: a reset alone is INTERNAL to clients,
// who would not try again. It is false if the response is something else, or the endpoint has given a reason of its own.
func (s *flight) endGRPC(failure upstream.Failure) bool {
	if !s.grpc || failure == upstream.Reset {
		return false
	}
	status, message := failure.Status(), failure.String()
	switch {
	case s.body.fault == tooLong:
		status, message = 413, "request too large"
	case s.body.fault != noFault:
		status, message = s.body.status, "request body"
	}
	s.trailers.Reset()
	s.addStatus(status, message)
	return s.x.Stream.Finish(&s.trailers) == nil
}

// addStatus adds a status of ours to the trailers, in words of HTTP.
func (s *flight) addStatus(status int, message string) {
	s.trailers.Add(grpc.StatusField, grpc.FromHTTP(status).String())
	s.trailers.Add(grpc.MessageField, message)
}

// hasStatus reports whether the endpoint has said how the call went: in the trailers, or in the head if there are none.
// gRPC knows no response without (PROTOCOL-HTTP2, "Responses"): what an endpoint ends without may be half of it.
func (s *flight) hasStatus() bool {
	if _, ok := s.trailers.Find(grpc.StatusField); ok {
		return true
	}
	_, ok := s.x.Response.Fields.Find(grpc.StatusField)
	return ok
}

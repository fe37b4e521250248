package forward

import (
	"context"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// flight is one exchange between Do and its end. It is reused; the watch knows it while it is in use.
type flight struct {
	// shard and place say where the watch keeps it.
	shard *watchShard
	place int
	wait  wait
	// alarm is rung by streams that know at once that their client is gone; rung says that the watch is going to look.
	alarm wire.Alarm
	rung  bool

	forwarder *Forwarder
	x         *filter.Exchange
	plan      *Plan
	target    *target
	upstream  *upstream.Upstream
	responder Responder
	raw       syscall.RawConn

	request     wire.Request
	requestTail wire.Fields // trailers of the request; whoever ends its body writes them
	trailers    wire.Fields // of the response
	choice      upstream.Choice
	body        body
	pacer       pacer

	// conn is the call of the try under way, or nil; cancel ends the dialling under way, or is nil.
	// The watch reads them while the flight waits.
	conn   call
	cancel context.CancelFunc
	reused bool // its connection has carried a request before

	began    int64 // when the first try began
	deadline int64 // until when the client waits (grpc-timeout), on the clock of upstream.Now; 0 for no limit
	tried    int   // tries that count against the limit
	fresh    bool  // no idle connections any more: one of them turned out dead
	gone     bool  // the client is gone
	grpc     bool  // the response is one of gRPC, and its client can be told how it ends
	sent     bool  // some try has handed bytes to the kernel
}

// newFlight returns an empty flight.
func newFlight(shard *watchShard, bell *bell) *flight {
	s := &flight{shard: shard}
	s.alarm.Ring = func() { bell.ring(s) }
	return s
}

// reset makes the flight ready for another exchange.
func (s *flight) reset() {
	if s.wait.state.Load()%stateStep != stateNone {
		s.wait.end() // a panic has passed by
	}
	if s.body.started {
		s.body.stop(s) // it has ended, unless a panic has passed by
	}
	s.drop()
	s.body.reset()
	s.request.Reset()
	s.requestTail.Reset()
	s.trailers.Reset()
	s.choice.Reset()
	s.forwarder, s.x, s.plan, s.target, s.upstream, s.responder, s.raw = nil, nil, nil, nil, nil, nil, nil
	s.pacer = pacer{}
	s.cancel, s.began, s.deadline, s.tried = nil, 0, 0, 0
	s.reused, s.fresh, s.gone, s.grpc, s.sent = false, false, false, false, false
}

// cut wakes a flight that waits. The watch calls it while it holds the flight.
func (s *flight) cut() {
	switch {
	case s.cancel != nil:
		s.cancel()
	case s.conn != nil:
		_ = s.conn.Close()
	}
}

// drop gives up the call of the try under way.
func (s *flight) drop() { s.release(false) }

// release ends the call of the try under way; whole says that request and response are complete. Nobody else may be using
// it any more.
func (s *flight) release(whole bool) {
	if c := s.conn; c != nil {
		s.conn = nil
		c.release(whole, s.x.Conn.Serial)
	}
}

// run takes the exchange to its end: see Forwarder.Do.
func (s *flight) run() {
	if s.refuse() {
		return
	}
	if !s.body.begin(s) {
		return
	}
	s.choose()
	s.compose()
	for s.try() {
	}
}

// refuse answers what no endpoint is asked for, and reports whether it has.
func (s *flight) refuse() bool {
	x, policy := s.x, s.plan.Policy
	switch {
	case s.plan.unsupported:
		a := x.Attempt()
		a.Failure, a.Status = upstream.Unsupported, upstream.Unsupported.Status()
		x.Reply(a.Status)
		return true
	case s.plan.shared && s.refuseGRPC():
		return true
	case policy.MaxBody > 0 && x.Request.Length > policy.MaxBody:
		x.Reply(413)
		return true
	case !s.upstream.Ready():
		x.Reply(503)
		return true
	}
	return false
}

// choose says what the endpoint is chosen by.
func (s *flight) choose() {
	c := &s.choice
	c.Serial = s.x.Conn.Serial
	s.target = s.plan.target(s.upstream.Key())
	if s.target == nil {
		return
	}
	if s.target.affinity != nil {
		s.target.affinity.choose(s.x, s.upstream, c)
	}
	if s.target.hashBy != nil {
		c.Hash, c.HasHash = xxhash.Sum64String(s.target.hashBy.Text(s.x)), true
	}
}

// try sends the request to one endpoint and, if that answers, the answer to the client. It reports
// whether there is to be another try.
func (s *flight) try() (again bool) {
	x := s.x
	e := s.upstream.Pick(&s.choice)
	if e == nil {
		x.Reply(503)
		return false
	}
	a := x.Attempt()
	a.Endpoint = e.Address()
	start := upstream.Now()
	if s.began == 0 {
		s.began = start
	}
	s.tried++
	e.Begin()
	defer e.Done()
	failure := s.ask(e, a, start)
	if s.gone {
		s.abandon(a, start)
		return false
	}
	if failure == upstream.NoFailure {
		if s.choice.Observe() {
			e.Observe(a.Header)
		}
		a.Status = x.Response.Status
		if !s.mayRetry(statusCondition(a.Status), false) {
			s.relay(e, a, start)
			return false
		}
		a.Total = a.Header
		s.discard()
		x.Response.Reset()
		return true
	}
	again = s.failed(e, a, failure)
	a.Total = time.Duration(upstream.Now() - start)
	if s.choice.Observe() {
		e.Observe(max(a.Total, failureCosts))
	}
	return again
}

// failureCosts is what a failure counts as at least where response times decide: an endpoint that refuses at
// once must not look like the fastest of all.
const failureCosts = time.Second

// discard forgets a response that is not passed on. The connection is kept if all of the body is there.
func (s *flight) discard() { s.release(s.conn.drained() && s.body.stop(s)) }

// failed notes that a try came to nothing and decides what now.
func (s *flight) failed(e *upstream.Endpoint, a *filter.Attempt, failure upstream.Failure) (again bool) {
	x := s.x
	if s.late() && failure == upstream.Reset {
		failure = upstream.ReadTimeout // the endpoint knows the deadline too, and has given the call up a moment before us
	}
	a.Failure, a.Status = failure, failure.Status()
	e.Fail(failure)
	stale := s.conn != nil && s.reused && (failure == upstream.ReadError || failure == upstream.WriteError) ||
		failure == upstream.Refused
	s.body.stop(s)
	s.drop()
	x.Response.Reset()
	if s.body.fault != noFault {
		s.body.answer(s)
		return false
	}
	if s.mayRetry(failureCondition(failure), stale) {
		return true
	}
	x.Reply(a.Status)
	return false
}

// abandon ends an exchange whose client is gone.
func (s *flight) abandon(a *filter.Attempt, start int64) {
	s.body.stop(s)
	s.drop()
	if a != nil && a.Total < 0 {
		a.Total = time.Duration(upstream.Now() - start)
	}
	s.x.ClientGone = true
	s.x.Stream.Abort()
}

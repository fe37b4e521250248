package forward

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// flight is one exchange between Do and its end. It is reused; the watch knows it while it is in use.
type flight struct {
	// shard and place say where the watch keeps it.
	shard *watchShard
	place int
	wait  wait

	forwarder *Forwarder
	x         *filter.Exchange
	plan      *Plan
	target    *target
	upstream  *upstream.Upstream
	responder Responder
	raw       syscall.RawConn

	request wire.Request
	choice  upstream.Choice
	body    body

	// conn is the connection of the try under way, or nil; cancel ends the dialling under way, or is nil.
	// The watch reads them while the flight waits.
	conn   *conn
	cancel context.CancelFunc

	began int64 // when the first try began
	tried int   // tries that count against the limit
	fresh bool  // no idle connections any more: one of them turned out dead
	gone  bool  // the client is gone
	sent  bool  // some try has handed bytes to the kernel
}

// newFlight returns an empty flight.
func newFlight(shard *watchShard) *flight { return &flight{shard: shard} }

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
	s.choice.Reset()
	s.forwarder, s.x, s.plan, s.target, s.upstream, s.responder, s.raw = nil, nil, nil, nil, nil, nil, nil
	s.cancel, s.began, s.tried = nil, 0, 0
	s.fresh, s.gone, s.sent = false, false, false
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

// drop closes the connection of the try under way.
func (s *flight) drop() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// run takes the exchange to its end: see Forwarder.Do.
func (s *flight) run() {
	x, policy := s.x, s.plan.Policy
	switch {
	case s.plan.unsupported:
		a := x.Attempt()
		a.Failure, a.Status = upstream.Unsupported, upstream.Unsupported.Status()
		x.Reply(a.Status)
		return
	case policy.MaxBody > 0 && x.Request.Length > policy.MaxBody:
		x.Reply(413)
		return
	case !s.upstream.Ready():
		x.Reply(503)
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
	return again
}

// discard forgets a response that is not passed on. The connection is kept if all of the body is there.
func (s *flight) discard() {
	for s.conn.Buffered() {
		if _, err := s.conn.Next(); err != nil {
			if err == io.EOF {
				s.keep()
			}
			break
		}
	}
	s.drop()
}

// failed notes that a try came to nothing and decides what now.
func (s *flight) failed(e *upstream.Endpoint, a *filter.Attempt, failure upstream.Failure) (again bool) {
	x := s.x
	a.Failure, a.Status = failure, failure.Status()
	e.Fail(failure)
	stale := s.conn != nil && s.conn.reused && (failure == upstream.ReadError || failure == upstream.WriteError)
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
	s.drop()
	s.body.stop(s)
	if a != nil && a.Total < 0 {
		a.Total = time.Duration(upstream.Now() - start)
	}
	s.x.ClientGone = true
	s.x.Stream.Abort()
}

// ask sends the request to an endpoint and reads the head of its answer into x.Response.
func (s *flight) ask(e *upstream.Endpoint, a *filter.Attempt, start int64) upstream.Failure {
	if failure := s.connect(e); failure != upstream.NoFailure {
		return failure
	}
	a.Connect = 0
	if !s.conn.reused {
		a.Connect = time.Duration(upstream.Now() - start)
	}
	failure := s.converse()
	s.sent = s.sent || s.body.started || s.conn.Sent() > 0
	if failure == upstream.NoFailure {
		a.Header = time.Duration(upstream.Now() - start)
	}
	return failure
}

// maxInterim is how many interim responses are relayed for one request; more of them are a malformed
// answer.
const maxInterim = 100

// converse sends the request over the connection and reads heads until a final one.
func (s *flight) converse() upstream.Failure {
	x, c := s.x, s.conn
	c.SetReadTimeout(s.plan.Policy.Read)
	c.SetWriteTimeout(s.plan.Policy.Send)
	s.wait.begin()
	err := s.send()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.gone = s.wait.end()
		return upstream.SendTimeout
	}
	if errors.Is(err, http1.ErrRequest) {
		s.gone = s.wait.end()
		return upstream.Unsendable
	}
	// Another error need not be the end: an upstream that refuses a request may answer and close before
	// it has read all of it.
	broken := err != nil
	for interim := 0; ; {
		err = c.ReadResponse(&x.Response, &x.Arena, x.Request.Method, s.plan.maxHead)
		if s.wait.end() {
			s.gone = true
			return upstream.NoFailure
		}
		switch {
		case err != nil && errors.Is(err, os.ErrDeadlineExceeded) && s.body.extend(s):
		case err != nil && broken:
			return upstream.WriteError
		case err != nil:
			return s.headFailure(err)
		case x.Response.Status >= 200 || x.Response.Status == 101:
			return upstream.NoFailure
		default:
			if interim++; interim > maxInterim {
				return upstream.Malformed
			}
			if x.Stream.Informational(&x.Response) != nil {
				s.gone = true
				return upstream.NoFailure
			}
			x.Response.Reset()
		}
		s.wait.begin()
	}
}

// send hands the request to the connection, or as much of it as was read.
func (s *flight) send() error {
	c := s.conn
	if s.plan.closes {
		c.LastRequest()
	}
	if err := c.WriteRequest(&s.request, s.plan.Policy.HTTP10); err != nil {
		return err
	}
	if len(s.body.prefix) > 0 {
		if err := c.WriteBody(s.body.prefix); err != nil {
			return err
		}
	}
	if s.body.complete {
		return c.FinishWithRead()
	}
	if err := c.Flush(); err != nil {
		return err
	}
	s.body.pump(s)
	return nil
}

// headFailure says what an error of ReadResponse means.
func (s *flight) headFailure(err error) upstream.Failure {
	switch {
	case errors.Is(err, http1.ErrHeadTooLarge):
		return upstream.HeadTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF): // an end within the head, which also counts as malformed
		return upstream.ReadError
	case errors.Is(err, http1.ErrMalformed):
		return upstream.Malformed
	case s.body.sendTimedOut(err):
		return upstream.SendTimeout
	case errors.Is(err, os.ErrDeadlineExceeded):
		return upstream.ReadTimeout
	}
	return upstream.ReadError
}

// mayRetry decides about another try after one that ended with a condition (nginx: proxy_next_upstream).
// stale says that an idle connection turned out to have been closed: that is nobody's fault, so the one
// repetition that it leads to counts neither as a condition nor as a try.
func (s *flight) mayRetry(condition ir.RetryOn, stale bool) bool {
	retry := &s.plan.Policy.Retry
	if condition == 0 && !stale || s.body.started || s.x.NumAttempts >= filter.MaxAttempts {
		return false
	}
	if s.sent && !idempotent(s.x.Request.Method) && retry.On&ir.RetryNonIdempotent == 0 {
		return false
	}
	if stale && !s.fresh {
		s.fresh = true
		s.tried--
		return true
	}
	tries := retry.Tries
	if tries == 0 {
		tries = s.upstream.Set().Len()
	}
	return retry.On&condition != 0 && s.tried < tries &&
		(retry.Timeout == 0 || time.Duration(upstream.Now()-s.began) < retry.Timeout)
}

// failureCondition returns what a failure counts as.
func failureCondition(f upstream.Failure) ir.RetryOn {
	switch f {
	case upstream.ConnectTimeout, upstream.SendTimeout, upstream.ReadTimeout:
		return ir.RetryTimeout
	case upstream.Malformed, upstream.HeadTooLarge:
		return ir.RetryInvalidHeader
	case upstream.Unsendable:
		return 0 // no endpoint would get anything else
	}
	return ir.RetryError
}

// statusCondition returns what a status counts as, 0 for one that is never retried.
func statusCondition(status int) ir.RetryOn {
	switch status {
	case 403:
		return ir.Retry403
	case 404:
		return ir.Retry404
	case 429:
		return ir.Retry429
	case 500:
		return ir.Retry500
	case 502:
		return ir.Retry502
	case 503:
		return ir.Retry503
	case 504:
		return ir.Retry504
	}
	return 0
}

// idempotent reports whether a request with this method may be sent again although the upstream may have
// acted on it (RFC 9110 section 9.2.2, RFC 4918). Methods that nobody knows are not.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "UNLOCK", "SEARCH", "REPORT":
		return true
	}
	return false
}

package forward

// When another endpoint is tried. The rules are nginx's (proxy_next_upstream), with two things made stricter:
// methods that nobody knows count as not idempotent, and a body that streams is never sent twice, unless all that was sent of
// it is still there (HTTP/2). And one made more generous: an idle connection that turns out to have been closed, or an
// endpoint that says it has not begun with the request (HTTP/2), leads to one repetition that counts as nothing, as long as
// the request may be repeated at all.

import (
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// mayRetry decides about another try after one that ended with a condition (nginx: proxy_next_upstream).
// stale says that an idle connection turned out to have been closed, or the like: that is nobody's fault, so the one
// repetition that it leads to counts neither as a condition nor as a try.
func (s *flight) mayRetry(condition ir.RetryOn, stale bool) bool {
	retry := &s.plan.Policy.Retry
	if condition == 0 && !stale || s.late() || s.x.NumAttempts >= filter.MaxAttempts {
		return false
	}
	if s.sent && !idempotent(s.x.Request.Method) && retry.On&ir.RetryNonIdempotent == 0 {
		return false
	}
	if stale && !s.fresh {
		if !s.body.again(s) {
			return false
		}
		s.fresh = true
		s.tried--
		return true
	}
	tries := retry.Tries
	if tries == 0 {
		tries = s.upstream.Set().Len()
	}
	return retry.On&condition != 0 && s.tried < tries &&
		(retry.Timeout == 0 || time.Duration(upstream.Now()-s.began) < retry.Timeout) &&
		s.body.again(s)
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

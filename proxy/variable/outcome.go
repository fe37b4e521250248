package variable

import (
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// What the access log and the metrics both say about an exchange is worked out here, so that they cannot
// disagree.

// statusClientGone is nginx's status for a client that did not wait for the answer.
const statusClientGone = 499

// Status returns the status of the exchange as logs and metrics show it: that of the response, or 499 if
// the client went away before any of it was sent, as in nginx. 0 means that there is none.
func Status(x *filter.Exchange) int {
	if x.ClientGone {
		if total, _ := written(x); total == 0 || x.Response.Status == 0 {
			return statusClientGone
		}
	}
	return x.Response.Status
}

// RequestLength returns the size of the request in bytes: the head, the part of the body that was read,
// and what came through a tunnel.
func RequestLength(x *filter.Exchange) int64 {
	n := int64(x.Request.HeadBytes) + x.TunnelIn
	if x.Stream != nil {
		n += x.Stream.Received()
	}
	return n
}

// ResponseLength returns the bytes sent to the client, through a tunnel too.
func ResponseLength(x *filter.Exchange) int64 {
	total, _ := written(x)
	return total
}

// Duration returns how long the exchange took, or has taken so far.
func Duration(x *filter.Exchange) time.Duration {
	if x.Start.IsZero() {
		return 0
	}
	if x.End.IsZero() {
		return time.Since(x.Start)
	}
	return x.End.Sub(x.Start)
}

// written returns the bytes sent to the client: in all, and of the body.
func written(x *filter.Exchange) (total, body int64) {
	if x.Stream != nil {
		total, body = x.Stream.Written()
	}
	return total + x.TunnelOut, body + x.TunnelOut
}

// endOf returns when the exchange ended, or now.
func endOf(x *filter.Exchange) time.Time {
	if x.End.IsZero() {
		return time.Now()
	}
	return x.End
}

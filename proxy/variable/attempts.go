package variable

import (
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// appendAttempts appends one value for each attempt, separated by ", ".
func appendAttempts(dst []byte, x *filter.Exchange, c code) ([]byte, bool) {
	for i := range x.NumAttempts {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendAttempt(dst, &x.Attempts[i], c)
	}
	return dst, x.NumAttempts > 0
}

// appendAttempt appends a value of one attempt, "-" for a part that was not reached.
func appendAttempt(dst []byte, a *filter.Attempt, c code) []byte {
	var d time.Duration
	switch c {
	case attemptAddr:
		if a.Endpoint.IsValid() {
			return appendAddrPort(dst, a.Endpoint.AddrPort)
		}
		return append(dst, '-')
	case attemptStatus:
		if a.Status != 0 {
			return appendInt(dst, int64(a.Status))
		}
		return append(dst, '-')
	case attemptLength:
		return appendInt(dst, a.Bytes)
	case attemptTime:
		d = a.Total
	case attemptConnect:
		d = a.Connect
	case attemptHeader:
		d = a.Header
	}
	if d < 0 {
		return append(dst, '-')
	}
	return appendSeconds(dst, d)
}

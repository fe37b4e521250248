package proxy

import (
	"sync/atomic"
	"time"
)

// clock keeps the current second as an HTTP date, so that it is formatted once a second and not once a
// response. It has no goroutine: whoever finds it stale renews it.
type clock struct {
	now atomic.Pointer[dateText]
}

type dateText struct {
	second int64
	text   string
}

// httpDate returns the time as RFC 9110 section 5.6.7 wants it.
func (c *clock) httpDate() string {
	now := time.Now()
	if d := c.now.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &dateText{now.Unix(), now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
	c.now.Store(d)
	return d.text
}

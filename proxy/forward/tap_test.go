package forward

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// tap keeps what it is shown.
type tap struct {
	body []byte
	ends int
}

// Tap implements filter.BodyTap.
func (t *tap) Tap(p []byte, end bool) {
	t.body = append(t.body, p...)
	if end {
		t.ends++
	}
}

func TestATapSeesTheBodyOnce(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000)
	const chunked = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, tt := range map[string]struct {
		request string
		// tries is how many it takes, if not one: the endpoint breaks off before.
		tries  int
		body   string
		ends   int
		status int
	}{
		"no body":                         {request: "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: 1, status: 200},
		"a short body":                    {request: post("hello"), body: "hello", ends: 1, status: 200},
		"a body that streams":             {request: post(long), body: long, ends: 1, status: 200},
		"chunks":                          {request: chunked + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", body: "hello", ends: 1, status: 200},
		"chunks that stream":              {request: chunked + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(long), long), body: long, ends: 1, status: 200},
		"a body that is sent twice":       {request: strings.Replace(post("hello"), "POST", "PUT", 1), tries: 2, body: "hello", ends: 1, status: 200},
		"a body that says it is too long": {request: post(strings.Repeat("x", 1<<20+1)), status: 413},
		"chunks that are malformed":       {request: chunked + "3\r\nhel\r\nx\r\n", body: "hel", status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			b := newBackend(t, func(p *peer, n int) {
				if int(conns.Add(1)) < tt.tries {
					p.read()
					p.reset()
					return
				}
				always(ok(""))(p, n)
			})
			r := newRig(t, func(p *ir.Policy) { p.Retry.Tries = 3 }, b.addr())
			var seen tap
			r.see(func(x *filter.Exchange) { x.Tap = &seen })
			c := r.dial()
			go func() { _, _ = c.Write([]byte(tt.request)) }() // it may be refused before it is complete
			if got := c.receive("POST"); got.StatusCode != tt.status {
				t.Errorf("got %s", describe(got))
			}
			if rec := r.record(); tt.tries > 0 && len(rec.Attempts) != tt.tries {
				t.Errorf("%d attempts", len(rec.Attempts))
			}
			if string(seen.body) != tt.body || seen.ends != tt.ends {
				t.Errorf("%d bytes and %d ends, want %d and %d", len(seen.body), seen.ends, len(tt.body), tt.ends)
			}
		})
	}
}

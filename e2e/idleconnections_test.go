package e2e

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// TestIdleConnectionsOverHTTP2 looks how much the gate grows by connections that have sent one request and wait: at most 10 KB each, and
// 25 KB over TLS, with 9 000 of them (1 000 unless floodsEnv is "full"). It prints what is beyond the bars, and fails at twice of them:
// a process grows in steps, by what its garbage collector leaves for later too.
func TestIdleConnectionsOverHTTP2(t *testing.T) {
	n := most(9000, 1000)
	for _, tt := range []struct {
		way string
		bar int64
	}{{"cleartext", 10_000}, {"TLS", 25_000}} {
		t.Run(tt.way, func(t *testing.T) {
			x := newTarget(t)
			addr, config := x.gate.HTTP, (*tls.Config)(nil)
			if tt.way == "TLS" {
				addr, config = x.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: nil}
			}
			ask := func() {
				c := h2raw.Dial(t, addr, config).Greet()
				c.Request(1, true, lines("GET", "/probe", "user-agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "accept: text/html,*/*", "cookie: session=0123456789abcdef")...)
				if got := c.Response(1).String(); got != "200" {
					t.Fatalf("got %s", got)
				}
			}
			for range 100 {
				ask()
			}
			settle(x)
			before := resident(t, x.gate.PID())
			for range n {
				ask()
			}
			settle(x)
			each := (resident(t, x.gate.PID()) - before) / int64(n)
			verdict := "within the bar"
			if each > tt.bar {
				verdict = "BEYOND THE BAR"
			}
			t.Logf("%d connections, %d bytes each, at most %d wanted: %s", n, each, tt.bar, verdict)
			if each > 2*tt.bar {
				t.Errorf("more than twice the bar")
			}
		})
	}
}

// settle waits until the gate's memory has stopped to change.
func settle(x *target) {
	last := int64(0)
	for range 20 {
		now := resident(x.t, x.gate.PID())
		if last == now {
			return
		}
		last = now
		time.Sleep(300 * time.Millisecond)
	}
}

package forward

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

func TestTimeouts(t *testing.T) {
	silent := newBackend(t, func(p *peer, _ int) { p.read(); p.untilClosed() })
	halting := newBackend(t, func(p *peer, _ int) {
		p.read()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel")
		p.untilClosed()
	})
	over := make(chan bool)
	deaf := newBackend(t, func(p *peer, _ int) {
		_ = p.SetReadBuffer(4096)
		<-over // reads nothing at all
	})
	t.Cleanup(func() { close(over) })
	limits := func(p *ir.Policy) { p.Read, p.Send, p.Retry.On, p.MaxBody = time.Second, time.Second, 0, 0 }
	check := func(t *testing.T, start time.Time) {
		t.Helper()
		if d := time.Since(start); d < 950*time.Millisecond || d > 1500*time.Millisecond {
			t.Errorf("it took %v, want 1 s", d)
		}
	}
	t.Run("R-19 never answers", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits, silent.addr())
		start := time.Now()
		if got := r.dial().get("/"); got.StatusCode != 504 {
			t.Errorf("got %s", describe(got))
		}
		check(t, start)
		if rec := r.record(); rec.Attempts[0].Failure != upstream.ReadTimeout || rec.Attempts[0].Status != 504 {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("stops in the middle of a body", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits, halting.addr())
		start := time.Now()
		if got := r.dial().get("/"); got.err == nil || got.body != "hel" {
			t.Errorf("got %s, want a broken body", describe(got))
		}
		check(t, start)
		if rec := r.record(); rec.Attempts[0].Failure != upstream.ReadTimeout || rec.Status != 200 {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("R-19 never reads", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits, deaf.addr())
		c := r.dial()
		// The kernel takes some of it now and then, so there is no telling how long this takes.
		go func() { _, _ = io.WriteString(c, post(strings.Repeat("x", 32<<20))) }()
		if got := c.receive("POST"); got.StatusCode != 504 {
			t.Errorf("got %s", describe(got))
		}
		if rec := r.record(); rec.Attempts[0].Failure != upstream.SendTimeout {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("a slow upload does not count as waiting for the answer", func(t *testing.T) {
		t.Parallel()
		b := newBackend(t, always(ok("late")))
		r := newRig(t, func(p *ir.Policy) { limits(p); p.Read = 300 * time.Millisecond }, b.addr())
		c := r.dial()
		c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		time.Sleep(time.Second)
		c.send("0\r\n\r\n")
		if got := c.receive("POST"); got.StatusCode != 200 {
			t.Errorf("got %s", describe(got))
		}
	})
	t.Run("and the upstream has its time after it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(p *ir.Policy) { limits(p); p.Read = 500 * time.Millisecond }, silent.addr())
		c := r.dial()
		c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		time.Sleep(400 * time.Millisecond)
		start := time.Now()
		c.send("0\r\n\r\n")
		if got := c.receive("POST"); got.StatusCode != 504 {
			t.Errorf("got %s", describe(got))
		}
		if d := time.Since(start); d < 450*time.Millisecond || d > 1500*time.Millisecond {
			t.Errorf("the answer was given up %v after the end of the body, want 0.5 to 1 s", d)
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	// 192.0.2.0/24 is nowhere (RFC 5737); a machine without a default route says so at once.
	r := newRig(t, func(p *ir.Policy) { p.Connect, p.Retry.On = 300*time.Millisecond, 0 }, addrPort("192.0.2.1:9"))
	start := time.Now()
	got := r.dial().get("/")
	rec := r.record()
	switch rec.Attempts[0].Failure {
	case upstream.ConnectTimeout:
		if d := time.Since(start); got.StatusCode != 504 || d < 290*time.Millisecond || d > time.Second {
			t.Errorf("got %s after %v", describe(got), d)
		}
	case upstream.ConnectError, upstream.ConnectRefused:
		t.Skip("this machine cannot even try to reach 192.0.2.1")
	default:
		t.Errorf("record %+v", rec)
	}
}

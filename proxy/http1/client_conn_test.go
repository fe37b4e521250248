package http1

import (
	"bufio"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestReadTimeouts(t *testing.T) {
	release := make(chan struct{})
	u := wiretest.NewUpstream(t, func(*wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Then: func(conn net.Conn, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le")
			<-release
			io.WriteString(conn, "ngth: 4\r\n\r\nab")
			<-release
			io.WriteString(conn, "cd")
		}}
	})
	for _, withRead := range []bool{false, true} {
		c := dialUpstream(t, u.Addr)
		c.SetReadTimeout(20 * time.Millisecond)
		if err := c.WriteRequest(&wire.Request{Method: "GET", Target: "/", Authority: "a"}, false); err != nil {
			t.Fatal(err)
		}
		finish := func() error { return c.FinishRequest(nil) }
		if withRead {
			finish = c.FinishWithRead
		}
		if err := finish(); err != nil {
			t.Fatal(err)
		}
		var r wire.Response
		var a wire.Arena
		for range 3 {
			if err := c.ReadResponse(&r, &a, "GET", 64<<10); err != os.ErrDeadlineExceeded {
				t.Fatalf("head: %v, want a time-out", err)
			}
		}
		if c.Sent() == 0 {
			t.Error("nothing was sent")
		}
		release <- struct{}{}
		c.SetReadTimeout(wiretest.Wait)
		if err := c.ReadResponse(&r, &a, "GET", 64<<10); err != nil || r.Length != 4 {
			t.Fatalf("head: %v, length %d", err, r.Length)
		}
		if p, err := c.Next(); string(p) != "ab" || err != nil {
			t.Fatalf("body: %q, %v", p, err)
		}
		c.SetReadTimeout(20 * time.Millisecond)
		for range 3 {
			if p, err := c.Next(); err != os.ErrDeadlineExceeded {
				t.Fatalf("body: %q, %v, want a time-out", p, err)
			}
		}
		if c.Buffered() || c.Reusable() {
			t.Error("the body looks complete")
		}
		release <- struct{}{}
		c.SetReadTimeout(wiretest.Wait)
		if p, err := c.Next(); string(p) != "cd" || err != nil || !c.Buffered() {
			t.Fatalf("body: %q, %v", p, err)
		}
		if _, err := c.Next(); err != io.EOF || !c.Reusable() {
			t.Fatalf("end: %v", err)
		}
	}
}

func TestDeadConnections(t *testing.T) {
	u := wiretest.NewUpstream(t, func(q *wiretest.Request) wiretest.Answer {
		a := wiretest.OK
		a.Close = q.Target() == "/close"
		return a
	})
	c := dialUpstream(t, u.Addr)
	do(c, &wire.Request{Method: "GET", Target: "/", Authority: "a"}, "")
	if c.Dead() {
		t.Error("a connection that idles is taken for dead")
	}
	do(c, &wire.Request{Method: "GET", Target: "/close", Authority: "a"}, "")
	if !u.WaitFor(func() bool { _, open := u.Conns(); return open == 0 }) {
		t.Fatal("upstream did not close")
	}
	for start := time.Now(); !c.Dead(); {
		if time.Since(start) > wiretest.Wait {
			t.Fatal("a closed connection is not taken for dead")
		}
	}
	for _, f := range []func() error{func() error { return c.FinishRequest(nil) }, c.FinishWithRead} {
		c.WriteRequest(&wire.Request{Method: "GET", Target: "/", Authority: "a"}, false)
		err := f()
		if err == nil {
			err = receive(c, "GET").err
		}
		if err == nil {
			t.Error("a request on a closed connection was answered")
		}
	}
}

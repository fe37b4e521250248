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
			finish = func() error { return c.FinishWithRead(nil) }
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
}

// finishers are the ways to end a request with a body, which may be none.
var finishers = map[string]func(c *ClientConn, body []byte) error{
	"FinishWithRead": (*ClientConn).FinishWithRead,
	"FinishRequest": func(c *ClientConn, body []byte) error {
		if err := c.WriteBody(body); err != nil {
			return err
		}
		return c.FinishRequest(nil)
	},
}

func TestNothingIsSentOnAConnectionThatDiedWhileIdle(t *testing.T) {
	for what, end := range map[string]func(conn net.Conn){
		"closed":           func(conn net.Conn) { conn.Close() },
		"closed by half":   func(conn net.Conn) { conn.(*net.TCPConn).CloseWrite() },
		"speaking unasked": func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		for name, finish := range finishers {
			for _, overTLS := range []bool{false, true} {
				client, server := tcpPair(t)
				raw := server
				if overTLS {
					client, server = tlsPair(t, client, server)
				}
				go func() {
					buf := make([]byte, 1000)
					server.Read(buf)
					io.WriteString(server, wiretest.OK.Bytes)
				}()
				c := NewClientConn(client)
				c.SetReadTimeout(wiretest.Wait)
				r := &wire.Request{Method: "POST", Target: "/", Authority: "a"}
				if got := do(c, r, ""); !got.reusable {
					t.Fatalf("the first exchange: %+v", got)
				}
				end(raw)
				for start := time.Now(); !c.Dead() && time.Since(start) < wiretest.Wait; {
				}
				if err := c.WriteRequest(r, false); err != nil {
					t.Fatal(err)
				}
				err := finish(c, nil)
				if err == nil {
					err = receive(c, "POST").err
				}
				if err != wire.ErrStale || c.Sent() != 0 {
					t.Errorf("%s, %s, TLS %v: %v, sent %d bytes", what, name, overTLS, err, c.Sent())
				}
			}
		}
	}
}

func TestAnAnswerThatIsThereBeforeTheRequest(t *testing.T) {
	for name, finish := range finishers {
		client, server := tcpPair(t)
		io.WriteString(server, "HTTP/1.1 503 Full\r\nContent-Length: 2\r\n\r\nno")
		c := NewClientConn(client)
		c.SetReadTimeout(wiretest.Wait)
		for c.idle() { // until it has come
		}
		c.WriteRequest(&wire.Request{Method: "GET", Target: "/", Authority: "a"}, false)
		if err := finish(c, nil); err != nil {
			t.Fatal(err)
		}
		if got := receive(c, "GET"); got.status != 503 || got.body != "no" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

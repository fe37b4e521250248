package forward

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
)

const (
	handshake = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
	smuggled  = "GET /smuggled HTTP/1.1\r\nHost: b.test\r\n\r\n"
)

// expect reads exactly this text.
func expect(t *testing.T, from io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(from, b); err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b[:n], err, want)
	}
}

// upgrade sends a handshake and reads the head of the answer.
func (c *client) upgrade() {
	c.t.Helper()
	c.send(handshake)
	head := ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", head, err)
		}
		head += line
	}
	for _, want := range []string{"HTTP/1.1 101 ", "\nconnection: upgrade\r\n", "\nupgrade: websocket\r\n", "\nsec-websocket-accept: x\r\n"} {
		if !strings.Contains(strings.ToLower(head), strings.ToLower(want)) {
			c.t.Fatalf("head %q lacks %q", head, want)
		}
	}
}

func TestTunnel(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 1<<14)
	heads := make(chan request, 8)
	b := newBackend(t, func(p *peer, _ int) {
		req, more := p.readHead()
		if !more {
			return
		}
		heads <- req
		p.say(switching + "early")
		_, _ = io.Copy(p, p.r) // an echo until the client has said its last
		p.say("bye")
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.upgrade()
	head := <-heads
	if head.field("Connection") != "Upgrade" || head.field("Upgrade") != "websocket" || head.field("Sec-WebSocket-Key") == "" {
		t.Errorf("the endpoint saw %q", head.head)
	}
	expect(t, c.r, "early")
	c.send("hello")
	expect(t, c.r, "hello")
	go c.send(large)
	expect(t, c.r, large)
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	expect(t, c.r, "bye")
	c.expectClosed()
	rec := r.record()
	if in, out := int64(5+len(large)), int64(5+5+len(large)+3); rec.TunnelIn != in || rec.TunelUp != out || rec.Status != 101 {
		t.Errorf("record %+v; want %d bytes in and %d out", rec, in, out)
	}
	if r.idle() != 0 || r.upstream.Set().Endpoints()[0].InFlight() != 0 {
		t.Error("something is left of the tunnel")
	}
}

func TestTunnelsEndWhenNothingHappens(t *testing.T) {
	closed := make(chan time.Time, 1)
	b := newBackend(t, func(p *peer, _ int) {
		p.readHead()
		p.say(switching)
		_, _ = io.Copy(io.Discard, p.r)
		closed <- time.Now()
	})
	r := newRig(t, func(p *ir.Policy) { p.Read = 400 * time.Millisecond }, b.addr())
	c := r.dial()
	c.upgrade()
	for range 4 { // one direction alone keeps both alive
		time.Sleep(200 * time.Millisecond)
		c.send("x")
	}
	last := time.Now()
	if d := (<-closed).Sub(last); d < 350*time.Millisecond || d > time.Second {
		t.Errorf("the endpoint was left after %v of silence, want 0.4 s", d)
	}
	c.expectClosed()
	if rec := r.record(); rec.TunnelIn != 4 {
		t.Errorf("record %+v", rec)
	}
}

func TestTunnelsEndWithEitherSide(t *testing.T) {
	for _, who := range []string{"endpoint closes", "endpoint resets", "client closes", "client resets"} {
		t.Run(who, func(t *testing.T) {
			ended := make(chan bool)
			b := newBackend(t, func(p *peer, _ int) {
				p.readHead()
				p.say(switching)
				switch who {
				case "endpoint closes":
				case "endpoint resets":
					p.reset()
				default:
					_, _ = io.Copy(io.Discard, p.r)
				}
				close(ended)
			})
			r := newRig(t, nil, b.addr())
			c := r.dial()
			c.upgrade()
			switch who {
			case "client closes":
				c.Close()
			case "client resets":
				reset(c.Conn.(*net.TCPConn))
			default:
				c.expectClosed()
				c.Close()
			}
			<-ended
			r.record()
		})
	}
}

// TestUpgradesThatAreNone are K-08, K-09 and K-11: bytes behind a handshake are a request unless the endpoint
// has switched.
func TestUpgradesThatAreNone(t *testing.T) {
	t.Run("K-08 200 instead of 101", func(t *testing.T) {
		b := newBackend(t, always("HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno"))
		r := newRig(t, nil, b.addr())
		c := r.dial()
		c.send(handshake)
		if got := c.receive("GET"); got.StatusCode != 200 || got.body != "no" || got.Header.Get("Upgrade") != "" {
			t.Errorf("got %s, %v", describe(got), got.Header)
		}
		c.send(smuggled)
		if got := c.receive("GET"); got.StatusCode != 200 || b.requests.Load() != 2 {
			t.Errorf("the second request got %s; the endpoint saw %d requests", describe(got), b.requests.Load())
		}
	})
	t.Run("K-09 refused", func(t *testing.T) {
		b := newBackend(t, func(p *peer, _ int) {
			for {
				req, more := p.read()
				if !more {
					return
				}
				if strings.Contains(req.line(), "/ws") {
					time.Sleep(50 * time.Millisecond)
					if p.r.Buffered() > 0 {
						t.Error("bytes of the client came before the answer")
					}
					p.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
					continue
				}
				p.say(ok("second " + req.line()))
			}
		})
		r := newRig(t, nil, b.addr())
		c := r.dial()
		c.send(handshake + smuggled)
		if got := c.receive("GET"); got.StatusCode != 403 {
			t.Errorf("got %s", describe(got))
		}
		if got := c.receive("GET"); got.body != "second GET /smuggled HTTP/1.1" {
			t.Errorf("got %s, want the answer to a request of its own", describe(got))
		}
	})
	t.Run("K-09 accepted", func(t *testing.T) {
		before, after := make(chan int, 1), make(chan string, 1)
		b := newBackend(t, func(p *peer, _ int) {
			p.readHead()
			time.Sleep(50 * time.Millisecond)
			before <- p.r.Buffered()
			p.say(switching)
			got := make([]byte, len(smuggled))
			_, _ = io.ReadFull(p.r, got)
			after <- string(got)
		})
		r := newRig(t, nil, b.addr())
		c := r.dial()
		c.send(handshake + smuggled)
		if n := <-before; n != 0 {
			t.Errorf("%d bytes of the client came before 101", n)
		}
		if got := <-after; got != smuggled {
			t.Errorf("through the tunnel came %q", got)
		}
	})
	t.Run("K-11 without Connection", func(t *testing.T) {
		heads := make(chan request, 1)
		b := newBackend(t, func(p *peer, _ int) {
			req, _ := p.read()
			heads <- req
			p.say(ok("ok"))
		})
		r := newRig(t, nil, b.addr())
		c := r.dial()
		c.get("/", "Upgrade: websocket")
		if head := <-heads; head.field("Upgrade") != "" || head.field("Connection") != "" {
			t.Errorf("the endpoint saw %q", head.head)
		}
	})
}

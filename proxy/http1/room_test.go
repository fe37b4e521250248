package http1

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// room is a client that takes so many bytes.
type room int

func (r room) Room() int { return int(r) }

// upstreamOf returns a connection to an upstream that answers each request with text.
func upstreamOf(t *testing.T, text string) *ClientConn {
	t.Helper()
	client, server := pipe(t)
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := server.Read(buf); err != nil {
				return
			}
			_, _ = io.WriteString(server, text)
		}
	}()
	c := NewClientConn(client)
	c.SetReadTimeout(wiretest.Wait)
	return c
}

// TestResponsesForClientsWithoutRoom reads heads and bodies of all lengths in pieces of all sizes.
func TestResponsesForClientsWithoutRoom(t *testing.T) {
	body := strings.Repeat("0123456789", 4_000)
	for _, head := range []int{10, trickle, smallSize, largeSize + 10} {
		for _, chunked := range []bool{false, true} {
			for _, r := range []room{-1, 0, 1, smallSize - 1, smallSize, smallSize + 1, largeSize, 1 << 20} {
				t.Run(fmt.Sprintf("head of %d, chunked %v, room for %d", head, chunked, r), func(t *testing.T) {
					text := "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", head) + "\r\n"
					if chunked {
						text += fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
					} else {
						text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
					}
					c := upstreamOf(t, text)
					for range 2 {
						c.For(r)
						got := do(c, &wire.Request{Method: "GET", Target: "/", Authority: "a.test", Major: 1, Minor: 1}, "")
						if got.err != nil || got.status != 200 || got.body != body || !got.reusable {
							t.Fatalf("status %d, %d bytes, reusable %v, error %v", got.status, len(got.body), got.reusable, got.err)
						}
						c.Idle()
					}
				})
			}
		}
	}
}

// stalled is a client that takes no body: the first Flush of one does not return before it is told to.
type stalled struct {
	wire.Stream
	at   chan *ClientConn
	c    *ClientConn
	n    int
	over chan struct{}
}

func (s *stalled) Write(p []byte) (int, error) {
	s.n += len(p)
	return len(p), nil
}

func (s *stalled) Flush() error {
	s.at <- s.c
	<-s.over
	return net.ErrClosed
}

// TestAClientWithoutRoomHoldsNoBuffer is S-F4: what a stalled response holds is what it has written, and that is little.
func TestAClientWithoutRoomHoldsNoBuffer(t *testing.T) {
	c := upstreamOf(t, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", 1_000_000))
	c.For(room(0))
	if err := c.WriteRequest(&wire.Request{Method: "GET", Target: "/", Authority: "a.test", Major: 1, Minor: 1}, false); err != nil {
		t.Fatal(err)
	}
	if err := c.FinishRequest(nil); err != nil {
		t.Fatal(err)
	}
	var resp wire.Response
	var a wire.Arena
	if err := c.ReadResponse(&resp, &a, "GET", 64<<10); err != nil {
		t.Fatal(err)
	}
	s := &stalled{at: make(chan *ClientConn), c: c, over: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, _, err := c.CopyBody(s)
		done <- err
	}()
	select {
	case <-s.at:
		if c.inBuf != nil || c.tight != nil || c.in != nil || s.n > trickle {
			t.Errorf("holds large %v, small %v; %d bytes were read, want at most %d", c.inBuf != nil, c.tight != nil, s.n, trickle)
		}
	case <-time.After(wiretest.Wait):
		t.Fatal("the body is not flushed")
	}
	close(s.over)
	if err := <-done; err != net.ErrClosed {
		t.Error(err)
	}
}

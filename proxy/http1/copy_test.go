package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wiretest"

	"github.com/yettproxy/yett/proxy/wire"
)

// copyRig is a server whose handler copies the body of an upstream's answer.
func copyRig(t *testing.T, answer wiretest.Answer, client func(addr string) *ClientConn) (r *rig, failed chan [2]error) {
	u := wiretest.NewUpstream(t, func(*wiretest.Request) wiretest.Answer { return answer })
	failed = make(chan [2]error, 1)
	r = newRig(t)
	r.serve = func(x *filter.Exchange) {
		c := client(u.Addr)
		c.WriteRequest(&x.Request, false)
		c.FinishRequest(nil)
		if err := c.ReadResponse(&x.Response, &x.Arena, "GET", 64<<10); err != nil {
			t.Error(err)
		}
		x.Stream.WriteHead(&x.Response)
		_, readErr, writeErr := c.CopyBody(x.Stream)
		if readErr != nil || writeErr != nil {
			x.Stream.Abort()
		} else {
			x.Stream.Finish(c.Trailers())
		}
		failed <- [2]error{readErr, writeErr}
	}
	return r, failed
}

func TestCopyBody(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 200_000)
	for name, answer := range map[string]string{
		"empty":            "Content-Length: 0\r\n\r\n",
		"small":            "Content-Length: 2\r\n\r\nhi",
		"large":            "Content-Length: 3200000\r\n\r\n" + big,
		"large in chunks":  "Transfer-Encoding: chunked\r\n\r\n30d400\r\n" + big + "\r\n0\r\nX: y\r\n\r\n",
		"large to the end": "\r\n" + big,
	} {
		t.Run(name, func(t *testing.T) {
			r, failed := copyRig(t, wiretest.Answer{Bytes: "HTTP/1.1 200 OK\r\n" + answer, Close: true}, func(addr string) *ClientConn { return dialUpstream(t, addr) })
			c := wiretest.Dial(t, r.addr)
			for range 2 {
				c.Send(get("GET / HTTP/1.1"))
				m := c.Must("GET", 200)
				if err := <-failed; err != [2]error{} {
					t.Fatal(err)
				}
				if want := strings.Count(answer, "0123456789abcdef") * 16; want > 0 && m.Body != big || want == 0 && len(m.Body) > 2 {
					t.Errorf("a body of %d bytes arrived, want %d", len(m.Body), want)
				}
				if strings.Contains(answer, "X: y") != (len(m.Trailers) == 1) {
					t.Errorf("trailers %+v", m.Trailers)
				}
			}
		})
	}
	t.Run("R-10 upstream stops in the middle", func(t *testing.T) {
		r, failed := copyRig(t, wiretest.Answer{Bytes: "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + big, Close: true}, func(addr string) *ClientConn { return dialUpstream(t, addr) })
		c := wiretest.Dial(t, r.addr)
		c.Send(get("GET / HTTP/1.1"))
		if m, err := c.Response("GET"); err == nil {
			t.Errorf("a body of %d bytes looks complete", len(m.Body))
		}
		if err := <-failed; !errors.Is(err[0], wire.ErrMalformed) || err[1] != nil {
			t.Errorf("errors are %v", err)
		}
	})
	t.Run("upstream is silent in the middle", func(t *testing.T) {
		r, failed := copyRig(t, wiretest.Answer{Bytes: "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + big}, func(addr string) *ClientConn {
			c := dialUpstream(t, addr)
			c.SetReadTimeout(50 * time.Millisecond)
			return c
		})
		c := wiretest.Dial(t, r.addr)
		c.Send(get("GET / HTTP/1.1"))
		if _, err := c.Response("GET"); err == nil {
			t.Error("the body looks complete")
		}
		if err := <-failed; err[0] == nil || err[1] != nil {
			t.Errorf("errors are %v", err)
		}
	})
	t.Run("client goes away", func(t *testing.T) {
		r, failed := copyRig(t, wiretest.Answer{Bytes: "HTTP/1.1 200 OK\r\nContent-Length: 320000000\r\n\r\n" + strings.Repeat(big, 10)}, func(addr string) *ClientConn { return dialUpstream(t, addr) })
		c := wiretest.Dial(t, r.addr)
		c.Send(get("GET / HTTP/1.1"))
		io.CopyN(io.Discard, c.Raw(), 1000)
		c.Conn().(*net.TCPConn).SetLinger(0)
		c.Conn().Close()
		if err := <-failed; err[0] != nil || err[1] == nil {
			t.Errorf("errors are %v", err)
		}
	})
}

// TestResponsesAfterOneThatTheKernelMoved sends responses of all kinds over one connection, after one that was long: the first read of the
// next one is short then, whoever it is for.
func TestResponsesAfterOneThatTheKernelMoved(t *testing.T) {
	const long = 300_000
	texts := map[string]string{}
	for name, n := range map[string]int{"long": long, "short": 5, "medium": 20_000, "just long enough": spliceFrom + smallSize} {
		texts[name] = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n))
	}
	texts["in chunks"] = fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", long, strings.Repeat("x", long))
	texts["with a long head"] = "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 10_000) + "\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000)
	for name, text := range texts {
		for _, roomy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, room asked for %v", name, roomy), func(t *testing.T) {
				answers := []string{texts["long"], text, texts["long"], text, text}
				u := wiretest.NewUpstream(t, func(q *wiretest.Request) wiretest.Answer {
					i, err := strconv.Atoi(strings.TrimPrefix(q.Target(), "/"))
					if err != nil {
						t.Error(err)
					}
					return wiretest.Answer{Bytes: answers[i]}
				})
				c := dialUpstream(t, u.Addr)
				r := newRig(t)
				r.serve = func(x *filter.Exchange) {
					if roomy {
						c.For(room(1 << 20))
					}
					c.WriteRequest(&x.Request, false)
					c.FinishRequest(nil)
					if err := c.ReadResponse(&x.Response, &x.Arena, "GET", 64<<10); err != nil {
						t.Error(err)
					}
					x.Stream.WriteHead(&x.Response)
					if _, readErr, writeErr := c.CopyBody(x.Stream); readErr != nil || writeErr != nil {
						t.Error(readErr, writeErr)
					}
					x.Stream.Finish(c.Trailers())
					if !c.Reusable() {
						t.Error("the connection cannot be used again")
					}
					c.Idle()
				}
				client := wiretest.Dial(t, r.addr)
				for i, answer := range answers {
					client.Send(get(fmt.Sprintf("GET /%d HTTP/1.1", i)))
					if m := client.Must("GET", 200); len(m.Body) != strings.Count(answer, "x") {
						t.Fatalf("response %d has %d bytes, want %d", i, len(m.Body), strings.Count(answer, "x"))
					}
				}
			})
		}
	}
}

package http1

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestPanicsEndOneConnection(t *testing.T) {
	r := newRig(t)
	var told atomic.Int32
	r.srv.Panicked = func(x *filter.Exchange, v any) {
		if v == "boom" && x.Request.Target == "/" {
			told.Add(1)
		}
	}
	r.serve = func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, r.record(x).err)
			return
		}
		if x.Request.Query == "late" {
			x.Response.Status, x.Response.Length = 200, 10
			x.Stream.WriteHead(&x.Response)
			x.Stream.Flush()
		}
		panic("boom")
	}
	r.run(get("GET / HTTP/1.1"), []int{500}, false) // S-F20
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET /?late HTTP/1.1"))
	if m, err := c.Response("GET"); err == nil {
		t.Errorf("a response that was cut short looks complete: %+v", m)
	}
	c = wiretest.Dial(t, r.addr)
	c.Send(after)
	c.Must("GET", 200)
	if told.Load() != 1 {
		t.Errorf("told of %d panics with target /, want 1", told.Load())
	}
}

func TestBodiesThatNobodyReads(t *testing.T) {
	refuse := func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, nil)
			return
		}
		x.Reply(413)
		write(x)
	}
	for name, c := range map[string]struct {
		send string
		open bool
	}{
		"a short body is drained":          {post("Content-Length: 100000\n", strings.Repeat("x", 100000)), true},
		"a short chunked body is drained":  {post(ch, "5\r\nhello\r\n0\r\nX: y\r\n\r\n"), true},
		"C-34 a long one is not":           {post("Content-Length: 100000000\n", strings.Repeat("x", 2<<20)), false},
		"C-34 a long chunked one is not":   {post(ch, strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 32)), false},
		"a malformed one ends it":          {post(ch, "zz\r\n"), false},
		"one that is malformed later, too": {post(ch, "5\r\nhello\r\nzz\r\n"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = refuse
			client := wiretest.Dial(t, r.addr)
			sent := make(chan struct{})
			go func() { // the server may stop reading
				defer close(sent)
				client.Send(c.send)
			}()
			if m := client.Must("POST", 413); !m.Complete {
				t.Error("the answer is not complete")
			}
			if !c.open {
				if end := client.End(wiretest.Wait); end != wiretest.Closed {
					t.Errorf("connection is %s, want it closed behind the answer", end)
				}
				client.Conn().Close()
				<-sent
				return
			}
			<-sent
			client.Send(after)
			client.Must("GET", 200)
		})
	}
}

func TestInterruptWakesTheReaderAndKeepsTheConnection(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, nil)
			return
		}
		done := make(chan error)
		go func() {
			_, err := io.ReadAll(x.Stream)
			done <- err
		}()
		for x.Stream.Received() == 0 {
			time.Sleep(time.Millisecond)
		}
		x.Stream.(wire.Interrupter).Interrupt()
		if err := <-done; !errors.Is(err, wire.ErrInterrupted) {
			t.Errorf("reader got %v", err)
		}
		x.Reply(503)
		write(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(post("Content-Length: 10\n", "hello"))
	c.Must("POST", 503)
	c.Send("world" + after)
	c.Must("GET", 200)
}

func TestAbortWakesEverybody(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		var wg sync.WaitGroup
		var readErr, writeErr error
		wg.Go(func() { _, readErr = io.ReadAll(x.Stream) })
		wg.Go(func() {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			for writeErr == nil {
				_, writeErr = x.Stream.Write(make([]byte, 1<<16))
			}
		})
		wg.Go(func() {
			for x.Stream.Received() == 0 {
				time.Sleep(time.Millisecond)
			}
			x.Stream.Abort()
		})
		wg.Wait()
		var bad *wire.BodyError
		if !errors.As(readErr, &bad) || writeErr == nil {
			t.Errorf("reader got %v, writer %v", readErr, writeErr)
		}
		r.record(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(post("Content-Length: 10\n", "hello"))
	if m, err := c.Response("POST"); err == nil && m.Complete {
		t.Error("the response looks complete")
	}
}

func TestClientsThatGoAway(t *testing.T) {
	for name, c := range map[string]string{
		"C-33 within a body":    post("Content-Length: 10\n", "hello"),
		"C-33 within a chunk":   post(ch, "5\r\nhe"),
		"C-33 between chunks":   post(ch, "5\r\nhello\r\n"),
		"C-33 within a trailer": post(ch, "0\r\nX-A"),
	} {
		for _, reset := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				got := make(chan error, 1)
				r.serve = func(x *filter.Exchange) {
					got <- r.record(x).err
					x.Stream.Abort()
				}
				client := wiretest.Dial(t, r.addr)
				client.Send(c)
				if reset {
					client.Conn().(*net.TCPConn).SetLinger(0)
				}
				client.Conn().Close()
				var bad *wire.BodyError
				if err := <-got; !errors.As(err, &bad) || bad.Status != 499 {
					t.Errorf("reader got %v, want 499", err)
				}
			})
		}
	}
}

package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestConnectionsEndAfterTheirRequests(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.RequestsPerConnection = 2 })
	c := wiretest.Dial(t, r.addr)
	c.Send(strings.Repeat(get("GET / HTTP/1.1"), 3))
	if m := c.Must("GET", 200); m.Has("Connection") {
		t.Error("the first of two responses announces the end")
	}
	if m := c.Must("GET", 200); m.Get("Connection") != "close" {
		t.Error("the last response does not announce the end")
	}
	if end := c.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("connection is %s", end)
	}
	if n := len(r.requests()); n != 2 {
		t.Errorf("%d requests were served, want 2", n)
	}
}

func TestNoKeepAliveWithoutIdleTimeout(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.IdleTimeout = 0 })
	r.run(get("GET / HTTP/1.1"), []int{200}, false)
}

func TestDrainingEndsConnections(t *testing.T) {
	r := newRig(t)
	c := wiretest.Dial(t, r.addr)
	c.Send(after)
	c.Must("GET", 200)
	r.draining.Store(true)
	c.Send(after)
	if m := c.Must("GET", 200); m.Get("Connection") != "close" {
		t.Error("the response does not announce the end")
	}
	if end := c.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("connection is %s", end)
	}
}

func TestTimeouts(t *testing.T) {
	const short = 50 * time.Millisecond
	for name, c := range map[string]struct {
		set      func(l *wire.Limits)
		send     string
		statuses []int
		rejected string
	}{
		"nothing comes":        {func(l *wire.Limits) { l.HeadTimeout = short }, "", nil, ""},
		"half a head":          {func(l *wire.Limits) { l.HeadTimeout = short }, "GET / HTTP/1.1\r\nHos", nil, "head did not come in time"},
		"only empty lines":     {func(l *wire.Limits) { l.HeadTimeout = short }, "\r\n\r\n", nil, ""},
		"no second request":    {func(l *wire.Limits) { l.IdleTimeout = short }, get("GET / HTTP/1.1"), []int{200}, ""},
		"a body that stops":    {func(l *wire.Limits) { l.BodyTimeout = short }, post("Content-Length: 10\n", "hello"), []int{408}, ""},
		"chunks that stop":     {func(l *wire.Limits) { l.BodyTimeout = short }, post(ch, "5\r\nhe"), []int{408}, ""},
		"a second half a head": {func(l *wire.Limits) { l.HeadTimeout = short }, get("GET / HTTP/1.1") + "GET /", []int{200}, "head did not come in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.limit(c.set)
			start := time.Now()
			r.run(c.send, c.statuses, false)
			if d := time.Since(start); d < short-5*time.Millisecond {
				t.Errorf("it took %v, less than the limit", d)
			}
			if got := r.reasons(); got != c.rejected {
				t.Errorf("rejected %q, want %q", got, c.rejected)
			}
		})
	}
}

func TestAHeadThatDripsIsCutInTime(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.HeadTimeout = 100 * time.Millisecond })
	c := wiretest.Dial(t, r.addr)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		c.Send("GET / HTTP/1.1\r\nX: ")
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				c.Send("x")
			}
		}
	}()
	start := time.Now()
	if end := c.End(wiretest.Wait); end == wiretest.Open || end == wiretest.Talking {
		t.Errorf("connection is %s", end)
	}
	if d := time.Since(start); d > 2*time.Second { // S-F7
		t.Errorf("it took %v", d)
	}
}

func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.WriteTimeout = 50 * time.Millisecond })
	failed := make(chan error, 1)
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		x.Stream.WriteHead(&x.Response)
		piece := make([]byte, 1<<20)
		for {
			if _, err := x.Stream.Write(piece); err != nil {
				failed <- err
				return
			}
		}
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "timeout") {
			t.Errorf("writer got %v", err)
		}
	case <-time.After(wiretest.Wait):
		t.Error("the writer is still waiting")
	}
}

func TestWritesSurviveADeadlineThatPassedWhileNobodyWrote(t *testing.T) {
	client, server := tcpPair(t)
	var l link
	l.init(server)
	l.write.timeout = int64(20 * time.Millisecond)
	l.read.timeout = int64(20 * time.Millisecond)
	l.armWrite()
	l.armRead()
	deadline := time.Now().Add(60 * time.Millisecond)
	for time.Now().Before(deadline) {
		time.Sleep(time.Until(deadline))
	}
	if n, err := l.writeAll([]byte("hi"), nil); n != 2 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	io.WriteString(client, "hi")
	buf := make([]byte, 10)
	if n, err := l.readInto(buf); n != 2 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
}

// watcher counts what it is told.
type watcher struct {
	idle, active, tunnel atomic.Int32
	refuse               atomic.Bool
}

func (w *watcher) Idle() bool   { w.idle.Add(1); return !w.refuse.Load() }
func (w *watcher) Active() bool { w.active.Add(1); return !w.refuse.Load() }
func (w *watcher) Tunnel()      { w.tunnel.Add(1) }

func TestTheWatcherIsToldWhatTheConnectionDoes(t *testing.T) {
	r := newRig(t)
	var w watcher
	client, server := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.srv.Serve(t.Context(), server, &filter.Conn{Watch: &w})
	}()
	c := wiretest.NewClient(t, client)
	for i := range int32(3) {
		c.Send(after + after) // the second is pipelined, and counts all the same
		c.Must("GET", 200)
		c.Must("GET", 200)
		if n := w.active.Load(); n != 2*i+2 {
			t.Errorf("active %d times, want %d", n, 2*i+2)
		}
	}
	w.refuse.Store(true)
	c.Send(after)
	if end := c.End(wiretest.Wait); end == wiretest.Open || end == wiretest.Talking {
		t.Errorf("connection is %s, want it closed since the watcher said so", end)
	}
	<-done
	if n := len(r.requests()); n != 6 {
		t.Errorf("%d requests were served, want 6", n)
	}
}

func TestContextCutsConnections(t *testing.T) {
	r := newRig(t)
	client, server := tcpPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.srv.Serve(ctx, server, &filter.Conn{})
	}()
	c := wiretest.NewClient(t, client)
	c.Send(after)
	c.Must("GET", 200)
	cancel()
	<-done
	if end := c.End(wiretest.Wait); end == wiretest.Open {
		t.Error("connection is open")
	}
}

func TestTLS(t *testing.T) {
	client, server := tcpPair(t)
	tlsClient, tlsServer := tlsPair(t, client, server)
	r := newRig(t)
	big := strings.Repeat("x", 100_000)
	r.serve = func(x *filter.Exchange) {
		if s := r.record(x); s.err != nil {
			t.Error(s.err)
		}
		x.ReplyText(200, "text/plain", big)
		write(x)
	}
	state := tlsServer.ConnectionState()
	go r.srv.Serve(t.Context(), tlsServer, &filter.Conn{TLS: &state, HTTPS: true})

	c := NewClientConn(tlsClient)
	c.SetReadTimeout(wiretest.Wait)
	for i := range 3 {
		got := do(c, &wire.Request{Method: "POST", Target: "/p", Authority: "a.test", Length: 5}, "hello")
		if got.status != 200 || got.body != big || !got.reusable || got.err != nil {
			t.Fatalf("exchange %d: status %d, body of %d bytes, %v", i, got.status, len(got.body), got.err)
		}
		c.Idle()
		if c.Dead() {
			t.Error("the connection is taken for dead")
		}
	}
	if got := r.lines(); got != strings.TrimSpace(strings.Repeat("POST /p a.test hello\n", 3)) {
		t.Errorf("handler saw\n%s", got)
	}
	w := wiretest.NewClient(t, tlsClient)
	w.Send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + smug)
	w.Must("GET", 400)
	if end := w.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("connection is %s, want a good-bye", end)
	}
}

func TestATLSResponseCutShortShowsIt(t *testing.T) {
	client, server := tcpPair(t)
	tlsClient, tlsServer := tlsPair(t, client, server)
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		x.Stream.WriteHead(&x.Response)
		io.WriteString(x.Stream, "hi")
		x.Stream.Flush()
		x.Stream.Abort()
	}
	go r.srv.Serve(t.Context(), tlsServer, &filter.Conn{})
	io.WriteString(tlsClient, "GET / HTTP/1.0\r\n\r\n")
	if _, err := io.ReadAll(tlsClient); err == nil {
		t.Error("a body that ends with the connection looks complete")
	}
}

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
		if err := <-failed; !errors.Is(err[0], ErrMalformed) || err[1] != nil {
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

func TestIdleConnectionsAreCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("memory is not what it is under the race detector")
	}
	const n = 500
	for _, overTLS := range []bool{false, true} {
		name, bar := "plain", 10<<10
		if overTLS {
			name, bar = "TLS", 25<<10
		}
		t.Run(name, func(t *testing.T) {
			srv := &Server{Handler: constant{}}
			clients := make([]net.Conn, n)
			servers := make([]net.Conn, n)
			states := make([]tls.ConnectionState, n)
			for i := range n {
				clients[i], servers[i] = tcpPair(t)
			}
			before := memory()
			for i := range n {
				if overTLS {
					c, s := tlsPair(t, clients[i], servers[i])
					states[i] = s.ConnectionState()
					clients[i], servers[i] = c, s
				}
			}
			if overTLS { // both ends are in this process: count half of what they hold
				before += (memory() - before) / 2
			}
			for i := range n {
				go srv.Serve(t.Context(), servers[i], &filter.Conn{})
			}
			for i := range n {
				c := wiretest.NewClient(t, clients[i])
				c.Send(browserHead)
				c.Must("GET", 200)
				c.Raw().Reset(nil)
			}
			each := int(memory()-before) / n
			t.Logf("an idle connection costs %d bytes", each)
			if each > bar {
				t.Errorf("an idle connection costs %d bytes, want at most %d", each, bar)
			}
		})
	}
}

// memory returns the bytes in use by heap and stacks.
func memory() uint64 {
	for range 4 { // stacks shrink by half with each collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

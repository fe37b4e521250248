package http1

import (
	"context"
	"io"
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

// TestBodiesMustKeepPace is S-F7: a byte now and then is within every time-out, but not within wire.Pace.
func TestBodiesMustKeepPace(t *testing.T) {
	const ticks = 24
	for name, tt := range map[string]struct {
		fields, piece string
		status        int
	}{
		"a byte at a time":           {"Content-Length: 100000\n", "x", 408},
		"a chunk of a byte, streams": {ch, "1\r\nx\r\n", 200},
		"slow, but moving":           {"Content-Length: 120000\n", strings.Repeat("x", 5000), 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.limit(func(l *wire.Limits) { l.BodyTimeout = 400 * time.Millisecond })
			c := wiretest.Dial(t, r.addr)
			c.Send(post(tt.fields, ""))
			for range ticks {
				c.Send(tt.piece)
				time.Sleep(50 * time.Millisecond)
			}
			if tt.fields == ch {
				c.Send("0\r\n\r\n")
			}
			c.Must("POST", tt.status)
		})
	}
}

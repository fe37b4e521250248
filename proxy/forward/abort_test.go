package forward

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/wire"
)

// TestClientsThatGoAway lets clients leave at every point of an exchange; the endpoint must see it within 100 ms.
func TestClientsThatGoAway(t *testing.T) {
	const bar = 100 * time.Millisecond
	request := "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	tests := map[string]struct {
		send  string
		say   string // what the endpoint says before it goes silent
		leave func(*net.TCPConn)
	}{
		"closes while the endpoint is silent":     {request, "", func(c *net.TCPConn) { c.Close() }},
		"resets while the endpoint is silent":     {request, "", reset},
		"closes within the body of the answer":    {request, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", func(c *net.TCPConn) { c.Close() }},
		"resets within the body of the answer":    {request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", reset},
		"closes after interim answers":            {request, "HTTP/1.1 103 Early Hints\r\n\r\n", func(c *net.TCPConn) { c.Close() }},
		"closes after a whole request body":       {post("hello"), "", func(c *net.TCPConn) { c.Close() }},
		"C-33 closes within a long body":          {strings.Replace(post(strings.Repeat("x", 50000)), "50000", "99999", 1), "", func(c *net.TCPConn) { c.Close() }},
		"C-33 resets within a long body":          {strings.Replace(post(strings.Repeat("x", 50000)), "50000", "99999", 1), "", reset},
		"C-33 resets within a chunked body":       {"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", reset},
		"closes within a chunked body and answer": {"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", func(c *net.TCPConn) { c.Close() }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			best := patience
			for range 3 { // a machine that does other things, too, may miss the bar once
				if best = min(best, leaving(t, tt.send, tt.say, 30*time.Millisecond, tt.leave)); best <= bar {
					return
				}
			}
			t.Errorf("the endpoint noticed after %v at best, want %v", best, bar)
		})
	}
}

func TestClientsThatGoAwayAfterALongWait(t *testing.T) {
	const bar = 100 * time.Millisecond
	best := patience
	for range 3 {
		best = min(best, leaving(t, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "", 1500*time.Millisecond, func(c *net.TCPConn) { c.Close() }))
		if best <= bar {
			return
		}
	}
	t.Errorf("the endpoint noticed after %v at best, want %v", best, bar)
}

// leaving lets a client go away, some time after its request was seen, and returns how long it took until the endpoint saw that.
func leaving(t *testing.T, send, say string, after time.Duration, leave func(*net.TCPConn)) time.Duration {
	t.Helper()
	asked, left, seen := make(chan bool), make(chan bool), make(chan time.Time, 1)
	b := newBackend(t, func(p *peer, _ int) {
		if _, more := p.readHead(); !more {
			return
		}
		p.say(say)
		close(asked)
		<-left
		p.untilClosed()
		seen <- time.Now()
	})
	r := newRig(t, func(p *ir.Policy) { p.MaxBody = 0; p.Retry.On |= ir.RetryNonIdempotent }, b.addr())
	c := r.dial()
	c.send(send)
	<-asked
	if strings.Contains(say, "hello") { // be sure that the answer is on its way
		buf := make([]byte, 4096)
		for all := ""; !strings.Contains(all, "hello"); {
			n, err := c.r.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			all += string(buf[:n])
		}
	}
	time.Sleep(after) // the flight waits
	start := time.Now()
	leave(c.Conn.(*net.TCPConn))
	close(left)
	took := patience
	select {
	case at := <-seen:
		took = at.Sub(start)
	case <-time.After(patience):
	}
	if rec := r.record(); !rec.Gone || len(rec.Attempts) != 1 {
		t.Errorf("record %+v", rec)
	}
	if r.idle() != 0 {
		t.Error("the connection was kept")
	}
	return took
}

// reset closes a connection with RST.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}

func TestClientGoesAwayWhileConnecting(t *testing.T) {
	r := newRig(t, func(p *ir.Policy) { p.Connect = patience; p.Retry.On = 0 }, addrPort("192.0.2.1:9"))
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	time.Sleep(30 * time.Millisecond)
	if len(r.records) > 0 {
		t.Skip("this machine cannot even try to reach 192.0.2.1")
	}
	start := time.Now()
	c.Close()
	if rec := r.record(); !rec.Gone {
		t.Errorf("record %+v", rec)
	}
	if d := time.Since(start); d > 150*time.Millisecond {
		t.Errorf("noticed after %v", d)
	}
}

// shared is a stream on a connection that outlives it.
type shared struct {
	wire.Stream
	gone *atomic.Bool
}

func (s shared) Gone() bool { return s.gone.Load() }

func TestStreamsThatKnowByThemselves(t *testing.T) {
	var gone atomic.Bool
	cut := make(chan bool)
	b := newBackend(t, func(p *peer, _ int) {
		p.read()
		p.untilClosed()
		close(cut)
	})
	r := newRig(t, nil, b.addr())
	r.see(func(x *filter.Exchange) { x.Stream = shared{x.Stream, &gone} })
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	eventually(t, "the endpoint is asked", func() bool { return b.requests.Load() == 1 })
	gone.Store(true)
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("the endpoint never noticed")
	}
	if rec := r.record(); !rec.Gone {
		t.Errorf("record %+v", rec)
	}
}

// TestAbortStorm lets many clients leave at once and looks for what they leave behind.
func TestAbortStorm(t *testing.T) {
	const clients = 300
	var waiting sync.WaitGroup
	waiting.Add(clients)
	b := newBackend(t, func(p *peer, _ int) {
		if _, more := p.read(); more {
			waiting.Done()
			p.untilClosed()
		}
	})
	r := newRig(t, nil, b.addr())
	r.quiet.Store(true)
	var list []*client
	for range clients {
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		list = append(list, c)
	}
	waiting.Wait()
	time.Sleep(30 * time.Millisecond)
	start := time.Now()
	for _, c := range list {
		c.Close()
	}
	eventually(t, "all requests end", func() bool { return r.upstream.Set().Endpoints()[0].InFlight() == 0 })
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v until all %d were noticed", d, clients)
	}
	count := func() (active, free int) {
		for i := range r.f.watch.shards {
			s := &r.f.watch.shards[i]
			s.mu.Lock()
			active, free = active+len(s.active), free+len(s.free)
			s.mu.Unlock()
		}
		return active, free
	}
	eventually(t, "all flights are given back", func() bool { active, _ := count(); return active == 0 })
	if _, free := count(); free > len(r.f.watch.shards)*keepFree {
		t.Errorf("%d flights are kept", free)
	}
}

// BenchmarkWatch is one look at a thousand flights that wait.
func BenchmarkWatch(b *testing.B) {
	const flights = 1000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var w watch
	w.init()
	for i := range flights {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		f := w.begin(uint64(i))
		f.x = &filter.Exchange{}
		f.raw, _ = c.(*net.TCPConn).SyscallConn()
		f.wait.begin()
	}
	w.look()
	b.ReportAllocs()
	for b.Loop() {
		w.look()
	}
	if len(w.fds) == 0 {
		b.Fatal("nobody was asked about")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*flights), "ns/flight")
}

// TestC34 uploads without end while the endpoint refuses at once.
func TestC34(t *testing.T) {
	const size = 100 << 20
	for _, kind := range []string{"known length", "chunked"} {
		for _, then := range []string{"close", "reset", "stay"} {
			t.Run(kind+", then "+then, func(t *testing.T) {
				b := newBackend(t, func(p *peer, _ int) {
					if _, more := p.readHead(); !more {
						return
					}
					p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
					switch then {
					case "reset":
						time.Sleep(50 * time.Millisecond)
						p.reset()
					case "stay":
						time.Sleep(time.Second)
					}
				})
				r := newRig(t, func(p *ir.Policy) { p.MaxBody = 0 }, b.addr())
				c := r.dial()
				stopped := make(chan int, 1)
				go func() { stopped <- upload(c, kind == "chunked", size) }()
				got := c.receive("POST")
				if got.StatusCode != 413 || got.body != "large" {
					t.Errorf("got %s", describe(got))
				}
				rec := r.record()
				if rec.Gone || len(rec.Attempts) != 1 || rec.Attempts[0].Status != 413 {
					t.Errorf("record %+v", rec)
				}
				c.Close()
				if n := <-stopped; n >= size {
					t.Error("all of the upload was taken")
				}
				if r.idle() != 0 {
					t.Error("the connection was kept")
				}
			})
		}
	}
}

// upload sends a long body and returns how much of it was taken.
func upload(c io.Writer, chunked bool, size int) (n int) {
	piece := strings.Repeat("x", 1<<16)
	framing := fmt.Sprintf("Content-Length: %d", size)
	if chunked {
		framing = "Transfer-Encoding: chunked"
		piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	}
	if _, err := fmt.Fprintf(c, "POST /p HTTP/1.1\r\nHost: a.test\r\n%s\r\n\r\n", framing); err != nil {
		return 0
	}
	for n < size {
		m, err := io.WriteString(c, piece)
		n += m
		if err != nil {
			return n
		}
	}
	return n
}

func TestAnAnswerCanEndBeforeTheRequest(t *testing.T) {
	b := newBackend(t, func(p *peer, _ int) {
		p.readHead()
		p.say(ok("early"))
		p.untilClosed()
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	// The client sends a piece and then nothing more until it has the answer.
	c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	if got := c.receive("POST"); got.body != "early" {
		t.Errorf("got %s", describe(got))
	}
	if rec := r.record(); rec.Gone || rec.Status != 200 {
		t.Errorf("record %+v", rec)
	}
}

func TestBothDirectionsAtOnce(t *testing.T) {
	b := newBackend(t, func(p *peer, _ int) {
		p.readHead()
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			line, err := p.r.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "0") {
				p.say("0\r\n\r\n")
				return
			}
			data, _ := p.r.ReadString('\n')
			p.say(line + data)
		}
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	buf := make([]byte, 4096)
	for i := range 5 {
		word := fmt.Sprintf("word%d", i)
		c.send("5\r\n" + word + "\r\n")
		for all := ""; !strings.Contains(all, word); {
			n, err := c.r.Read(buf)
			if err != nil {
				t.Fatalf("the answer to piece %d does not come: %v", i, err)
			}
			all += string(buf[:n])
		}
	}
	c.send("0\r\n\r\n")
	if rec := r.record(); rec.Gone || rec.Attempts[0].Failure != 0 {
		t.Errorf("record %+v", rec)
	}
}

func TestBodiesOverTheLimit(t *testing.T) {
	b := newBackend(t, always(ok("ok")))
	limit := func(p *ir.Policy) { p.MaxBody = 1000 }
	chunk := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)) }
	chunked := "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := map[string]struct {
		send   string
		status int
		asked  int32
	}{
		"exactly the limit":           {post(strings.Repeat("x", 1000)), 200, 1},
		"one above":                   {post(strings.Repeat("x", 1001)), 413, 0},
		"announced only":              {"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\n\r\n", 413, 0},
		"K-04 no 100 before it":       {"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413, 0},
		"chunks up to the limit":      {chunked + chunk(500) + chunk(500) + "0\r\n\r\n", 200, 1},
		"chunks above, in one packet": {chunked + chunk(500) + chunk(501) + "0\r\n\r\n", 413, -1},
		"one chunk above":             {chunked + chunk(1001) + "0\r\n\r\n", 413, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, limit, b.addr())
			before := b.requests.Load()
			c := r.dial()
			c.send(tt.send)
			if got := c.receive("POST"); got.StatusCode != tt.status {
				t.Errorf("got %s", describe(got))
			}
			if n := b.requests.Load() - before; tt.asked >= 0 && n != tt.asked {
				t.Errorf("the endpoint saw %d requests, want %d", n, tt.asked)
			}
			r.record()
		})
	}
	t.Run("chunks above, bit by bit", func(t *testing.T) {
		incomplete := make(chan bool, 1)
		b := newBackend(t, func(p *peer, _ int) {
			_, more := p.read()
			incomplete <- !more
		})
		r := newRig(t, limit, b.addr())
		c := r.dial()
		c.send(chunked + chunk(500))
		eventually(t, "the endpoint is asked", func() bool { return b.requests.Load() > 0 })
		c.send(chunk(501))
		if got := c.receive("POST"); got.StatusCode != 413 {
			t.Errorf("got %s", describe(got))
		}
		if !<-incomplete {
			t.Error("the endpoint saw a complete request")
		}
		if rec := r.record(); rec.Gone {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestMalformedBodiesReachNobodyAsComplete(t *testing.T) {
	incomplete := make(chan bool, 1)
	b := newBackend(t, func(p *peer, _ int) {
		_, more := p.read()
		incomplete <- !more
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	eventually(t, "the endpoint is asked", func() bool { return b.requests.Load() > 0 })
	c.send("2\r\nhiXX0\r\n\r\n")
	if got := c.receive("POST"); got.StatusCode != 400 {
		t.Errorf("got %s", describe(got))
	}
	if !<-incomplete {
		t.Error("the endpoint saw a complete request")
	}
	if rec := r.record(); len(rec.Attempts) != 1 {
		t.Errorf("record %+v", rec)
	}
}

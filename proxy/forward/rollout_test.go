package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// TestRolloutsLoseNothing replaces all endpoints again and again under load; each one that goes closes its
// listener and its connections at the moment at which the change is published (R4-33 at its worst).
func TestRolloutsLoseNothing(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	var executed sync.Map // POSTs by their number
	start := func() *backend {
		return newBackend(t, func(p *peer, _ int) {
			for {
				req, more := p.read()
				if !more {
					return
				}
				if id := req.field("X-Number"); id != "" {
					if _, twice := executed.LoadOrStore(id, true); twice {
						t.Errorf("POST %s was executed twice", id)
					}
				}
				p.say(ok("ok"))
			}
		})
	}
	current := []*backend{start(), start(), start()}
	publish := func(r *rig) {
		var list []netip.AddrPort
		for _, b := range current {
			list = append(list, b.addr())
		}
		r.publish(list...)
	}
	r := newRig(t, nil)
	endless(r)
	publish(r)
	var stop atomic.Bool
	var gets, posts, lost, number atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			c := r.dial()
			for !stop.Load() {
				if got := c.get("/"); got.StatusCode != 200 {
					t.Errorf("a GET got %s", describe(got))
				}
				gets.Add(1)
			}
		})
		clients.Go(func() {
			c := r.dial()
			for !stop.Load() {
				c.send(post("hello", fmt.Sprintf("X-Number: %d", number.Add(1))))
				switch got := c.receive("POST"); got.StatusCode {
				case 200:
					posts.Add(1)
				case 502: // sent to an endpoint that was going away: must not be repeated
					lost.Add(1)
				default:
					t.Errorf("a POST got %s", describe(got))
				}
			}
		})
	}
	for i := range rounds {
		old := current[i%3]
		current[i%3] = start()
		publish(r)
		old.listener.Close()
		old.open.Range(func(c, _ any) bool { c.(io.Closer).Close(); return true })
		time.Sleep(5 * time.Millisecond)
		r.registry.Prune()
	}
	stop.Store(true)
	clients.Wait()
	t.Logf("%d GETs, %d POSTs, %d POSTs met an endpoint that closed", gets.Load(), posts.Load(), lost.Load())
	if gets.Load() < int64(rounds) || lost.Load() > int64(rounds*8) {
		t.Error("that was no load")
	}
}

func TestConnectionsAreClosedWhenTheirEndpointLeaves(t *testing.T) {
	closed := make(chan bool, 2)
	b := newBackend(t, func(p *peer, _ int) {
		always(ok("ok"))(p, 0)
		closed <- true
	})
	other := newBackend(t, always(ok("other")))
	r := newRig(t, nil, b.addr())
	r.quiet.Store(true)
	r.dial().get("/")
	eventually(t, "the connection is idle", func() bool { return r.idle() == 1 })
	r.publish(other.addr())
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the idle connection stays open")
	}
	if got := r.dial().get("/"); got.body != "other" {
		t.Errorf("got %s", describe(got))
	}
}

func TestIdleConnectionsArePruned(t *testing.T) {
	closed := make(chan bool, 1)
	b := newBackend(t, func(p *peer, _ int) {
		always(ok("ok"))(p, 0)
		closed <- true
	})
	r := newRig(t, nil, b.addr())
	limits := upstream.DefaultPoolLimits()
	limits.Timeout = 50 * time.Millisecond
	r.registry.SetPoolLimits(limits)
	f := New(Options{Registry: r.registry, Prune: 10 * time.Millisecond})
	defer f.Close()
	r.dial().get("/")
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the idle connection stays open")
	}
}

func TestHeadsThatAnnounceTheEnd(t *testing.T) {
	heads := make(chan request, 4)
	b := newBackend(t, func(p *peer, _ int) {
		for {
			req, more := p.read()
			if !more {
				return
			}
			heads <- req
			p.say(ok("ok"))
		}
	})
	for want, change := range map[string]func(*ir.Policy){
		"": func(*ir.Policy) {}, "close": func(p *ir.Policy) { p.Connection = "close" },
	} {
		newRig(t, change, b.addr()).dial().get("/")
		if got := <-heads; got.field("Connection") != want {
			t.Errorf("Connection is %q, want %q", got.field("Connection"), want)
		}
	}
}

func TestShortChunkedBodiesCanBeSentAgain(t *testing.T) {
	b := newBackend(t, func(p *peer, n int) {
		req, _ := p.read()
		if n == 1 {
			return
		}
		p.say(ok(req.body + req.field("Transfer-Encoding")))
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.send("PUT /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if got := c.receive("PUT"); got.body != "hellochunked" {
		t.Errorf("got %s after %s", describe(got), statuses(r.record()))
	}
}

func TestHTTP10NeedsALength(t *testing.T) {
	b := newBackend(t, func(p *peer, _ int) {
		if req, more := p.readHead(); more {
			body := make([]byte, 5)
			if req.field("Content-Length") != "" {
				_, _ = io.ReadFull(p.r, body)
			}
			p.say(ok(req.line()))
		}
	})
	r := newRig(t, func(p *ir.Policy) { p.HTTP10 = true }, b.addr())
	c := r.dial()
	c.send(post("hello"))
	if got := c.receive("POST"); got.body != "POST /p HTTP/1.0" {
		t.Errorf("got %s", describe(got))
	}
	c = r.dial()
	c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n" + strings.Repeat("x", 0x8000))
	if got := c.receive("POST"); got.StatusCode != 411 {
		t.Errorf("got %s", describe(got))
	}
}

func TestTargetsThatCannotBeSent(t *testing.T) {
	b := newBackend(t, always(ok("ok")))
	r := newRig(t, func(p *ir.Policy) { p.Retry.On = 1<<10 - 1 }, b.addr())
	r.see(func(x *filter.Exchange) { x.Target = "/a b HTTP/1.1\r\nX: y" })
	if got := r.dial().get("/"); got.StatusCode != 502 {
		t.Errorf("got %s", describe(got))
	}
	if rec := r.record(); statuses(rec) != "502 request cannot be sent as it is" || b.requests.Load() != 0 {
		t.Errorf("attempts %s, %d requests", statuses(rec), b.requests.Load())
	}
}

// panicking is a responder that panics while the body of the request is still coming.
type panicking struct{}

func (panicking) Respond(*filter.Exchange) (wire.Stream, error) { panic(errors.New("test")) }

func TestAPanicLeavesNothingBehind(t *testing.T) {
	b := newBackend(t, func(p *peer, _ int) {
		p.readHead()
		p.say(ok("early"))
		p.untilClosed()
	})
	r := newRig(t, nil, b.addr())
	r.quiet.Store(true)
	done := make(chan bool)
	r.server.Handler = handlerFunc(func(x *filter.Exchange) {
		defer close(done)
		r.f.Do(x, r.plan.Load(), r.upstream, panicking{})
	})
	c := r.dial()
	c.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	<-done
	for i := range r.f.watch.shards {
		if n := len(r.f.watch.shards[i].active); n != 0 {
			t.Errorf("%d flights are still in use", n)
		}
	}
	if n := r.upstream.Set().Endpoints()[0].InFlight(); n != 0 {
		t.Errorf("%d requests are still on their way", n)
	}
}

// handlerFunc is a function as an http1.Handler.
type handlerFunc func(*filter.Exchange)

func (f handlerFunc) ServeExchange(x *filter.Exchange) { f(x) }

func TestRequestsToStandardServers(t *testing.T) {
	l := newStandard(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s", r.Method, r.Host, r.RequestURI, r.Header.Get("X-Real-Ip")))
		_, _ = w.Write(body)
	}))
	r := newRig(t, nil, l)
	c := r.dial()
	for i := range 50 {
		body := strings.Repeat("x", i*500)
		c.send(post(body))
		got := c.receive("POST")
		if got.body != body || got.Header.Get("X-Seen") != "POST a.test /p 192.0.2.7" {
			t.Fatalf("%d: got %d with %d bytes, %v", i, got.StatusCode, len(got.body), got.Header)
		}
		r.record()
	}
}

// newStandard starts a net/http server.
func newStandard(t *testing.T, h http.Handler) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan bool)
	go func() { _ = s.Serve(l); close(done) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func FuzzRewriteSetCookie(f *testing.F) {
	f.Add("a=1; Domain=.Inside.local; Path=/app/x; HttpOnly")
	f.Add(";;= ;path=;PATH=/app/")
	f.Add("a; path")
	domain, _ := newRewriter("inside.local", "pub.test")
	path, _ := newRewriter("/app/", "/")
	f.Fuzz(func(t *testing.T, cookie string) {
		x := &filter.Exchange{}
		got := path.attribute(x, domain.attribute(x, cookie, "domain"), "path")
		name, _, _ := strings.Cut(cookie, ";")
		if after, _, _ := strings.Cut(got, ";"); after != name {
			t.Errorf("%q became %q: the cookie itself changed", cookie, got)
		}
		if strings.Count(got, ";") != strings.Count(cookie, ";") {
			t.Errorf("%q became %q", cookie, got)
		}
	})
}

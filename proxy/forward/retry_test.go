package forward

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// TestRetries runs one request against endpoints that behave in turn as a script says. The scripts are, for each
// try: "refused", "reset" before and "late-reset" after a piece of the head, "close", "silent", "bad", a status, or
// "200".
func TestRetries(t *testing.T) {
	const both = ir.RetryError | ir.RetryTimeout
	get, shortPost, longPost := "GET", "POST", "long POST"
	tests := map[string]struct {
		method string
		retry  ir.Retry
		script []string
		status int
		want   string // what the attempts were
	}{
		"refused, then another":           {get, ir.Retry{On: both, Tries: 3}, []string{"refused", "200"}, 200, "502 connection refused, 200"},
		"refused twice":                   {get, ir.Retry{On: both, Tries: 3}, []string{"refused", "refused", "200"}, 200, "502 connection refused, 502 connection refused, 200"},
		"refused as often as allowed":     {get, ir.Retry{On: both, Tries: 2}, []string{"refused", "refused", "200"}, 502, "502 connection refused, 502 connection refused"},
		"refused for a POST":              {shortPost, ir.Retry{On: both, Tries: 3}, []string{"refused", "200"}, 200, "502 connection refused, 200"},
		"refused for a long POST":         {longPost, ir.Retry{On: both, Tries: 3}, []string{"refused", "200"}, 200, "502 connection refused, 200"},
		"refused without permission":      {get, ir.Retry{On: ir.RetryTimeout, Tries: 3}, []string{"refused", "200"}, 502, "502 connection refused"},
		"off":                             {get, ir.Retry{}, []string{"refused", "200"}, 502, "502 connection refused"},
		"closed before an answer":         {get, ir.Retry{On: both, Tries: 3}, []string{"close", "200"}, 200, "502 connection broke before a response, 200"},
		"closed in the head":              {get, ir.Retry{On: both, Tries: 3}, []string{"late-close", "200"}, 200, "502 connection broke before a response, 200"},
		"reset before an answer":          {get, ir.Retry{On: both, Tries: 3}, []string{"reset", "200"}, 200, "502 connection broke before a response, 200"},
		"reset in the head":               {get, ir.Retry{On: both, Tries: 3}, []string{"late-reset", "200"}, 200, "502 connection broke before a response, 200"},
		"closed for a PUT":                {"PUT", ir.Retry{On: both, Tries: 3}, []string{"close", "200"}, 200, "502 connection broke before a response, 200"},
		"closed for a POST":               {shortPost, ir.Retry{On: both, Tries: 3}, []string{"close", "200"}, 502, "502 connection broke before a response"},
		"closed for a PATCH":              {"PATCH", ir.Retry{On: both, Tries: 3}, []string{"close", "200"}, 502, "502 connection broke before a response"},
		"closed for an unknown method":    {"FROB", ir.Retry{On: both, Tries: 3}, []string{"close", "200"}, 502, "502 connection broke before a response"},
		"closed for a POST, allowed":      {shortPost, ir.Retry{On: both | ir.RetryNonIdempotent, Tries: 3}, []string{"close", "200"}, 200, "502 connection broke before a response, 200"},
		"closed for a long POST, allowed": {longPost, ir.Retry{On: both | ir.RetryNonIdempotent, Tries: 3}, []string{"close", "200"}, 502, "502 connection broke before a response"},
		"silence":                         {get, ir.Retry{On: both, Tries: 2}, []string{"silent", "200"}, 200, "504 waiting for the response timed out, 200"},
		"silence without permission":      {get, ir.Retry{On: ir.RetryError, Tries: 2}, []string{"silent", "200"}, 504, "504 waiting for the response timed out"},
		"silence for a POST":              {shortPost, ir.Retry{On: both, Tries: 2}, []string{"silent", "200"}, 504, "504 waiting for the response timed out"},
		"rubbish":                         {get, ir.Retry{On: both, Tries: 2}, []string{"bad", "200"}, 502, "502 malformed response"},
		"rubbish, allowed":                {get, ir.Retry{On: ir.RetryInvalidHeader, Tries: 2}, []string{"bad", "200"}, 200, "502 malformed response, 200"},
		"503 is an answer":                {get, ir.Retry{On: both, Tries: 3}, []string{"503", "200"}, 503, "503"},
		"503, allowed":                    {get, ir.Retry{On: ir.Retry503, Tries: 3}, []string{"503", "200"}, 200, "503, 200"},
		"503 to the last":                 {get, ir.Retry{On: ir.Retry503, Tries: 2}, []string{"503", "503", "200"}, 503, "503, 503"},
		"503 for a POST":                  {shortPost, ir.Retry{On: ir.Retry503, Tries: 2}, []string{"503", "200"}, 503, "503"},
		"503 for a POST, allowed":         {shortPost, ir.Retry{On: ir.Retry503 | ir.RetryNonIdempotent, Tries: 2}, []string{"503", "200"}, 200, "503, 200"},
		"404, allowed":                    {get, ir.Retry{On: ir.Retry404, Tries: 2}, []string{"404", "200"}, 200, "404, 200"},
		"429 where 404 is allowed":        {get, ir.Retry{On: ir.Retry404, Tries: 2}, []string{"429", "200"}, 429, "429"},
		"503, then refused":               {get, ir.Retry{On: ir.Retry503 | both, Tries: 2}, []string{"503", "refused"}, 502, "503, 502 connection refused"},
		"any number of tries":             {get, ir.Retry{On: both}, []string{"refused", "refused", "refused", "200"}, 200, "502 connection refused, 502 connection refused, 502 connection refused, 200"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := make(chan string, len(tt.script))
			r := newRig(t, func(p *ir.Policy) {
				p.Retry, p.Read, p.MaxBody = tt.retry, 300*time.Millisecond, 0
			}, scripted(t, tt.script, bodies)...)
			r.serial.Store(15) // client 16 begins with the first endpoint
			c := r.dial()
			body := "small"
			if strings.HasPrefix(tt.method, "long") {
				body = strings.Repeat("x", 100_000)
			}
			method := tt.method[strings.LastIndexByte(tt.method, ' ')+1:]
			if method == "GET" {
				c.send("GET /p HTTP/1.1\r\nHost: a.test\r\n\r\n")
				body = ""
			} else {
				go func() { _, _ = io.WriteString(c, strings.Replace(post(body), "POST", method, 1)) }()
			}
			answer := c.receive(method)
			if answer.StatusCode != tt.status {
				t.Errorf("got %s, want %d", describe(answer), tt.status)
			}
			rec := r.record()
			if s := statuses(rec); s != tt.want {
				t.Errorf("attempts: %s\nwant:     %s", s, tt.want)
			}
			if tt.status == 200 {
				last := ""
				for len(bodies) > 0 {
					last = <-bodies
				}
				if last != body {
					t.Errorf("the last endpoint got a body of %d bytes, want %d", len(last), len(body))
				}
			}
		})
	}
}

// scripted starts an endpoint for each part of a script and returns their addresses in the order in which an
// upstream sorts them, which is the order of the script.
func scripted(t *testing.T, script []string, bodies chan<- string) []netip.AddrPort {
	t.Helper()
	role := make(map[netip.AddrPort]string)
	var wait sync.WaitGroup
	wait.Add(1)
	var list []*backend
	for range script {
		var b *backend
		b = newBackend(t, func(p *peer, _ int) {
			wait.Wait()
			behave(role[b.addr()], bodies)(p)
		})
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b *backend) int { return a.addr().Compare(b.addr()) })
	addrs := make([]netip.AddrPort, len(list))
	for i, b := range list {
		addrs[i] = b.addr()
		role[b.addr()] = script[i]
		if script[i] == "refused" {
			b.listener.Close()
		}
	}
	wait.Done()
	return addrs
}

// behave returns the script of an endpoint.
func behave(how string, bodies chan<- string) func(*peer) {
	return func(p *peer) {
		req, _ := p.read()
		switch how {
		case "close":
			return
		case "reset":
			p.reset()
		case "late-close":
			p.say("HTTP/1.1 200 OK\r\nX-")
		case "late-reset":
			p.say("HTTP/1.1 200 OK\r\nX-")
			time.Sleep(20 * time.Millisecond)
			p.reset()
		case "silent":
			p.untilClosed()
		case "bad":
			p.say("rubbish\r\n\r\n")
			p.untilClosed()
		default:
			bodies <- req.body
			p.say("HTTP/1.1 " + how + " X\r\nContent-Length: 0\r\n\r\n")
			p.untilClosed()
		}
	}
}

func TestRetriesTakeAnotherEndpointFirst(t *testing.T) {
	refused := closedPort(t)
	good := newBackend(t, always(ok("good")))
	r := newRig(t, nil, refused, good.addr())
	for range 20 {
		if got := r.dial().get("/"); got.StatusCode != 200 {
			t.Fatalf("got %s", describe(got))
		}
		rec := r.record()
		if n := len(rec.Attempts); n > 2 || rec.Attempts[n-1].Endpoint.AddrPort != good.addr() {
			t.Fatalf("attempts %+v", rec.Attempts)
		}
	}
}

func TestASingleEndpointIsTriedAgain(t *testing.T) {
	b := newBackend(t, func(p *peer, n int) {
		if n < 3 {
			p.read()
			return
		}
		always(ok("third"))(p, n)
	})
	r := newRig(t, nil, b.addr())
	if got := r.dial().get("/"); got.body != "third" {
		t.Errorf("got %s", describe(got))
	}
}

func TestRetriesEndWithTheirTotalTime(t *testing.T) {
	silent := newBackend(t, func(p *peer, _ int) { p.read(); p.untilClosed() })
	r := newRig(t, func(p *ir.Policy) {
		p.Read = 200 * time.Millisecond
		p.Retry = ir.Retry{On: ir.RetryTimeout, Tries: 8, Timeout: 500 * time.Millisecond}
	}, silent.addr())
	start := time.Now()
	if got := r.dial().get("/"); got.StatusCode != 504 {
		t.Errorf("got %s", describe(got))
	}
	if n := len(r.record().Attempts); n < 2 || n > 3 {
		t.Errorf("%d tries in %v, want about 3 tries of 0.2 s within 0.5 s", n, time.Since(start))
	}
}

// TestR18 closes each pooled connection exactly when the next request is written to it.
func TestR18(t *testing.T) {
	tries := 1000
	if testing.Short() {
		tries = 100
	}
	var served atomic.Int32
	b := newBackend(t, func(p *peer, _ int) {
		if _, more := p.read(); !more {
			return
		}
		served.Add(1)
		p.say(ok("ok"))
		// The next byte, the beginning of the next request, ends the connection without an answer.
		_, _ = p.r.ReadByte()
		if p.b.conns.Load()%2 == 0 {
			p.reset()
		}
	})
	t.Run("GET", func(t *testing.T) {
		r := newRig(t, nil, b.addr())
		c := r.dial()
		again := 0
		for i := range tries {
			if got := c.get("/"); got.StatusCode != 200 || got.body != "ok" {
				t.Fatalf("request %d: got %s", i, describe(got))
			}
			again += len(r.record().Attempts) - 1
		}
		if again < tries*9/10 {
			t.Errorf("only %d of %d requests met a closed connection: the test does not test", again, tries)
		}
	})
	t.Run("POST", func(t *testing.T) {
		r := newRig(t, nil, b.addr())
		c := r.dial()
		before := served.Load()
		good, bad := int32(0), 0
		for i := range tries / 10 {
			c.send(post("hello"))
			switch got := c.receive("POST"); got.StatusCode {
			case 200:
				good++
			case 502:
				bad++
			default:
				t.Fatalf("request %d: got %s", i, describe(got))
			}
			r.record()
		}
		if done := served.Load() - before; done != good || bad == 0 {
			t.Errorf("%d POSTs answered, %d refused, %d executed", good, bad, done)
		}
	})
}

func TestIdleConnectionsThatWereClosedAreNotUsed(t *testing.T) {
	closed := make(chan bool, 1)
	b := newBackend(t, func(p *peer, n int) {
		p.read()
		p.say(ok("ok"))
		if n == 1 {
			p.Close()
			closed <- true
			return
		}
		p.untilClosed()
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.send(post("1"))
	c.receive("POST")
	<-closed
	eventually(t, "the connection is in the pool", func() bool { return r.idle() == 1 })
	time.Sleep(20 * time.Millisecond) // FIN must have come; there is nothing to wait for that would tell
	c.send(post("2"))
	if got := c.receive("POST"); got.StatusCode != 200 {
		t.Errorf("a POST on a connection that was closed while idle: %s", describe(got))
	}
	r.record()
	if rec := r.record(); len(rec.Attempts) != 1 {
		t.Errorf("attempts %s", statuses(rec))
	}
}

// TestRetrySafety lets the endpoint fail at every point of an exchange and counts how often a request that must
// not be repeated was executed.
func TestRetrySafety(t *testing.T) {
	faults := []string{"before reading", "in the head", "after the head", "in the body", "after the body", "in the answer"}
	for _, fault := range faults {
		for _, method := range []string{"POST", "PATCH", "LOCK", "FROB"} {
			t.Run(fault+" "+method, func(t *testing.T) {
				t.Parallel()
				var executed atomic.Int32
				b := newBackend(t, func(p *peer, n int) {
					if fault == "before reading" {
						p.reset()
						return
					}
					part := map[string]int{"in the head": 20, "after the head": 60}[fault]
					if part > 0 {
						_, _ = io.ReadFull(p.r, make([]byte, part))
						executed.Add(1)
						p.reset()
						return
					}
					if _, more := p.readHead(); !more {
						return
					}
					executed.Add(1)
					switch fault {
					case "in the body":
						_, _ = io.ReadFull(p.r, make([]byte, 2))
					case "after the body":
						_, _ = io.ReadFull(p.r, make([]byte, 5))
					case "in the answer":
						p.say("HTTP/1.1 200 OK\r\nContent-Le")
					}
					p.reset()
				})
				r := newRig(t, func(p *ir.Policy) { p.Retry.Tries = 5 }, b.addr())
				c := r.dial()
				c.send(strings.Replace(post("hello"), "POST", method, 1))
				if got := c.receive(method); got.StatusCode != 502 {
					t.Errorf("got %s", describe(got))
				}
				if n := executed.Load(); n > 1 {
					t.Errorf("executed %d times", n)
				}
			})
		}
	}
}

func TestNoMoreAttemptsThanCanBeTold(t *testing.T) {
	var list []netip.AddrPort
	for range 12 {
		list = append(list, closedPort(t))
	}
	r := newRig(t, func(p *ir.Policy) { p.Retry.Tries = 100 }, list...)
	if got := r.dial().get("/"); got.StatusCode != 502 {
		t.Errorf("got %s", describe(got))
	}
	if n := len(r.record().Attempts); n != filter.MaxAttempts {
		t.Errorf("%d attempts, want %d", n, filter.MaxAttempts)
	}
}

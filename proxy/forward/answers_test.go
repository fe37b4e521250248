package forward

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/ir"
)

// TestWhatUpstreamsAnswer sends exact bytes from the endpoint and looks at what the client gets. After each
// case the next client must get its own answer.
func TestWhatUpstreamsAnswer(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := map[string]struct {
		method string // GET if empty
		say    string
		close  bool // the endpoint closes behind what it says
		status int
		body   string
		fields string // "name: value" lines that must be there
		not    string // text that must not be in the head
		broken bool   // the client must see that something is missing
		fresh  bool   // the connection must not be used again
		policy func(*ir.Policy)
	}{
		"R-01 a HEAD answer keeps its length": {
			method: "HEAD", say: "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n", status: 200, fields: "Content-Length: 55",
		},
		"R-02 a body behind 204": {say: "HTTP/1.1 204 No Content\r\n\r\nhello", status: 204, fresh: true},
		"R-02 a body behind 304": {say: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", status: 304, fresh: true},
		"R-05 both lengths": {
			say: "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", status: 502, fresh: true,
		},
		"R-06 two lengths":                {say: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhey", status: 502, fresh: true},
		"R-07 a bare CR in a value":       {say: "HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-07 NUL in a value":             {say: "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-10 a body cut short":           {say: "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", close: true, status: 200, broken: true, fresh: true},
		"R-10 chunks without end":         {say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", close: true, status: 200, broken: true, fresh: true},
		"R-11 no status line":             {say: "hello\r\n\r\n", status: 502, fresh: true},
		"R-11 a head above the limit":     {say: "HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-15 a status that is no number": {say: "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-15 a status below 100":         {say: "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-15 a status above 999":         {say: "HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n", status: 502, fresh: true},
		"R-16 HTTP/1.0 ends with the connection": {
			say: "HTTP/1.0 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhello", close: true, status: 200, body: "hello",
			fields: "Set-Cookie: a=1|Set-Cookie: b=2", fresh: true,
		},
		"R-17 an unknown transfer coding": {say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", status: 502, fresh: true},
		"R-12 and R-20 fields about one connection": {
			say:    "HTTP/1.1 200 OK\r\nConnection: X-Foo\r\nX-Foo: 1\r\nKeep-Alive: timeout=5\r\nX-Accel-Redirect: /x\r\nX-Accel-Buffering: no\r\nContent-Length: 2\r\n\r\nok",
			status: 200, body: "ok", not: "X-Foo|Keep-Alive|X-Accel",
		},
		"R-14 a second answer behind the first": {say: ok("first") + ok("second"), status: 200, body: "first", fresh: true},
		"the upstream wants to close":           {say: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", close: true, status: 200, body: "ok", fresh: true},
		"a chunked answer":                      {say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", status: 200, body: "abcde"},
		"nothing but the end":                   {say: "", close: true, status: 502, fresh: true},
		"half a head":                           {say: "HTTP/1.1 200 OK\r\nContent-", close: true, status: 502, fresh: true},
		"K-12 an upgrade that nobody asked for": {
			say: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + ok("smuggled"), status: 502, fresh: true,
		},
		"an endless row of interim answers": {say: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1), status: 502, fresh: true},
		"a larger limit for heads": {
			say: "HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok",
			policy: func(p *ir.Policy) { p.MaxResponseHead = 8 << 10 },
		},
		"connection-proxy-header: close": {say: ok("ok"), status: 200, body: "ok", fresh: true, policy: func(p *ir.Policy) { p.Connection = "close" }},
		"HTTP/1.0 towards the upstream":  {say: ok("ok"), status: 200, body: "ok", fresh: true, policy: func(p *ir.Policy) { p.HTTP10 = true }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			first := true
			b := newBackend(t, func(p *peer, n int) {
				for {
					req, more := p.read()
					if !more {
						return
					}
					if strings.Contains(req.line(), "/next") {
						p.say(ok("next"))
						continue
					}
					if !first {
						t.Error("the request was sent twice")
					}
					first = false
					p.say(tt.say)
					if tt.close {
						return
					}
				}
			})
			r := newRig(t, func(p *ir.Policy) {
				p.Retry.On = 0
				if tt.policy != nil {
					tt.policy(p)
				}
			}, b.addr())
			c := r.dial()
			method := tt.method
			if method == "" {
				method = "GET"
			}
			c.send(method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			got := c.receive(method)
			if got.StatusCode != tt.status || tt.status != 502 && got.body != tt.body && !tt.broken {
				t.Errorf("got %s, want %d %q", describe(got), tt.status, tt.body)
			}
			if tt.broken != (got.err != nil) {
				t.Errorf("the client sees a complete response: %v, want %v", got.err == nil, !tt.broken)
			}
			head := fmt.Sprint(got.Header)
			for _, want := range strings.Split(tt.fields, "|") {
				if name, value, ok := strings.Cut(want, ": "); ok && !strings.Contains(strings.Join(got.Header.Values(name), "|")+"|", value+"|") {
					t.Errorf("head %v lacks %q", got.Header, want)
				}
			}
			for _, not := range strings.Split(tt.not, "|") {
				if not != "" && strings.Contains(head, not) {
					t.Errorf("head %v has %q", head, not)
				}
			}
			if rec := r.record(); rec.Gone || len(rec.Attempts) != 1 || rec.Local != (tt.status == 502) {
				t.Errorf("record %+v", rec)
			}
			next := r.dial().get("/next")
			if next.StatusCode != 200 || next.body != "next" {
				t.Errorf("the next client got %s", describe(next))
			}
			if n := b.conns.Load(); (n > 1) != tt.fresh {
				t.Errorf("%d connections to the endpoint, want a new one for the next request: %v", n, tt.fresh)
			}
		})
	}
}

func TestInterimAnswersReachTheClient(t *testing.T) {
	b := newBackend(t, always("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"+strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 40)+ok("done")))
	r := newRig(t, nil, b.addr())
	t.Run("R-03", func(t *testing.T) {
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		var all strings.Builder
		buf := make([]byte, 4096)
		for !strings.Contains(all.String(), "done") {
			n, err := c.r.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				t.Fatal(err, all.String())
			}
		}
		if n := strings.Count(all.String(), "HTTP/1.1 102"); n != 40 || !strings.Contains(all.String(), "Link: </a.css>") {
			t.Errorf("%d of 40 interim answers, all: %q", n, all.String())
		}
	})
	t.Run("R-04 but not an HTTP/1.0 client", func(t *testing.T) {
		c := r.dial()
		c.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
		all, err := io.ReadAll(c.r)
		if err != nil || strings.Contains(string(all), " 103 ") || strings.Contains(string(all), " 102 ") || !strings.HasSuffix(string(all), "done") {
			t.Errorf("got %q, %v", all, err)
		}
	})
}

func TestTrailersReachTheClient(t *testing.T) {
	b := newBackend(t, always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 9\r\n\r\n"))
	r := newRig(t, nil, b.addr())
	for range 2 {
		got := r.dial().get("/")
		if got.body != "hi" || got.Trailer.Get("Grpc-Status") != "0" || got.Trailer.Get("Content-Length") != "" {
			t.Errorf("got %s with trailers %v", describe(got), got.Trailer)
		}
	}
	if b.conns.Load() != 1 {
		t.Errorf("%d connections, want one", b.conns.Load())
	}
}

func TestRewritingOfResponses(t *testing.T) {
	head := "HTTP/1.1 302 Found\r\nLocation: http://inside:8080/login?a=b\r\nRefresh: 5; url=http://inside:8080/x\r\n" +
		"Set-Cookie: a=1; Domain=.Inside.local; Path=/app/x; HttpOnly\r\nSet-Cookie: path=/app/; Path=/other\r\nContent-Length: 0\r\n\r\n"
	tests := map[string]struct {
		policy  func(*ir.Policy)
		headers map[string]string
	}{
		"nothing": {func(*ir.Policy) {}, map[string]string{
			"Location": "http://inside:8080/login?a=b", "Refresh": "5; url=http://inside:8080/x",
			"Set-Cookie": "a=1; Domain=.Inside.local; Path=/app/x; HttpOnly|path=/app/; Path=/other",
		}},
		"off and default": {func(p *ir.Policy) {
			p.RedirectFrom, p.RedirectTo, p.CookieDomain, p.CookiePath = "default", "off", "off", "off"
		}, map[string]string{
			"Location": "http://inside:8080/login?a=b",
		}},
		"a prefix": {func(p *ir.Policy) { p.RedirectFrom, p.RedirectTo = "http://inside:8080/", "https://$host/" }, map[string]string{
			"Location": "https://a.test/login?a=b", "Refresh": "5; url=https://a.test/x",
		}},
		"another prefix": {func(p *ir.Policy) { p.RedirectFrom, p.RedirectTo = "http://other/", "/" }, map[string]string{
			"Location": "http://inside:8080/login?a=b",
		}},
		"a regular expression": {func(p *ir.Policy) {
			p.RedirectFrom, p.RedirectTo = `~*^HTTP://inside:(\d+)(/.*)$`, "https://pub-$1.test$2"
		}, map[string]string{
			"Location": "https://pub-8080.test/login?a=b",
		}},
		"cookies": {func(p *ir.Policy) { p.CookieDomain, p.CookiePath = "inside.local pub.test", "/app/ /" }, map[string]string{
			"Set-Cookie": "a=1; Domain=pub.test; Path=/x; HttpOnly|path=/app/; Path=/other",
		}},
	}
	b := newBackend(t, always(head))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tt.policy, b.addr())
			got := r.dial().get("/")
			for name, want := range tt.headers {
				if v := strings.Join(got.Header.Values(name), "|"); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

func TestNoEndpointIs503(t *testing.T) {
	r := newRig(t, nil)
	if got := r.dial().get("/"); got.StatusCode != 503 || !strings.Contains(got.body, "503 Service Temporarily Unavailable") {
		t.Errorf("got %s", describe(got))
	}
	if rec := r.record(); len(rec.Attempts) != 0 || !rec.Local {
		t.Errorf("record %+v", rec)
	}
}

func TestProtocolsThatAreNotSpokenAre502(t *testing.T) {
	b := newBackend(t, always(ok("")))
	r := newRig(t, func(p *ir.Policy) { p.Protocol = ir.FCGI }, b.addr())
	if got := r.dial().get("/"); got.StatusCode != 502 {
		t.Errorf("got %s", describe(got))
	}
	if rec := r.record(); statuses(rec) != "502 protocol not supported" {
		t.Errorf("attempts %s", statuses(rec))
	}
	if b.conns.Load() != 0 {
		t.Error("the endpoint was asked")
	}
}

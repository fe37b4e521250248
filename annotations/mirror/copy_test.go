package mirror

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// shadow is a mirror on loopback that remembers what it was sent.
type shadow struct {
	*httptest.Server
	seen chan *seen
}

// seen is one request with its body.
type seen struct {
	*http.Request
	body string
}

// newShadow starts one; before, if not nil, is called before each answer.
func newShadow(t testing.TB, before func()) *shadow {
	s := &shadow{seen: make(chan *seen, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.seen <- &seen{r, string(body)}
		if before != nil {
			before()
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(s.Close)
	return s
}

// next waits for the next copy.
func (s *shadow) next(t testing.TB) *seen {
	t.Helper()
	select {
	case r := <-s.seen:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no copy came")
		return nil
	}
}

// named is the address of a shadow with a name as its host.
func (s *shadow) named() string { return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) }

// newEnv is the environment of a route at a.test.
func newEnv(t testing.TB) *filter.Env {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &filter.Env{
		State: filter.NewState(), Context: context.Background(), HTTP: transport, Copies: &filter.Copies{},
		Route: &filter.Origin{Namespace: "ns", Ingress: "ing", Host: "a.test", Path: "/"},
	}
}

// build makes the filter.
func build(t testing.TB, env *filter.Env, s Spec) *mirror {
	t.Helper()
	f, err := s.New(env)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*mirror)
}

// exchange is a request to https://a.test:8443 with fields "name: value".
func exchange(method, target string, length int64, fields ...string) *filter.Exchange {
	x := &filter.Exchange{
		Scheme: "https", ClientText: "192.0.2.1", ForwardedFor: "192.0.2.1", RequestID: "id", ForwardedHost: "a.test:8443", ForwardedPort: "443",
		Route: &filter.Origin{Namespace: "ns", Ingress: "ing", Host: "a.test", Path: "/"}, Conn: &filter.Conn{HTTPS: true},
	}
	r := &x.Request
	r.Method, r.Host, r.Authority, r.Target, r.Length = method, "a.test", "a.test:8443", target, length
	r.Path, r.Query, _ = strings.Cut(target, "?")
	r.Fields.Add("Host", "a.test:8443")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Fields.Add(name, value)
	}
	return x
}

// pass sends an exchange through the filter as the forwarder does, with the body in parts; whole says that its end comes.
func pass(t testing.TB, m *mirror, x *filter.Exchange, whole bool, parts ...string) {
	t.Helper()
	if m.Request(x) != filter.Continue || x.Local {
		t.Fatal("the mirror has answered")
	}
	if x.Tap != nil {
		for _, p := range parts {
			b := []byte(p)
			x.Tap.Tap(b, false)
			clear(b) // it is the forwarder's buffer
		}
		if whole {
			x.Tap.Tap(nil, true)
		}
	}
	m.Finish(x)
}

// settled waits until nothing is under way, and checks the counters.
func settled(t testing.TB, m *mirror, answered, failed, dropped uint64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for m.own.copies.Load()+m.all.copies.Load()+m.all.bytes.Load() != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := m.own.copies.Load(); n != 0 || m.all.copies.Load() != 0 || m.all.bytes.Load() != 0 {
		t.Errorf("%d copies of the Ingress, %d in all, %d bytes are still counted", n, m.all.copies.Load(), m.all.bytes.Load())
	}
	c := m.counts
	if a, f, d := c.Answered.Load(), c.Failed.Load(), c.Dropped.Load(); a != answered || f != failed || d != dropped {
		t.Errorf("%d answered, %d failed, %d dropped; want %d, %d, %d", a, f, d, answered, failed, dropped)
	}
}

func TestWhereCopiesGo(t *testing.T) {
	s := newShadow(t, nil)
	for name, tt := range map[string]struct {
		path, host, target string
		wantURI, wantHost  string
	}{
		"as the manual writes it":          {path: "$request_uri", wantURI: "/x%2fy?q=%20z", wantHost: "localhost"},
		"only a host":                      {wantURI: "/x%2fy?q=%20z", wantHost: "localhost"},
		"a path of its own":                {path: "/in", wantURI: "/in?q=%20z", wantHost: "localhost"},
		"a path of its own and no query":   {path: "/in", target: "/x", wantURI: "/in", wantHost: "localhost"},
		"a query of its own":               {path: "/in?a=b", wantURI: "/in?a=b", wantHost: "localhost"},
		"variables":                        {path: "/in/$request_method/$host", wantURI: "/in/POST/a.test", wantHost: "localhost"},
		"another host":                     {path: "/in", host: "mirror.test", wantURI: "/in?q=%20z", wantHost: "mirror.test"},
		"the client's host":                {path: "/in", host: "$http_host", wantURI: "/in?q=%20z", wantHost: "a.test:8443"},
		"a host that turns out to be none": {path: "/in", host: "$arg_none", wantURI: "/in?q=%20z", wantHost: "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(t, newEnv(t), Spec{Target: s.named() + tt.path, Host: tt.host})
			target := "/x%2fy?q=%20z"
			if tt.target != "" {
				target = tt.target
			}
			pass(t, m, exchange("POST", target, 0), true)
			r := s.next(t)
			if r.RequestURI != tt.wantURI || r.Host != tt.wantHost || r.Method != "POST" {
				t.Errorf("%s %s at %s", r.Method, r.RequestURI, r.Host)
			}
			settled(t, m, 1, 0, 0)
		})
	}
}

func TestACopyHasTheFieldsThatTheServiceGets(t *testing.T) {
	s := newShadow(t, nil)
	m := build(t, newEnv(t), Spec{Target: s.URL})
	x := exchange("GET", "/x?y", 0, "Accept: */*", "Cookie: a=b", "Authorization: Bearer t", "X-Two: 1", "x-two: 2", "X-User: forged", "X_User: forged",
		"X-Forwarded-For: forged", "X-Real-IP: forged", "X_Real_IP: forged", "X-Original-URI: /forged", "SSL-Client-Verify: SUCCESS", "Forwarded: for=x",
		"Connection: X-Gone, close", "X-Gone: 1", "Upgrade: websocket", "TE: trailers", "Expect: 100-continue", "Proxy-Authorization: x", "Keep-Alive: x",
		"If-None-Match: x", "Range: bytes=0-1", "Accept-Encoding: br", "X-Quiet: 1")
	x.Override("X-User", "anna")
	x.Override("X-Quiet", "")
	x.Override("ssl-client-verify", "NONE")
	x.Override("Host", "elsewhere.test")
	pass(t, m, x, true)
	want := http.Header{
		"Accept": {"*/*"}, "Cookie": {"a=b"}, "Authorization": {"Bearer t"}, "X-Two": {"1", "2"}, "X-User": {"anna"}, "If-None-Match": {"x"},
		"Range": {"bytes=0-1"}, "Accept-Encoding": {"br"}, "Ssl-Client-Verify": {"NONE"}, "X-Request-Id": {"id"}, "X-Real-Ip": {"192.0.2.1"},
		"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"a.test:8443"}, "X-Forwarded-Port": {"443"}, "X-Forwarded-Proto": {"https"},
		"X-Forwarded-Scheme": {"https"}, "X-Scheme": {"https"}, "X-Original-Uri": {"/x?y"},
	}
	if diff := cmp.Diff(want, s.next(t).Header); diff != "" {
		t.Error(diff)
	}
	settled(t, m, 1, 0, 0)
}

func TestBodies(t *testing.T) {
	s := newShadow(t, nil)
	long := strings.Repeat("x", maxBody)
	for name, tt := range map[string]struct {
		length  int64
		parts   []string
		cut     bool // the end does not come
		without bool
		want    string // "dropped" for no copy
	}{
		"of known length":                        {length: 5, parts: []string{"he", "llo"}, want: "hello"},
		"of unknown length":                      {length: wire.Unknown, parts: []string{"he", "", "llo"}, want: "hello"},
		"empty, of unknown length":               {length: wire.Unknown},
		"as long as can be":                      {length: wire.Unknown, parts: []string{long[:1000], long[1000:]}, want: long},
		"too long":                               {length: wire.Unknown, parts: []string{long, "x"}, want: "dropped"},
		"too long, and says so":                  {length: maxBody + 1, want: "dropped"},
		"not whole":                              {length: 10, parts: []string{"hello"}, cut: true, want: "dropped"},
		"never read":                             {length: 10, cut: true, want: "dropped"},
		"left out":                               {length: 5, parts: []string{"hello"}, without: true},
		"left out, which needs no room":          {length: maxBody + 1, parts: []string{long, "x"}, without: true},
		"left out, and goes when the first part": {length: 10, parts: []string{"he"}, cut: true, without: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(t, newEnv(t), Spec{Target: s.URL, WithoutBody: tt.without})
			pass(t, m, exchange("POST", "/", tt.length, "Content-Length: 5", "Content-Type: text/plain"), !tt.cut, tt.parts...)
			if tt.want == "dropped" {
				settled(t, m, 0, 0, 1)
				return
			}
			r := s.next(t)
			if r.body != tt.want || r.ContentLength != int64(len(tt.want)) || len(r.TransferEncoding) > 0 || r.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("body of %d bytes, length %d, coding %v", len(r.body), r.ContentLength, r.TransferEncoding)
			}
			settled(t, m, 1, 0, 0)
		})
	}
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	release := make(chan struct{})
	s := newShadow(t, func() { <-release })
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	env := newEnv(t)
	m := build(t, env, Spec{Target: s.URL})
	for range maxOwn + 7 {
		pass(t, m, exchange("GET", "/", 0), true)
	}
	if n := m.own.copies.Load(); n != maxOwn {
		t.Errorf("%d copies are under way, want %d", n, maxOwn)
	}
	again := build(t, env, Spec{Target: s.URL, Host: "other"})
	pass(t, again, exchange("GET", "/", 0), true) // the same Ingress in a newer table
	env.Route = &filter.Origin{Namespace: "ns", Ingress: "other", Host: "a.test", Path: "/"}
	other := build(t, env, Spec{Target: s.URL})
	pass(t, other, exchange("GET", "/", 0), true)
	other.all.copies.Add(maxAll)
	pass(t, other, exchange("GET", "/", 0), true)
	other.all.copies.Add(-maxAll)
	other.all.bytes.Add(maxKept)
	pass(t, other, exchange("POST", "/", 1), true, "x")
	other.all.bytes.Add(-maxKept)
	free()
	settled(t, m, maxOwn+1, 0, 7+1+2)
}

func TestAMirrorThatCannotBeReachedIsCounted(t *testing.T) {
	s := newShadow(t, nil)
	s.Close()
	m := build(t, newEnv(t), Spec{Target: s.URL})
	pass(t, m, exchange("POST", "/", 5), true, "hello")
	settled(t, m, 0, 1, 0)

	m = build(t, newEnv(t), Spec{Target: "http://$host/"})
	x := exchange("GET", "/", 0)
	x.Request.Host, x.Request.Authority = "", ""
	pass(t, m, x, true)
	settled(t, m, 0, 1, 0)
}

func TestWhereAnybodyCouldNameTheHostNothingIsSent(t *testing.T) {
	for name, change := range map[string]func(*filter.Env){
		"a rule for any host":  func(e *filter.Env) { e.Route = &filter.Origin{Path: "/"} },
		"nothing to send with": func(e *filter.Env) { e.HTTP = nil },
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			change(env)
			f, err := Spec{Target: "http://$host/"}.New(env)
			if err != nil {
				t.Fatal(err)
			}
			x := exchange("GET", "/", 0)
			if f.Request(x) != filter.Continue || x.Tap != nil || env.Copies.Dropped.Load() != 1 {
				t.Errorf("tap %v, %d dropped", x.Tap, env.Copies.Dropped.Load())
			}
		})
	}
}

func TestAnErrorPageEndsNoCopyTwice(t *testing.T) {
	s := newShadow(t, nil)
	m := build(t, newEnv(t), Spec{Target: s.URL})
	x := exchange("POST", "/", 2)
	m.Request(x)
	x.Tap.Tap([]byte("ab"), true)
	x.Tap.Tap(nil, true)
	m.Finish(x)
	m.Finish(x)
	s.next(t)
	settled(t, m, 1, 0, 0)
}

// BenchmarkCopy is what a request pays for its copy before it goes on to its Service, less the sending.
func BenchmarkCopy(b *testing.B) {
	m := build(b, newEnv(b), Spec{Target: "http://127.0.0.1:1$request_uri"})
	x := exchange("POST", "/x?y=z", 1000, "Accept: */*", "Cookie: a=b", "User-Agent: test", "Authorization: Bearer t", "Content-Type: text/plain")
	part := make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		m.Request(x)
		x.Tap.Tap(part, false)
		m.Finish(x)
		x.Arena.Reset()
	}
}

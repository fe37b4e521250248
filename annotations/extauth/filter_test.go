package extauth

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// service is an authorization service on loopback that answers as a test wants and remembers what it was asked.
type service struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	mu     sync.Mutex
	asked  []*http.Request
}

// serve starts a service that answers with a handler.
func serve(t testing.TB, answer http.HandlerFunc) *service {
	s := &service{}
	s.answer.Store(&answer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// last returns the last request, and how many there were.
func (s *service) last(t testing.TB) (*http.Request, int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		t.Fatal("the service was not asked")
	}
	return s.asked[len(s.asked)-1], len(s.asked)
}

// status answers with a status and nothing else.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// newEnv is the environment of a route at a.test.
func newEnv(t testing.TB) *filter.Env {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &filter.Env{
		State: filter.NewState(), Context: context.Background(), HTTP: transport,
		Route: &filter.Origin{Namespace: "ns", Ingress: "ing", Host: "a.test", Path: "/"},
	}
}

// build makes the filter.
func build(t testing.TB, env *filter.Env, s Spec) *guard {
	t.Helper()
	if s.SignInParam == "" {
		s.SignInParam = "rd"
	}
	f, err := s.New(env)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*guard)
}

// run sends an exchange through a filter, and returns the status it was answered with, or 0 if it went on.
func run(f filter.Filter, x *filter.Exchange) int {
	if f.Request(x) == filter.Continue {
		return 0
	}
	return x.Response.Status
}

func TestVerdicts(t *testing.T) {
	for code, want := range map[int]int{
		200: 0, 201: 0, 202: 0, 204: 0, 206: 0, 299: 0,
		300: 500, 301: 500, 302: 500, 304: 500, 400: 500, 401: 401, 402: 500, 403: 403, 404: 500, 407: 500, 429: 500, 500: 500, 503: 500, 599: 500,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("WWW-Authenticate", `Bearer realm="x"`)
			w.Header().Add("WWW-Authenticate", "Negotiate")
			w.WriteHeader(code)
			fmt.Fprint(w, "body of the service")
		})
		x := exchange("GET", "/x")
		if got := run(build(t, newEnv(t), Spec{URL: s.URL}), x); got != want {
			t.Errorf("%d: %d, want %d", code, got, want)
		}
		if _, n := s.last(t); n != 1 {
			t.Errorf("%d: asked %d times", code, n)
		}
		var challenges []string
		for _, f := range x.Response.Fields.All() {
			if f.ID == wire.WWWAuthenticate {
				challenges = append(challenges, f.Value)
			}
		}
		if want == 401 && !slices.Equal(challenges, []string{`Bearer realm="x"`, "Negotiate"}) || want != 401 && challenges != nil {
			t.Errorf("%d: WWW-Authenticate %q", code, challenges)
		}
		if want != 0 && (strings.Contains(x.Body, "service") || !strings.Contains(x.Body, "<center>nginx</center>")) {
			t.Errorf("%d: body %q", code, x.Body)
		}
	}
}

// TestServicesThatDoNotAnswerClose has all ways of not answering.
func TestServicesThatDoNotAnswerClose(t *testing.T) {
	raw := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				buf := make([]byte, 4096)
				c.Read(buf)
				io.WriteString(c, answer)
				c.Close()
			}
		}()
		return "http://" + l.Addr().String()
	}
	closed := serve(t, status(200))
	closed.Close()
	for name, url := range map[string]string{
		"refused":                  closed.URL,
		"closed without a word":    raw(""),
		"not HTTP":                 raw("hello\r\n\r\n"),
		"half a head":              raw("HTTP/1.1 200 OK\r\nX: y\r\n"),
		"a status that is none":    raw("HTTP/1.1 2000 OK\r\n\r\n"),
		"another protocol":         raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
		"a field that is none":     raw("HTTP/1.1 200 OK\r\n: y\r\n\r\n"),
		"very long fields":         raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", maxFields) + "\r\n\r\n"),
		"a name that has no host":  "http://nonexistent.invalid/",
		"a host with a bad port":   "http://127.0.0.1:1/",
		"TLS where there is none":  strings.Replace(serve(t, status(200)).URL, "http:", "https:", 1),
		"a target that cannot be":  serve(t, status(200)).URL + "$request_uri",
		"a body that never begins": raw("HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			x := exchange("GET", "/")
			if name == "a target that cannot be" {
				x.Request.Target = "//%zz"
			}
			if got := run(build(t, newEnv(t), Spec{URL: url}), x); got != 500 {
				t.Errorf("%d, want 500", got)
			}
		})
	}
}

func TestSlowServicesAreGivenUp(t *testing.T) {
	stop := make(chan bool)
	defer close(stop)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	env := newEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	env.Context = ctx
	f := build(t, env, Spec{URL: s.URL})
	done := make(chan int)
	go func() { done <- run(f, exchange("GET", "/")) }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.asked)
		s.mu.Unlock()
		if n > 0 || time.Now().After(deadline) {
			break
		}
	}
	cancel() // the proxy stops
	if got := <-done; got != 500 {
		t.Errorf("%d, want 500", got)
	}
}

// TestEndlessBodiesAreNotRead has a service that says yes and then does not stop talking.
func TestEndlessBodiesAreNotRead(t *testing.T) {
	var written atomic.Int64
	for name, pause := range map[string]time.Duration{"fast": 0, "slow": 20 * time.Millisecond} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			piece := make([]byte, 4096)
			if pause > 0 {
				piece = piece[:1]
			}
			for r.Context().Err() == nil {
				n, err := w.Write(piece)
				if err != nil {
					return
				}
				written.Add(int64(n))
				w.(http.Flusher).Flush()
				time.Sleep(pause)
			}
		})
		start := time.Now()
		if got := run(build(t, newEnv(t), Spec{URL: s.URL}), exchange("GET", "/")); got != 0 {
			t.Errorf("%s: %d, want to go on", name, got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		s.CloseClientConnections()
	}
}

// TestOnRulesForAnyHostTheHostIsNotTheClients guards against clients that name a service of their own: they only had to write it
// into Host.
func TestOnRulesForAnyHostTheHostIsNotTheClients(t *testing.T) {
	env := newEnv(t)
	env.Route.Host = ""
	for url, ok := range map[string]bool{"http://auth.test/$host": true, "http://$host/": false, "http://x.${http_host}/": false} {
		if _, err := (Spec{URL: url}).New(env); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-User", "anna")
		w.Header().Add("X-Groups", "a")
		w.Header().Add("X-Groups", "b")
		w.Header().Set("Authorization", "Bearer new")
		w.Header().Set("X-Other", "x")
	})
	names := []string{"X-User", "x-groups", "X-Email", "Authorization"}
	env := newEnv(t)
	clearer, err := Clear{Names: names}.New(env)
	if err != nil {
		t.Fatal(err)
	}
	x := exchange("GET", "/")
	for _, f := range [][2]string{{"X-User", "admin"}, {"x-user", "admin"}, {"X-EMAIL", "admin@a.test"}, {"Authorization", "Bearer old"}} {
		x.Request.Fields.Add(f[0], f[1])
	}
	clearer.Request(x)
	if got := run(build(t, env, Spec{URL: s.URL, ResponseHeaders: names}), x); got != 0 {
		t.Fatalf("%d, want to go on", got)
	}
	got := map[string]string{}
	for _, f := range x.Overrides.All() {
		got[strings.ToLower(f.Name)] += "=" + f.Value
	}
	want := map[string]string{"x-user": "=anna", "x-groups": "=a, b", "x-email": "=", "authorization": "=Bearer new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r, _ := s.last(t); r.Header.Get("Authorization") != "Bearer old" {
		t.Error("the service does not see the client's Authorization")
	}
}

// TestClientsCannotSpeakForTheService covers `satisfy: any`, where the service is not asked at all.
func TestClientsCannotSpeakForTheService(t *testing.T) {
	env := newEnv(t)
	for path, want := range map[string][]string{"/": {"X-User", "Authorization"}, "/open/x": {"X-User"}} {
		env.Route.Path = path
		f, err := Clear{Names: []string{"X-User", "Authorization"}, Except: "/open"}.New(env)
		if err != nil {
			t.Fatal(err)
		}
		x := exchange("GET", "/")
		if got := run(f, x); got != 0 {
			t.Errorf("%d, want to go on", got)
		}
		var got []string
		for _, f := range x.Overrides.All() {
			if got = append(got, f.Name); f.Value != "" {
				t.Errorf("%s is set to %q", f.Name, f.Value)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: cleared %q, want %q", path, got, want)
		}
	}
	if (Clear{}).Phase() >= (Spec{}).Phase() {
		t.Error("it runs too late")
	}
}

func TestExceptedPathsAreOpenButSatisfyNobody(t *testing.T) {
	s := serve(t, status(403))
	env := newEnv(t)
	env.Route.Path = acme + "/token"
	f, err := Spec{URL: s.URL, Except: acme}.New(env)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.(filter.AccessFilter); ok || run(f, exchange("GET", "/")) != 0 {
		t.Errorf("%T", f)
	}
}

func TestSignInRedirects(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.Header().Add("Set-Cookie", "csrf=1")
		w.WriteHeader(401)
	})
	f := build(t, newEnv(t), Spec{URL: s.URL, SignIn: "https://login.test/start"})
	x := exchange("GET", "/x")
	if got := run(f, x); got != 302 {
		t.Fatalf("%d, want 302", got)
	}
	f.Response(x)
	fields := &x.Response.Fields
	if got := fields.Value(wire.Location); got != "https://login.test/start?rd=https://a.test:8443%2Fx" {
		t.Errorf("Location: %s", got)
	}
	if fields.Has(wire.WWWAuthenticate) || fields.Value(wire.SetCookie) != "csrf=1" {
		t.Errorf("fields %v", fields.All())
	}
	denied := status(403)
	s.answer.Store(&denied)
	if got := run(f, exchange("GET", "/x")); got != 403 {
		t.Errorf("%d, want 403: only 401 is a reason to sign in", got)
	}
}

func TestCookies(t *testing.T) {
	for _, c := range []struct {
		service, final int
		always, want   bool
	}{
		{200, 200, false, true}, {200, 201, false, true}, {200, 302, false, true}, {200, 304, false, true}, {200, 308, false, true},
		{200, 404, false, false}, {200, 500, false, false}, {200, 202, false, false},
		{200, 404, true, true}, {200, 500, true, true},
		{401, 401, false, false}, {403, 403, false, false}, {500, 500, false, false},
		{401, 401, true, true}, {403, 403, true, true}, {500, 500, true, true},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", "_oauth2_proxy_0=a; Path=/")
			w.Header().Add("Set-Cookie", "_oauth2_proxy_1=b; Path=/")
			w.WriteHeader(c.service)
		})
		f := build(t, newEnv(t), Spec{URL: s.URL, AlwaysSetCookie: c.always})
		x := exchange("GET", "/")
		if run(f, x) == 0 {
			x.Response.Status = c.final // what the upstream answers
			x.Response.Fields.Add("Set-Cookie", "app=1")
		}
		if x.Response.Status != c.final {
			t.Fatalf("%+v: %d", c, x.Response.Status)
		}
		f.Response(x)
		n := 0
		for _, field := range x.Response.Fields.All() {
			if field.ID == wire.SetCookie && strings.HasPrefix(field.Value, "_oauth2_proxy_") {
				n++
			}
		}
		if want := map[bool]int{true: 2}[c.want]; n != want {
			t.Errorf("%+v: %d cookies, want %d", c, n, want)
		}
	}
	x := exchange("GET", "/")
	x.AuthCookies = append(x.AuthCookies, "a=b")
	if x.Reset(); len(x.AuthCookies) != 0 {
		t.Error("cookies reach the next exchange")
	}
}

func TestNothingToSendWith(t *testing.T) {
	env := newEnv(t)
	env.HTTP = nil
	if f, err := (Spec{URL: "http://auth.test/"}).New(env); err == nil {
		t.Errorf("built %T", f)
	}
	for _, s := range []Spec{{URL: ""}, {URL: "http://$http_x/"}, {URL: "http://a.test/$nonsense"}, {URL: "http://a.test/", SignIn: "$"}} {
		if f, err := s.New(newEnv(t)); err == nil {
			t.Errorf("%v: built %T", s, f)
		}
	}
}

// TestConcurrentRequestsDoNotMix runs exchanges whose memory is used again at once, as the engine does.
func TestConcurrentRequestsDoNotMix(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-User", r.Header.Get("X-Who"))
		if r.Header.Get("X-Original-URL") != "https://a.test:8443/"+r.Header.Get("X-Who") {
			w.WriteHeader(403)
		}
	})
	f := build(t, newEnv(t), Spec{URL: s.URL, ResponseHeaders: []string{"X-User"}, CacheKey: "$http_x_who", CacheTimes: []CacheTime{{200, time.Millisecond}}})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			buf := make([]byte, 0, 64)
			x := new(filter.Exchange)
			for i := range 50 {
				who := fmt.Sprintf("%d-%d", g, i%10)
				buf = append(buf[:0], "/"+who...)
				x.Reset()
				y := exchange("GET", "/")
				x.Scheme, x.Start, x.Route = y.Scheme, y.Start, y.Route
				x.Request.Method, x.Request.Host, x.Request.Authority = "GET", "a.test", "a.test:8443"
				x.Request.Target = wire.View(buf)
				x.Request.Fields.Add("X-Who", x.Request.Target[1:])
				if got := run(f, x); got != 0 {
					t.Errorf("%s: %d", who, got)
				}
				if got, _ := x.Overrides.Find("X-User"); got != who {
					t.Errorf("%s is taken for %s", who, got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkAsk(b *testing.B) {
	s := httptest.NewServer(status(204))
	defer s.Close()
	env := newEnv(b)
	for name, spec := range map[string]Spec{
		"asked":      {URL: s.URL, SignInParam: "rd"},
		"remembered": {URL: s.URL, SignInParam: "rd", CacheKey: "$remote_addr", CacheTimes: []CacheTime{{204, time.Hour}}},
	} {
		b.Run(name, func(b *testing.B) {
			f := build(b, env, spec)
			x := exchange("GET", "/")
			x.Request.Fields.Add("Authorization", "Bearer x")
			b.ReportAllocs()
			for b.Loop() {
				x.Arena.Reset()
				x.Overrides.Reset()
				if f.Request(x) != filter.Continue {
					b.Fatal(x.Response.Status)
				}
			}
		})
	}
}

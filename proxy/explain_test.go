package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/access"
	"github.com/yettproxy/yett/annotations/basicauth"
	"github.com/yettproxy/yett/annotations/rewrite"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// serviceKey is the upstream of a Service of the tests.
func serviceKey(service string) upstream.Key {
	return upstream.Key{Namespace: "default", Service: service, Port: "80"}
}

// explainedConfig has something of everything that can happen to a request before it is forwarded.
func explainedConfig() *ir.Config {
	at := func(path string, change func(*ir.Route)) ir.Route {
		r := ir.Route{
			Path: path, Origin: filter.Origin{Namespace: "default", Ingress: "i", Path: path},
			Backend: ir.Backend{Upstream: serviceKey("main")}, Policy: ir.DefaultPolicy(),
		}
		if change != nil {
			change(&r)
		}
		return r
	}
	with := func(filters ...filter.Spec) func(*ir.Route) { return func(r *ir.Route) { r.Filters = filters } }
	loopback, elsewhere := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	basic := basicauth.Spec{Realm: "r", Secret: "default/users", Users: "alice:{PLAIN}x"}
	settings := ir.DefaultSettings()
	settings.Block.UserAgents = []string{"bad"}
	settings.Headers.Request = []ir.NameValue{{Name: "X-Set", Value: "$host"}}
	cfg := &ir.Config{Settings: settings, Hosts: []ir.VirtualHost{
		{Name: "a.test", Routes: []ir.Route{
			at("/", nil),
			at("/exact", func(r *ir.Route) { r.Type, r.Backend.Upstream = ir.Exact, serviceKey("other") }),
			at("/dir/", nil),
			at("/denied", func(r *ir.Route) { r.Deny, r.DenyReason = 503, "cannot be guarded" }),
			at("/open", with(access.Spec{Allow: loopback})),
			at("/closed", with(access.Spec{Allow: elsewhere})),
			at("/login", with(basic)),
			at("/either", func(r *ir.Route) {
				r.SatisfyAny, r.Filters = true, []filter.Spec{basic, access.Spec{Allow: loopback}, rewrite.Spec{Target: "/rewritten", Prefix: "/p"}}
			}),
			at("/neither", func(r *ir.Route) { r.SatisfyAny, r.Filters = true, []filter.Spec{basic, access.Spec{Allow: elsewhere}} }),
			at("/nowhere", func(r *ir.Route) { r.Backend = ir.Backend{Missing: 404} }),
			at("/down", func(r *ir.Route) { r.Backend.Upstream = serviceKey("down") }),
			at("/spare", func(r *ir.Route) { r.Backend.Upstream, r.Backend.Default = serviceKey("down"), serviceKey("other") }),
			at("/canary", func(r *ir.Route) {
				r.Backend.Canary = &ir.Canary{Upstream: serviceKey("other"), Header: "X-Canary", Cookie: "c", Total: 100}
			}),
			at("/all", func(r *ir.Route) {
				r.Backend.Canary = &ir.Canary{Upstream: serviceKey("other"), Weight: 100, Total: 100}
			}),
			at("/host", func(r *ir.Route) { r.Policy.Host = "inside.test" }),
		}},
		{Name: "*.test", Aliases: []string{"alias.example"}, Routes: []ir.Route{at("/wild", nil)}},
		{Name: "re.test", Regex: true, Routes: []ir.Route{at("/api/(.*)", with(rewrite.Spec{Target: "/v1/$1"})), at("/api", func(r *ir.Route) { r.Literal = true })}},
		{Name: "moved.test", RedirectHost: "a.test", RedirectCode: 308},
		{Name: "root.test", AppRoot: "/app", Routes: []ir.Route{at("/", nil)}},
		{Name: "shut.test", Deny: 403, Routes: []ir.Route{at("/", nil)}},
		{Name: "", Routes: []ir.Route{at("/any", nil)}},
	}}
	for _, s := range []string{"main", "other", "down"} {
		cfg.Upstreams = append(cfg.Upstreams, ir.Upstream{Key: serviceKey(s)})
	}
	return cfg
}

// tellingBackend answers with its name and the head that it got, a line a field.
func tellingBackend(t *testing.T, name string) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s\n%s %s\nHost: %s\n", name, r.Method, r.RequestURI, r.Host)
		for field, values := range r.Header {
			for _, v := range values {
				fmt.Fprintf(w, "%s: %s\n", field, v)
			}
		}
	})}}
	s.Start()
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(l.Addr().String())
}

// TestExplanationsAgreeWithWhatIsServed sends requests through a gate and asks a rehearsal of the same configuration about them.
func TestExplanationsAgreeWithWhatIsServed(t *testing.T) {
	for name, change := range map[string]func(*ir.Settings){
		"nobody is believed": func(*ir.Settings) {},
		"everybody is believed": func(s *ir.Settings) {
			s.Trust.UseForwardedHeaders, s.Trust.ComputeFull = true, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := explainedConfig()
			change(&cfg.Settings)
			p, err := New(Options{HTTP: []string{"127.0.0.1:0"}, HealthPath: "/healthz"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Drain(t.Context(), 0) })
			r, err := NewRehearsal(200, "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			for _, s := range []string{"main", "other"} {
				spec := []upstream.Spec{{Address: upstream.Address{AddrPort: tellingBackend(t, serviceKey(s).String())}}}
				p.Registry().Upstream(serviceKey(s)).Publish(spec)
				r.Proxy().Registry().Upstream(serviceKey(s)).Publish(spec)
			}
			if problems := append(p.Apply(cfg), r.Proxy().Apply(cfg)...); len(problems) > 0 {
				t.Fatal(problems)
			}
			p.Start()
			plain, _ := p.Addresses()
			address := netip.MustParseAddrPort(plain[0].String())
			kinds := map[string]int{}
			for _, head := range explainedRequests() {
				kinds[agreeOn(t, r, address, head)]++
			}
			if len(kinds) < 12 {
				t.Errorf("only %d kinds of answers were met: %v", len(kinds), kinds)
			}
		})
	}
}

// explainedRequests are the heads that are sent: all paths to all hosts, with one field each time.
func explainedRequests() (heads []string) {
	fields := []string{
		"Accept: */*", "User-Agent: bad", "X-Canary: always", "X-Canary: never", "Cookie: c=always", "Authorization: Basic YWxpY2U6eA==",
		"Authorization: Basic YWxpY2U6eQ==", "X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.test", "Connection: X-A\r\nX-A: 1",
	}
	paths := []string{
		"/", "/exact", "/exact/x", "/dir", "/dir?q", "/dir/x", "/denied/x", "/open", "/closed", "/login", "/either", "/neither", "/nowhere", "/down",
		"/spare", "/canary", "/all", "/host", "//open/../exact", "/wild", "/wilder", "/API/users?a=b", "/api", "/healthz", "/any", "/%00", "/a b",
	}
	for _, host := range []string{"a.test", "A.test:8080", "x.test", "alias.example", "re.test", "moved.test", "root.test", "shut.test", "nobody.example", "bad host"} {
		for _, path := range paths {
			for i, field := range fields {
				if i > 0 && host != "a.test" && path != "/" {
					continue
				}
				heads = append(heads, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nX-Request-ID: id\r\n"+field+"\r\n\r\n")
			}
		}
	}
	return append(heads, "BREW / HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: id\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

// agreeOn sends a request and asks about it. It returns what kind of answer that was.
func agreeOn(t *testing.T, r *Rehearsal, gate netip.AddrPort, head string) string {
	t.Helper()
	e, err := r.Explain(Call{Head: []byte(head), From: gate.Addr(), Port: gate.Port()})
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	c, err := net.DialTimeout("tcp", gate.String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if e.Upstream == "" {
		if e.Status != res.StatusCode {
			t.Errorf("%q: explained as %d, is %d\n%+v", head, e.Status, res.StatusCode, e.Steps)
		}
		for _, f := range e.Fields {
			if name, value, _ := strings.Cut(f, ": "); res.Header.Get(name) != value {
				t.Errorf("%q: explained with %s, has %q", head, f, res.Header.Get(name))
			}
		}
		return fmt.Sprint(e.Status, e.Steps[len(e.Steps)-1].Topic)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if lines[0] != e.Upstream {
		t.Errorf("%q: explained as going to %s, went to %s", head, e.Upstream, lines[0])
	}
	got, want := lines[1:], slices.Clone(e.Head)
	for i := range want[2:] {
		name, value, _ := strings.Cut(want[i+2], ": ")
		want[i+2] = http.CanonicalHeaderKey(name) + ": " + value
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q: explained as\n%s\nthe Service got\n%s", head, strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	return e.Upstream + fmt.Sprint(e.Canary)
}

// TestAnExplanationSaysWhatFiltersDo checks the words of steps that no other test looks at.
func TestAnExplanationSaysWhatFiltersDo(t *testing.T) {
	r, err := NewRehearsal(401, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Proxy().Registry().Upstream(serviceKey("main")).Publish([]upstream.Spec{{Address: upstream.Address{AddrPort: netip.MustParseAddrPort("192.0.2.9:80")}}})
	if problems := r.Proxy().Apply(explainedConfig()); len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ path, topic, text, note string }{
		{"/either", "filter", "access: any of: ", `basic-auth(realm "r", users of default/users) by itself: answers 401`},
		{"/either", "filter", "rewrite: ", "the Service is asked for /rewritten"},
		{"/either", "filter", "rewrite: ", "the Service gets X-Forwarded-Prefix: /p"},
		{"/down", "upstream", "Service default/down port 80, 0 endpoints", "no endpoint: 503"},
		{"/denied", "gate", "503: the route cannot be served as its Ingress asks: cannot be guarded", ""},
		{"/canary", "canary", "not taken: it or the main Service has no endpoint", "rules, in order: X-Canary: always|never, cookie c: always|never, 0 of 100"},
		{"/exact", "route", "Exact /exact of Ingress default/i", "not Prefix / of Ingress default/i: covers the path, but Exact /exact is the path itself, and Exact"},
	} {
		e, err := r.Explain(Call{Head: []byte("GET " + tt.path + " HTTP/1.1\r\nHost: a.test\r\n\r\n"), From: netip.MustParseAddr("127.0.0.1"), Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(e.Steps, func(s Step) bool {
			return s.Topic == tt.topic && strings.HasPrefix(s.Text, tt.text) && (tt.note == "" || slices.Contains(s.Notes, tt.note))
		}) {
			t.Errorf("%s: no step %s %q with the note %q in\n%+v", tt.path, tt.topic, tt.text, tt.note, e.Steps)
		}
	}
}

// TestAHeadWithoutAnEndIsNotExplained checks that nobody waits for the rest of a question.
func TestAHeadWithoutAnEndIsNotExplained(t *testing.T) {
	r, err := NewRehearsal(200, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, head := range []string{"", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\n"} {
		if e, err := r.Explain(Call{Head: []byte(head), From: netip.MustParseAddr("127.0.0.1"), Port: 80}); err == nil {
			t.Errorf("%q: explained as %+v", head, e)
		}
	}
}

package forward

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// exchange returns an exchange whose request has these fields.
func exchange(fields ...string) *filter.Exchange {
	x := &filter.Exchange{
		Conn: &filter.Conn{Serial: 1}, ClientText: "192.0.2.7", Scheme: "https", ForwardedFor: "192.0.2.7",
		ForwardedHost: "a.test", ForwardedPort: "443", RequestID: "id",
	}
	x.Request.Method, x.Request.Target, x.Request.Authority = "GET", "/a?b=%zz;c", "A.test:8443"
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Request.Fields.Add(name, value)
	}
	return x
}

// composed returns the head that an upstream would see, a line a field.
func composed(x *filter.Exchange, p *Plan) []string {
	s := newFlight(nil, nil)
	s.x, s.plan = x, p
	s.compose()
	list := []string{s.request.Method + " " + s.request.Target, "Host: " + s.request.Authority}
	for _, f := range s.request.Fields.All() {
		list = append(list, f.Name+": "+f.Value)
	}
	return list
}

// ours is what is added to every request of exchange.
var ours = []string{
	"X-Request-ID: id", "X-Real-IP: 192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: a.test",
	"X-Forwarded-Port: 443", "X-Forwarded-Proto: https", "X-Forwarded-Scheme: https", "X-Scheme: https",
}

func TestHeadForUpstreams(t *testing.T) {
	plain := &Plan{Policy: &ir.Policy{}}
	tests := map[string]struct {
		fields []string
		plan   *Plan
		change func(*filter.Exchange)
		want   []string // behind method, target and host, before ours
		more   []string // behind ours
		host   string
		target string
	}{
		"fields keep their order, case and repetition": {
			fields: []string{"user-agent: x", "X-A: 1", "x-b: 2", "X-A: 3", "Cookie: a=b", "Authorization: Basic x"},
			want:   []string{"user-agent: x", "X-A: 1", "x-b: 2", "X-A: 3", "Cookie: a=b", "Authorization: Basic x"},
		},
		"K-02 fields about the connection are not for the upstream": {
			fields: []string{"Host: A.test:8443", "Connection: keep-alive", "Keep-Alive: 5", "Proxy-Connection: x", "Proxy-Authorization: x", "TE: trailers",
				"Trailer: X", "Upgrade: foo", "HTTP2-Settings: x", "Transfer-Encoding: chunked", "Content-Length: 5", "Expect: 100-continue", "X-A: 1"},
			want: []string{"X-A: 1"},
		},
		"K-01 what Connection names goes, ours and the credentials stay": {
			fields: []string{"Connection: X-Foo, x-real-ip, X-Forwarded-For, authorization, host, content-length", "connection: close, COOKIE,X-Bar",
				"X-Foo: 1", "x-bar: 1", "X-Baz: 1", "Authorization: a", "Cookie: c"},
			want: []string{"X-Baz: 1", "Authorization: a", "Cookie: c"},
		},
		"K-13 and S-D1 what only proxies may say is replaced": {
			fields: []string{"X-Real-IP: 6.6.6.6", "x-forwarded-port: 6", "X-Forwarded-Prefix: /6", "X-Forwarded-Proto: 6", "X-Forwarded-Scheme: 6", "X-Scheme: 6",
				"X-Original-URI: /6", "X-Original-URL: /6", "X-Rewrite-URL: /6", "X-Envoy-Original-Path: /6", "Proxy: 6", "X-Request-ID: 6",
				"X-Original-Forwarded-For: 6", "X-Original-Forwarded-Host: 6", "Forwarded: for=6", "X-Forwarded-Server: 6"},
		},
		"S-D6 results of client certificate checks": {
			fields: []string{"ssl-client-cert: x", "SSL-Client-Verify: SUCCESS", "ssl-client-subject-dn: CN=x", "ssl-client: kept"},
			want:   []string{"ssl-client: kept"},
		},
		"what the client said about itself is told under another name": {
			fields: []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7", "X-Forwarded-Host: six"},
			more:   []string{"X-Original-Forwarded-For: 6.6.6.6, 7.7.7.7", "X-Original-Forwarded-Host: six"},
		},
		"forwarded-for-header": {
			fields: []string{"CF-Connecting-IP: 6.6.6.6"}, plan: &Plan{Policy: plain.Policy, forwardedFor: "CF-Connecting-IP"},
			want: []string{"CF-Connecting-IP: 6.6.6.6"}, more: []string{"X-Original-Forwarded-For: 6.6.6.6"},
		},
		"trusted peers may use Forwarded": {
			fields: []string{"Forwarded: for=6", "X-Forwarded-Server: 6"}, plan: &Plan{Policy: plain.Policy, keepForwarded: true},
			want: []string{"Forwarded: for=6", "X-Forwarded-Server: 6"},
		},
		"proxy-add-original-uri-header": {
			plan: &Plan{Policy: plain.Policy, originalURI: true}, change: func(x *filter.Exchange) { x.Target = "/new" },
			more: []string{"X-Original-URI: /a?b=%zz;c"}, target: "/new",
		},
		"overrides replace, remove and add": {
			fields: []string{"x-user: mallory", "X-User: eve", "Authorization: secret", "X-Keep: 1"},
			change: func(x *filter.Exchange) {
				x.Override("X-User", "alice")
				x.Override("Authorization", "")
				x.Override("X-New", "1")
			},
			want: []string{"X-Keep: 1"}, more: []string{"X-User: alice", "X-New: 1"},
		},
		"with underscores a field still does not pass for ours": {
			fields: []string{"X_Real_IP: 6", "x_forwarded-for: 6", "X_USER: root", "X-User: root", "ssl_client_verify: SUCCESS", "Content_Length: 5", "X_Own: 1", "_: 1"},
			change: func(x *filter.Exchange) { x.Override("X-User", "") },
			want:   []string{"X_Own: 1", "_: 1"},
		},
		"upstream-vhost": {change: func(x *filter.Exchange) { x.UpstreamHost = "inner.test" }, host: "inner.test"},
		"B-05 no host":   {change: func(x *filter.Exchange) { x.Request.Authority = "" }, host: "_"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := exchange(tt.fields...)
			if tt.change != nil {
				tt.change(x)
			}
			plan := tt.plan
			if plan == nil {
				plan = plain
			}
			host, target := tt.host, tt.target
			if host == "" {
				host = "A.test:8443"
			}
			if target == "" {
				target = "/a?b=%zz;c"
			}
			want := append([]string{"GET " + target, "Host: " + host}, tt.want...)
			want = append(append(want, ours...), tt.more...)
			if diff := cmp.Diff(want, composed(x, plan)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOverridesOfOurFieldsWin(t *testing.T) {
	x := exchange()
	x.Override("X-Forwarded-Proto", "http")
	x.Override("X-Request-ID", "")
	x.Override("X-Forwarded-Prefix", "/app")
	got := strings.Join(composed(x, &Plan{Policy: &ir.Policy{}}), "\n")
	if strings.Contains(got, "X-Forwarded-Proto: https") || !strings.Contains(got, "X-Forwarded-Proto: http") ||
		strings.Contains(got, "X-Request-ID") || !strings.Contains(got, "X-Forwarded-Prefix: /app") {
		t.Errorf("got\n%s", got)
	}
}

// TestHeadIsAFunctionOfThePolicy: whatever a client sends, each of our fields is there once with our value, and
// nothing hop-by-hop is.
func TestHeadIsAFunctionOfThePolicy(t *testing.T) {
	names := []string{"X-Real-IP", "x-forwarded-for", "X-FORWARDED-PROTO", "X-Scheme", "Connection", "connection", "TE", "Keep-Alive",
		"X-A", "x-a", "Cookie", "Authorization", "Expect", "Upgrade", "Transfer-Encoding", "Proxy", "Forwarded", "ssl-client-verify", "X-Secret"}
	values := []string{"", "x-real-ip", "close", "X-Forwarded-Proto, x-scheme, X-A", "6.6.6.6", "keep-alive, x-secret", "authorization, cookie"}
	plan := &Plan{Policy: &ir.Policy{}}
	rapid.Check(t, func(rt *rapid.T) {
		var fields []string
		for range rapid.IntRange(0, 30).Draw(rt, "fields") {
			fields = append(fields, rapid.SampledFrom(names).Draw(rt, "name")+": "+rapid.SampledFrom(values).Draw(rt, "value"))
		}
		x := exchange(fields...)
		x.Override("X-Secret", "ours")
		got := composed(x, plan)
		all := "\n" + strings.Join(got, "\n") + "\n"
		for _, line := range append(append([]string{}, ours...), "X-Secret: ours") {
			name, _, _ := strings.Cut(line, ":")
			if n := strings.Count(strings.ToLower(all), "\n"+strings.ToLower(name)+":"); n != 1 || !strings.Contains(all, "\n"+line+"\n") {
				rt.Fatalf("%q is there %d times in %q", line, n, got)
			}
		}
		for _, f := range []string{"connection", "te", "keep-alive", "expect", "upgrade", "transfer-encoding", "proxy", "forwarded", "ssl-client-verify"} {
			if strings.Contains(strings.ToLower(all), "\n"+f+":") {
				rt.Fatalf("%q is in %q", f, got)
			}
		}
		count := func(name string) (n int) {
			for _, f := range fields {
				if strings.HasPrefix(f, name+": ") {
					n++
				}
			}
			return n
		}
		if n := strings.Count(all, "\nCookie: "); n != count("Cookie") {
			rt.Fatalf("%d cookies of %d in %q", n, count("Cookie"), got)
		}
	})
}

func TestComposeDoesNotAllocate(t *testing.T) {
	x := exchange("Host: A.test:8443", "User-Agent: x", "Accept: */*", "Connection: keep-alive, X-Foo", "X-Foo: 1", "X-Forwarded-For: 6.6.6.6",
		"Cookie: "+strings.Repeat("x", 200))
	x.Override("X-User", "alice")
	plan := &Plan{Policy: &ir.Policy{}}
	s := newFlight(nil, nil)
	n := testing.AllocsPerRun(100, func() {
		s.request.Reset()
		s.x, s.plan = x, plan
		s.compose()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCompose(b *testing.B) {
	x := exchange("Host: A.test:8443", "User-Agent: x", "Accept: */*", "Accept-Encoding: gzip", "Cookie: a=b")
	plan := &Plan{Policy: &ir.Policy{}}
	s := newFlight(nil, nil)
	s.x, s.plan = x, plan
	b.ReportAllocs()
	for b.Loop() {
		s.request.Reset()
		s.compose()
	}
}

// TestRoutesThatShareAConnectionSayWhatEachWants: what connection-proxy-header and proxy-http-version ask for does not depend on
// which route made the connection that was idle.
func TestRoutesThatShareAConnectionSayWhatEachWants(t *testing.T) {
	saw := make(chan string, 1)
	b := newBackend(t, func(p *peer, n int) {
		for {
			req, more := p.read()
			if !more {
				return
			}
			saw <- strings.TrimPrefix(req.line(), "GET / ") + " " + req.field("Connection")
			p.say(ok("ok"))
		}
	})
	r := newRig(t, nil, b.addr())
	steps := []struct {
		name, want string
		change     func(*ir.Policy)
	}{
		{"nothing asked for, on a new connection", "HTTP/1.1 ", func(p *ir.Policy) {}},
		{"keep-alive", "HTTP/1.1 keep-alive", func(p *ir.Policy) { p.Connection = "keep-alive" }},
		{"nothing asked for", "HTTP/1.1 ", func(p *ir.Policy) {}},
		{"close", "HTTP/1.1 close", func(p *ir.Policy) { p.Connection = "close" }},
		{"keep-alive on a new connection", "HTTP/1.1 keep-alive", func(p *ir.Policy) { p.Connection = "keep-alive" }},
		{"HTTP/1.0", "HTTP/1.0 close", func(p *ir.Policy) { p.HTTP10 = true }},
	}
	for _, step := range steps {
		policy := ir.DefaultPolicy()
		step.change(&policy)
		r.compile(Spec{Policy: &policy, Main: &ir.Upstream{Key: key}})
		if got := r.dial().get("/"); got.StatusCode != 200 {
			t.Fatalf("%s: %s", step.name, describe(got))
		}
		if got := <-saw; got != step.want {
			t.Errorf("%s: the endpoint saw %q, want %q", step.name, got, step.want)
		}
	}
	if n := b.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2: otherwise nothing was shared", n)
	}
}

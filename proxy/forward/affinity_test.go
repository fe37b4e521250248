package forward

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// named starts n endpoints that answer with their number.
func named(t *testing.T, n int) (list []netip.AddrPort) {
	t.Helper()
	for i := range n {
		list = append(list, newBackend(t, always(ok(string(rune('a'+i))))).addr())
	}
	return list
}

// sticky returns a rig with affinity.
func sticky(t *testing.T, a ir.Affinity, endpoints ...netip.AddrPort) *rig {
	t.Helper()
	r := newRig(t, nil, endpoints...)
	r.quiet.Store(true)
	if a.Name == "" {
		a.Name = "INGRESSCOOKIE"
	}
	r.affinity(a)
	return r
}

// affinity changes the affinity of a rig.
func (r *rig) affinity(a ir.Affinity) {
	u := &ir.Upstream{Key: key, Balance: ir.Balance{Affinity: a}}
	r.upstream.Configure(UpstreamOptions(&u.Balance))
	r.compile(Spec{Policy: &r.policy, Main: u})
}

// cookie returns name and value of the cookie that an answer sets.
func cookie(a answer) string {
	value, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return value
}

func TestAffinityKeepsClients(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		r := sticky(t, ir.Affinity{Persistent: persistent}, named(t, 4)...)
		for range 8 {
			first := r.dial().get("/")
			if !regexp.MustCompile(`^INGRESSCOOKIE=[0-9a-f]{16}\|[0-9a-f]{16}$`).MatchString(cookie(first)) {
				t.Fatalf("cookie %q", first.Header.Get("Set-Cookie"))
			}
			for range 4 {
				again := r.dial().get("/", "Cookie: x=y; "+cookie(first)+"; z=1")
				if again.body != first.body || len(again.Header.Values("Set-Cookie")) != 0 {
					t.Errorf("persistent %v: client of %s went to %s, new cookie %q", persistent, first.body, again.body, cookie(again))
				}
			}
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	const value = "INGRESSCOOKIE=K"
	safari := "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Safari/605.1.15"
	tests := map[string]struct {
		affinity ir.Affinity
		agent    string
		https    bool
		want     string
	}{
		"the least":              {ir.Affinity{}, "", false, value + "; Path=/app; HttpOnly"},
		"over https":             {ir.Affinity{}, "", true, value + "; Path=/app; Secure; HttpOnly"},
		"always secure":          {ir.Affinity{Secure: true}, "", false, value + "; Path=/app; Secure; HttpOnly"},
		"everything":             {ir.Affinity{Path: "/p", Domain: "a.test", MaxAge: "60", SameSite: "strict"}, "", false, value + "; Max-Age=60; Domain=a.test; Path=/p; HttpOnly; SameSite=Strict"},
		"SameSite None":          {ir.Affinity{SameSite: "None", ConditionalNone: true}, "curl/8", false, value + "; Path=/app; HttpOnly; SameSite=None"},
		"a browser that cannot":  {ir.Affinity{SameSite: "None", ConditionalNone: true}, safari, false, value + "; Path=/app; HttpOnly"},
		"partitioned":            {ir.Affinity{Partitioned: true, SameSite: "None"}, "", true, value + "; Path=/app; Secure; HttpOnly; SameSite=None; Partitioned"},
		"partitioned, not https": {ir.Affinity{Partitioned: true}, "", false, value + "; Path=/app; HttpOnly"},
		"but told to":            {ir.Affinity{SameSite: "None"}, safari, false, value + "; Path=/app; HttpOnly; SameSite=None"},
		"a SameSite of nobody":   {ir.Affinity{SameSite: "odd"}, "", false, value + "; Path=/app; HttpOnly"},
		"an age of nobody":       {ir.Affinity{MaxAge: "1; Domain=evil", Expires: "x"}, "", false, value + "; Path=/app; HttpOnly"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.affinity.Name = "INGRESSCOOKIE"
			a := newAffinity(&tt.affinity, &filter.Origin{Path: "/app"})
			x := exchange("User-Agent: " + tt.agent)
			x.Scheme = map[bool]string{true: "https", false: "http"}[tt.https]
			u := upstream.NewRegistry().Upstream(key)
			c := upstream.Choice{NewKey: true, Key: 42}
			a.issue(x, u, &c)
			got := x.ResponseAdd.At(0)
			want := strings.Replace(tt.want, "K", upstream.Cookie{Key: 42, Owner: key.Hash()}.String(), 1)
			want = strings.Replace(want, "INGRESSCOO"+upstream.Cookie{Key: 42, Owner: key.Hash()}.String()+"IE=K", "INGRESSCOOKIE="+upstream.Cookie{Key: 42, Owner: key.Hash()}.String(), 1)
			if got.Value != want || got.Name != "Set-Cookie" {
				t.Errorf("got  %s: %s\nwant Set-Cookie: %s", got.Name, got.Value, want)
			}
		})
	}
	t.Run("Expires", func(t *testing.T) {
		a := newAffinity(&ir.Affinity{Name: "c", Expires: "3600"}, &filter.Origin{Path: "/"})
		x := exchange()
		a.issue(x, upstream.NewRegistry().Upstream(key), &upstream.Choice{NewKey: true})
		if v := x.ResponseAdd.At(0).Value; !regexp.MustCompile(`; Expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; Path=/; `).MatchString(v) {
			t.Errorf("got %q", v)
		}
	})
}

func TestCookiesThatAreNotOurs(t *testing.T) {
	r := sticky(t, ir.Affinity{}, named(t, 3)...)
	foreign := upstream.Cookie{Key: 1, Owner: upstream.Key{Namespace: "ns", Service: "other", Port: "80"}.Hash()}.String()
	mine := upstream.Cookie{Key: 1, Owner: key.Hash()}.String()
	tests := map[string]struct {
		cookie string
		fresh  bool
	}{
		"ours":                         {"INGRESSCOOKIE=" + mine, false},
		"in another case":              {"ingresscookie=" + mine, false},
		"another Service's":            {"INGRESSCOOKIE=" + foreign, true},
		"another Service's, then ours": {"INGRESSCOOKIE=" + foreign + "; INGRESSCOOKIE=" + mine, false},
		"S-F17 an address":             {"INGRESSCOOKIE=10.0.0.1:22", true},
		"S-F17 tampered with":          {"INGRESSCOOKIE=" + mine[:len(mine)-1] + "z", true},
		"S-F17 long":                   {"INGRESSCOOKIE=" + strings.Repeat("a", 4000), true},
		"of another name":              {"MYINGRESSCOOKIE=" + mine, true},
		"ingress-nginx's own":          {"INGRESSCOOKIE=1700000000.123.31.456789|ab12", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := r.dial().get("/", "Cookie: "+tt.cookie); (cookie(got) != "") != tt.fresh || got.StatusCode != 200 {
				t.Errorf("got %s, new cookie %q, want one: %v", describe(got), cookie(got), tt.fresh)
			}
		})
	}
}

func TestOnlyLocationsThatAskedHandOutCookies(t *testing.T) {
	r := sticky(t, ir.Affinity{Locations: "ns/a,ns/main"}, named(t, 3)...)
	first := r.dial().get("/")
	if cookie(first) == "" {
		t.Fatal("a location that asked gets no cookie")
	}
	u := &ir.Upstream{Key: key, Balance: ir.Balance{Affinity: ir.Affinity{Name: "INGRESSCOOKIE", Locations: "ns/a,ns/b"}}}
	r.compile(Spec{Policy: &r.policy, Main: u})
	if got := r.dial().get("/"); cookie(got) != "" {
		t.Errorf("another location of the Service gets a cookie: %q", cookie(got))
	}
	for range 6 {
		if got := r.dial().get("/", "Cookie: "+cookie(first)); got.body != first.body {
			t.Errorf("but follows it to %s instead of %s", got.body, first.body)
		}
	}
}

func TestAffinityAndFailures(t *testing.T) {
	for _, change := range []bool{false, true} {
		good, bad := newBackend(t, always(ok("good"))), closedPort(t)
		r := sticky(t, ir.Affinity{Persistent: true, ChangeOnFailure: change}, bad)
		r.quiet.Store(false)
		// The cookie of a client whose endpoint does not answer.
		c := upstream.Choice{Sticky: upstream.Persistent}
		r.upstream.Pick(&c)
		lost := "INGRESSCOOKIE=" + upstream.Cookie{Key: c.Key, Owner: key.Hash()}.String()
		r.publish(bad, good.addr())
		got := r.dial().get("/", "Cookie: "+lost)
		rec := r.record()
		switch {
		case change && (got.body != "good" || cookie(got) == "" || cookie(got) == lost):
			t.Errorf("change-on-failure: got %s with cookie %q, want another endpoint and its cookie", describe(got), cookie(got))
		case !change && (got.StatusCode != 502 || len(rec.Attempts) != 3 || cookie(got) != ""):
			t.Errorf("got %s after %s, want three tries of the same endpoint", describe(got), statuses(rec))
		}
	}
}

func TestCanaryTakesOverTheAffinityOfItsMain(t *testing.T) {
	f := New(Options{})
	defer f.Close()
	policy := ir.DefaultPolicy()
	canaryKey := upstream.Key{Namespace: "ns", Service: "canary", Port: "80"}
	for _, legacy := range []bool{false, true} {
		p, err := f.Compile(Spec{
			Origin: &filter.Origin{}, Policy: &policy,
			Main:   &ir.Upstream{Key: key, Balance: ir.Balance{Affinity: ir.Affinity{Name: "c"}}},
			Canary: &ir.Upstream{Key: canaryKey, Balance: ir.Balance{Affinity: ir.Affinity{Legacy: legacy}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if has := p.target(canaryKey).affinity != nil; has == legacy {
			t.Errorf("legacy %v: the canary has affinity: %v", legacy, has)
		}
	}
}

func TestHashBy(t *testing.T) {
	r := newRig(t, nil, named(t, 5)...)
	r.quiet.Store(true)
	u := &ir.Upstream{Key: key, Balance: ir.Balance{Algorithm: upstream.Hash, HashBy: "$arg_user$request_method"}}
	r.upstream.Configure(UpstreamOptions(&u.Balance))
	r.compile(Spec{Policy: &r.policy, Main: u})
	seen := map[string]bool{}
	for _, user := range strings.Fields("ann bob cid dan eve fay gil hal ida jon kim lou may") {
		first := r.dial().get("/?user=" + user)
		seen[first.body] = true
		for range 3 {
			if again := r.dial().get("/x?user=" + user); again.body != first.body {
				t.Errorf("%s went to %s and %s", user, first.body, again.body)
			}
		}
	}
	if len(seen) < 3 {
		t.Errorf("13 users reached %d of 5 endpoints", len(seen))
	}
}

func TestCookiePath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/b/": "/a/b/", "/a(/|$)(.*)": "/a(/|$)(.*)", "/a;Domain=evil.test/x": "/", "/a/b;c": "/a/", "/a/\r\nX: y": "/a/", "/a b": "/", "/x/ä/y": "/x/",
	} {
		if got := cookiePath(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

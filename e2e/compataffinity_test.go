package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// four are the addresses of a Service with four endpoints.
var four = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}

// addressOf returns the endpoint that answers.
func (s *stage) addressOf(host, target string, fields ...string) string {
	s.t.Helper()
	r := s.get(host, target, fields...)
	if r.Seen == nil {
		s.t.Fatalf("GET %s %s %q: %s", host, target, fields, r)
	}
	return r.Seen.Address
}

// TestCompatAffinityCookie is nginx-compat section 3.11: the cookie, and where it leads.
func TestCompatAffinityCookie(t *testing.T) {
	s := newStage(t)
	n := 0
	sticky := func(name string, paths []string, notes ...string) {
		n++
		s.serve(name, echo(name), four...)
		for i := range paths {
			paths[i] += " Prefix " + name
		}
		s.add(ing{name: name, host: name + ".test", paths: paths, notes: append([]string{"affinity: cookie"}, notes...), age: 100 - n}.String())
	}
	sticky("plain", []string{"/", "/sub"})
	sticky("full", []string{"/"}, "session-cookie-name: route", "session-cookie-path: /app", "session-cookie-domain: full.test", "session-cookie-expires: 3600", "session-cookie-max-age: 7200", "session-cookie-samesite: strict", "session-cookie-secure: true")
	sticky("none", []string{"/"}, "session-cookie-samesite: None", "session-cookie-conditional-samesite-none: true")
	sticky("persistent", []string{"/"}, "affinity-mode: persistent")
	sticky("over", []string{"/"}, "upstream-hash-by: $arg_k", "load-balance: ewma")
	sticky("badname", []string{"/"}, "session-cookie-name: a;b", "affinity-mode: wild")
	s.serve("noaff", echo("noaff"), four...)
	s.add(ing{name: "notcookie", host: "notcookie.test", paths: []string{"/ Prefix noaff"}, notes: []string{"affinity: ip"}}.String(),
		ing{name: "other", host: "other.test", paths: []string{"/ Prefix plain"}}.String())
	s.start()
	r := s.get("plain.test", "/sub/x")
	pair, attributes, _ := strings.Cut(r.cookie("INGRESSCOOKIE"), "; ")
	if attributes != "Path=/sub; HttpOnly" || strings.Count(pair, "|") != 1 {
		t.Fatalf("cookie %q", r.Header["Set-Cookie"])
	}
	home := r.Seen.Address
	for range 8 {
		r := s.get("plain.test", "/", "Cookie: x=y; "+pair)
		if r.Seen.Address != home || r.cookie("INGRESSCOOKIE") != "" {
			t.Errorf("with the cookie: %s, sets %q; want %s and none", r.Seen.Address, r.cookie("INGRESSCOOKIE"), home)
		}
	}
	other := 0
	for range 12 {
		r := s.get("plain.test", "/", "Cookie: INGRESSCOOKIE=1700000000.1.2.3|0123456789abcdef0123456789abcdef")
		if r.cookie("INGRESSCOOKIE") == "" {
			t.Error("a cookie of nobody is kept")
		}
		if r.Seen.Address != home {
			other++
		}
	}
	if other == 0 {
		t.Error("clients with a cookie of nobody all get the same endpoint")
	}
	if r := s.get("other.test", "/"); r.cookie("INGRESSCOOKIE") != "" {
		t.Errorf("another Ingress of the Service hands out %q", r.cookie("INGRESSCOOKIE"))
	}
	if got := s.addressOf("other.test", "/", "Cookie: "+pair); got != home {
		t.Errorf("another Ingress of the Service does not follow the cookie: %s, want %s", got, home)
	}
	c := s.get("full.test", "/app").cookie("route")
	for _, part := range []string{"; Max-Age=7200", "; Domain=full.test", "; Path=/app", "; Secure", "; HttpOnly", "; SameSite=Strict"} {
		if !strings.Contains(c, part) {
			t.Errorf("cookie %q lacks %q", c, part)
		}
	}
	_, expires, _ := strings.Cut(c, "Expires=")
	expires, _, _ = strings.Cut(expires, ";")
	if at, err := time.Parse("Mon, 02-Jan-06 15:04:05 GMT", expires); err != nil || time.Until(at) < 50*time.Minute || time.Until(at) > time.Hour {
		t.Errorf("cookie %q expires %v, %v", c, at, err)
	}
	if c := s.get("none.test", "/").cookie("INGRESSCOOKIE"); !strings.HasSuffix(c, "; SameSite=None") {
		t.Errorf("cookie %q", c)
	}
	if c := s.get("none.test", "/", "User-Agent: Mozilla/5.0 Chrome/51.0").cookie("INGRESSCOOKIE"); strings.Contains(c, "SameSite") {
		t.Errorf("cookie for an old browser %q", c)
	}
	if r := s.get("notcookie.test", "/"); r.Status != 200 || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("affinity: ip: %s %v", r, r.Header)
	}
	if c := s.get("badname.test", "/").cookie("INGRESSCOOKIE"); c == "" {
		t.Error("a bad session-cookie-name does not fall back")
	}
	// The cookie goes before upstream-hash-by.
	first := s.get("over.test", "/?k=1")
	pair, _, _ = strings.Cut(first.cookie("INGRESSCOOKIE"), ";")
	for i := range 8 {
		if got := s.addressOf("over.test", fmt.Sprintf("/?k=%d", i), "Cookie: "+pair); got != first.Seen.Address {
			t.Errorf("upstream-hash-by goes before the cookie")
		}
	}
	s.logged("default/badname", "session-cookie-name")
	s.logged("default/notcookie", "affinity")
}

// TestCompatAffinityFollowsEndpoints takes endpoints away and brings them back.
func TestCompatAffinityFollowsEndpoints(t *testing.T) {
	s := newStage(t)
	port := serveOn(t, echo("e"), four)
	for _, mode := range []string{"balanced", "persistent"} {
		s.add(ing{name: mode, host: mode + ".test", paths: []string{"/ Prefix " + mode}, notes: []string{"affinity: cookie", "affinity-mode: " + mode}}.String())
		s.edit(mode, endpoints(mode, port, four...))
	}
	s.start()
	for _, mode := range []string{"balanced", "persistent"} {
		host := mode + ".test"
		r := s.get(host, "/")
		pair, _, _ := strings.Cut(r.cookie("INGRESSCOOKIE"), ";")
		home := strings.TrimSuffix(r.Seen.Address, fmt.Sprintf(":%d", port))
		var rest []string
		for _, a := range four {
			if a != home {
				rest = append(rest, a)
			}
		}
		s.edit(mode, endpoints(mode, port, rest...))
		var moved *reply
		harness.Until(t, 5*time.Second, "the endpoint gone", func() bool {
			moved = s.get(host, "/", "Cookie: "+pair)
			return moved.Seen != nil && !strings.HasPrefix(moved.Seen.Address, home+":")
		})
		next, _, _ := strings.Cut(moved.cookie("INGRESSCOOKIE"), ";")
		if mode == "persistent" && next == "" {
			t.Errorf("%s: the client that had to move gets no cookie", mode)
		}
		if next == "" {
			next = pair
		}
		for range 6 {
			if got := s.addressOf(host, "/", "Cookie: "+next); got != moved.Seen.Address {
				t.Errorf("%s: moved to %s, then to %s", mode, moved.Seen.Address, got)
			}
		}
	}
}

// TestCompatHashBy sends requests with the same text to the same endpoint.
func TestCompatHashBy(t *testing.T) {
	s := newStage(t)
	s.serve("hash", echo("hash"), four...)
	s.serve("subset", echo("subset"), four...)
	s.serve("robin", echo("robin"), four...)
	s.serve("ewma", echo("ewma"), four...)
	s.add(ing{name: "hash", host: "hash.test", paths: []string{"/ Prefix hash"}, notes: []string{"upstream-hash-by: $request_uri-$http_x_user"}}.String(),
		ing{name: "subset", host: "subset.test", paths: []string{"/ Prefix subset"}, notes: []string{"upstream-hash-by: $arg_u", "upstream-hash-by-subset: true", "upstream-hash-by-subset-size: 2"}}.String(),
		ing{name: "robin", host: "robin.test", paths: []string{"/ Prefix robin"}}.String(),
		ing{name: "ewma", host: "ewma.test", paths: []string{"/ Prefix ewma"}, notes: []string{"load-balance: ewma"}}.String())
	s.start()
	used := map[string]bool{}
	for i := range 100 { // ports, and so places on the ring, are drawn: with 24 an endpoint went without now and then
		target := fmt.Sprintf("/%d", i)
		home := s.addressOf("hash.test", target)
		used[home] = true
		for range 3 {
			if got := s.addressOf("hash.test", target); got != home {
				t.Errorf("%s: %s, then %s", target, home, got)
			}
		}
	}
	if len(used) != 4 {
		t.Errorf("100 texts use %d of 4 endpoints", len(used))
	}
	for u := range 6 {
		used := map[string]bool{}
		for range 16 {
			used[s.addressOf("subset.test", fmt.Sprintf("/?u=%d", u))] = true
		}
		if len(used) != 2 {
			t.Errorf("subset %d has %d endpoints, want 2", u, len(used))
		}
	}
	count := map[string]int{}
	for range 40 {
		count[s.addressOf("robin.test", "/")]++
	}
	for a, n := range count {
		if len(count) != 4 || n != 10 {
			t.Errorf("round_robin: %s got %d of 40", a, n)
		}
	}
	clear(count)
	for range 40 {
		count[s.addressOf("ewma.test", "/")]++
	}
	if len(count) < 2 {
		t.Errorf("ewma: all to %v", count)
	}
}

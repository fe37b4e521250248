package e2e

import (
	"fmt"
	"net"
	"net/url"
	pathpkg "path"
	"strings"
	"testing"
	"time"
)

// disguises are requests for /admin, or near it, in the ways that have got past other proxies.
var disguises = []string{
	"/admin", "/admin/", "/admin/x", "/public/../admin", "/./admin", "//admin", "///admin//x", "/%61dmin", "/%61%64%6d%69%6e", "/x/%2e%2e/admin", "/x/..%2fadmin", "/x%2f..%2fadmin", "/x/.%2e/admin", "/x/%2E./admin", "/admin%2f..%2fadmin", "/admin%2fx", "/%2fadmin", "/%2Fadmin/x",
	"/;/admin", "/..;/admin", "/admin;x=1", "/admin/.;/", "/admin%3bx", "/admin%20", "/admin%09", "/admin%0a", "/admin%0d%0a", "/admin%23", "/admin%3f", "/admin?", "/admin?x", "/ADMIN", "/Admin", "/x%5c..%5cadmin", "/x/%5c../admin", "/x\\..\\admin", "\\admin", "/\\admin", "/admin\\x", "/admin\\..\\x",
	"/%c0%ae%c0%ae/admin", "/%252e%252e/admin", "/%2561dmin", "/admin%252fx", "/%25%36%31dmin", "/%2e/admin", "/x/../x/../admin", "/x/./../admin", "/admin/.", "/admin/./x", "/admin/../admin", "/admin/x/..", "/admin/x/%2e%2e", "/public/..//admin", "/public//../admin", "/public/%2e%2e%2fadmin", "/public%2f%2e%2e%2fadmin",
	"/admin..", "/admin.", "/.admin", "/xadmin", "/adminx", "/admin-x", "/admin%2dx", "/admin+x", "/admin:80", "/admin,", "/%EF%BC%8Fadmin", "/%u0061dmin", "/admin%", "/admin%0", "/admin%00", "/admin%zz", "/%2e%2e/admin", "/../admin", "/x/../../admin", "/%2e%2e/../admin", "admin", "./admin", "*", "http://guard.test/admin", "http://guard.test//admin", "HTTP://GUARD.TEST:80/admin", "http://guard.test/x/..%2fadmin", "https://guard.test/admin", "http://other.test/admin", "http://guard.test", "http:///admin", "ftp://guard.test/admin", "/http://guard.test/admin", "/admin#x", "/#/../admin",
}

// models are how backends read a target, by name: what they would take for its path.
var models = map[string]func(raw string) string{
	"raw": func(raw string) string { return raw },
	"RFC 3986": func(raw string) string { // encoded slashes stay what they are
		p, err := url.PathUnescape(strings.NewReplacer("%2f", "%252f", "%2F", "%252F").Replace(raw))
		if err != nil {
			return ""
		}
		return clean(p)
	},
	"nginx": func(raw string) string {
		p, err := url.PathUnescape(raw)
		if err != nil {
			return ""
		}
		return clean(p)
	},
}

// clean resolves dot segments and merges slashes; a slash at the end stays.
func clean(p string) string {
	if tail := strings.TrimRight(p, "/"); tail != p || strings.HasSuffix(tail, "/.") || strings.HasSuffix(tail, "/..") {
		return strings.TrimSuffix(pathpkg.Clean(p), "/") + "/"
	}
	return pathpkg.Clean(p)
}

// TestAttackGuardedPathsInDisguise sends them all, in three kinds of hosts. Whatever would be /admin to a backend must have
// come through the location of /admin, which has a backend of its own.
func TestAttackGuardedPathsInDisguise(t *testing.T) {
	s := newStage(t)
	s.echo("open", "guard")
	s.add(secret("users", "auth: alice:{PLAIN}secret"))
	lists := "denylist-source-range: 127.0.0.1"
	kinds := map[string]string{"prefix": "/admin Prefix guard", "exact": "/admin Exact guard", "regex": "/admin ImplementationSpecific guard", "anchored": "/admin(/.*)?$ ImplementationSpecific guard"}
	for kind, rule := range kinds {
		notes := []string{lists}
		if kind == "regex" || kind == "anchored" {
			notes = append(notes, "use-regex: true")
		}
		s.add(ing{name: kind, host: kind + ".test", paths: []string{"/ Prefix open"}, age: 2}.String(),
			ing{name: kind + "-guard", host: kind + ".test", paths: []string{rule}, notes: notes}.String())
	}
	s.start()
	for kind := range kinds {
		host := kind + ".test"
		for _, d := range disguises {
			d = strings.ReplaceAll(d, "guard.test", host)
			d = strings.ReplaceAll(d, "GUARD.TEST", strings.ToUpper(host))
			r := s.get(host, d)
			switch r.Status {
			case 400, 403, 404, 421, 301:
				continue
			case 200:
			default:
				t.Errorf("%s %q: %s", kind, d, r)
				continue
			}
			if r.Seen == nil || r.Seen.Service != "open" {
				t.Fatalf("%s %q: %v reached", kind, d, r.Seen)
			}
			raw, _, _ := strings.Cut(r.Seen.URI, "?")
			for name, read := range models {
				p := read(raw)
				if p == "/admin" || kind != "exact" && strings.HasPrefix(p, "/admin/") {
					t.Errorf("%s %q went to the open Service as %q, which is %q to a backend that reads %s", kind, d, raw, p, name)
				}
			}
		}
		// What must be refused, and what must not.
		for target, want := range map[string]string{"/admin": "403", "/%61dmin": "403", "//admin": "403", "/x/..%2fadmin": "403", "/xadmin": "open /xadmin", "/x": "open /x", "/admin%00": "400", "/%2e%2e/admin": "400", "/admin#x": "400", "*": "400"} {
			s.want(host, target, want)
		}
	}
}

// TestAttackQueriesPassUntouched: nothing in a query is decoded, resolved or cut.
func TestAttackQueriesPassUntouched(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}}.String())
	s.start()
	for _, q := range []string{"/p?a=1;b=2&c=%zz&&d", "/p?", "/p??", "/p?/../x", "/p?a=%00%0d%0a", "/p?http://evil.test/", "/p?a=<b>'\"", "/p?a=b#"[:6], "/p?" + strings.Repeat("a=b&", 1000)} {
		s.want("x.test", q, "a "+q)
	}
}

// TestAttackRewrites tries to leave the rewritten part of the tree, to split requests and to redirect elsewhere.
func TestAttackRewrites(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	rule := func(name, path, target string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{path + " ImplementationSpecific a"}, notes: append(notes, "rewrite-target: "+target)}.String())
	}
	rule("sloppy", "/api(.*)", "/$1")
	rule("any", "/any/([^q]*)", "/$1?p=$1", "x-forwarded-prefix: /$1")
	rule("moved", "/m/([^q]*)", "https://new.test/$1")
	rule("variable", "/v", "/x$uri")
	s.start()
	s.wantAll([]answerCase{
		{"sloppy.test", "/api../admin", "400"}, {"sloppy.test", "/api%2e%2e/admin", "400"}, {"sloppy.test", "/api./admin", "400"}, {"sloppy.test", "/api/../../admin", "400"}, {"sloppy.test", "/api/../admin", "404"}, {"sloppy.test", "/api/x", "a //x"}, {"sloppy.test", "/api..x", "a /..x"},
		{"any.test", "/any/a%0d%0aX-Evil:%20y", "a /a%0D%0AX-Evil:%20y?p=a%0D%0AX-Evil:%20y"}, {"any.test", "/any/%20HTTP/1.1", "a /%20HTTP/1.1?p=%20HTTP/1.1"}, {"any.test", "/any/%00", "400"},
		{"moved.test", "/m/a%0d%0aSet-Cookie:x", "302 https://new.test/a%0D%0ASet-Cookie:x"}, {"moved.test", "/m/%ff%c3", "302 https://new.test/%FF%C3"}, {"moved.test", "/m//evil.test", "302 https://new.test/evil.test"},
		{"variable.test", "/v%0d%0aX-Evil:y", "a /x/v%0D%0AX-Evil:y"},
	})
	r := s.get("any.test", "/any/a%0d%0aX-Evil:%20y")
	if r.Seen.Header.Get("X-Evil") != "" || strings.ContainsAny(r.Seen.Header.Get("X-Forwarded-Prefix"), "\r\n") {
		t.Errorf("the backend saw %v", r.Seen.Header)
	}
}

// TestAttackOpenRedirects tries to make the gate send clients elsewhere.
func TestAttackOpenRedirects(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	for _, i := range []ing{
		{name: "ssl", host: "ssl.test", paths: []string{"/"}, secret: "-"},
		{name: "slash", host: "slash.test", paths: []string{"/foo/ Prefix a"}},
		{name: "relative", host: "relative.test", paths: []string{"/foo/ Prefix a", "/ Exact a"}, notes: []string{"relative-redirects: true", "app-root: /home"}},
		{name: "www", host: "www.test", paths: []string{"/"}, notes: []string{"from-to-www-redirect: true"}},
		{name: "www2", host: "x.www2.test", paths: []string{"/"}, notes: []string{"from-to-www-redirect: true"}},
		{name: "root", host: "root.test", paths: []string{"/"}, notes: []string{"app-root: /home"}},
		{name: "uri", host: "uri.test", paths: []string{"/"}, notes: []string{"permanent-redirect: https://new.test$uri"}},
		{name: "login", host: "login.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/401", "auth-signin: https://sso.test/start"}},
		{name: "odd", host: "odd.test", paths: []string{"/ä /x/ Prefix a", "/\r\nX-Evil: y/ Prefix a"}},
	} {
		s.add(i.String())
	}
	s.start()
	hosts := map[string]string{"ssl.test": "ssl.test", "slash.test": "slash.test", "relative.test": "relative.test", "www.x.www2.test": "x.www2.test", "root.test": "root.test", "uri.test": "new.test", "login.test": "sso.test"}
	for host, to := range hosts {
		for _, target := range []string{
			"//evil.test", "//evil.test/", "///evil.test", "/\\evil.test", "/%5cevil.test", "/%2f%2fevil.test", "//evil.test/%2e%2e", "/.//evil.test", "/..//evil.test", "/x/..//evil.test/", "/%0d%0aSet-Cookie:x=y", "/%0aX:y", "/@evil.test", "/foo@evil.test", "http://evil.test/", "http://" + host + "@evil.test/", "/foo?//evil.test", "/foo", "/foo?%0d%0aX:y", "/;//evil.test", "/?//evil.test/", "/", "/%20", "/foo%2f",
		} {
			r := s.get(host, target)
			location := r.Header.Get("Location")
			if location == "" {
				continue
			}
			u, err := url.Parse(location)
			if strings.HasPrefix(location, "/foo/") && host == "relative.test" {
				continue
			}
			if err != nil || u.Hostname() != to || u.User != nil || strings.HasPrefix(location, "//") || strings.HasPrefix(location, "/\\") || strings.ContainsFunc(location, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
				t.Errorf("%s %q is sent to %q, %v", host, target, location, err)
			}
			if len(r.Header.Values("Set-Cookie")) > 0 || r.Header.Get("X") != "" {
				t.Errorf("%s %q: a field was smuggled in: %v", host, target, r.Header)
			}
		}
		// Nor with a Host that is none.
		for _, field := range []string{host + "@evil.test", "evil.test/" + host, host + ":80:80", host + "\\@evil.test", "[" + host + "]", host + "#", host + "%0d", host + ",evil.test", " " + host + " x"} {
			if r := s.get(field, "/foo"); r.Status != 400 && r.Header.Get("Location") != "" && !strings.Contains(r.Header.Get("Location"), "://"+host+"/") {
				t.Errorf("Host %q: %s", field, r)
			}
		}
	}
	if r := s.get("login.test", "//evil.test/?a=b&c#"[:18]); !strings.HasPrefix(r.Header.Get("Location"), "https://sso.test/start?rd=http://login.test%2F%2Fevil.test%2F%3Fa%3Db%26c") {
		t.Errorf("the way back is not escaped: %s", r)
	}
	// Paths of rules that no field may hold.
	for _, target := range []string{"/%C3%A4%20/x", "/%0d%0aX-Evil:%20y"} {
		r := s.get("odd.test", target)
		if target == "/%C3%A4%20/x" && r.String() != "301 http://odd.test/%C3%A4%20/x/" {
			t.Errorf("odd.test %q: %s", target, r)
		}
		if r.Header.Get("X-Evil") != "" || strings.ContainsFunc(r.Header.Get("Location"), func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			t.Errorf("odd.test %q: Location %q, %v", target, r.Header.Get("Location"), r.Header)
		}
	}
}

// TestAttackHosts tries to be another host to different parts of the gate.
func TestAttackHosts(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "rest")
	s.add(ing{name: "guarded", host: "guarded.test", paths: []string{"/"}, notes: []string{"denylist-source-range: 127.0.0.1"}}.String(),
		ing{name: "wild", host: "*.wild.test", paths: []string{"/ Prefix b"}}.String(),
		ing{name: "inwild", host: "admin.wild.test", paths: []string{"/"}, notes: []string{"denylist-source-range: 127.0.0.1"}}.String(),
		ing{name: "rest", fallback: "rest"}.String())
	s.start()
	for _, host := range []string{"guarded.test", "GUARDED.TEST", "guarded.test.", "guarded.test:80", "guarded.test.:443", "Guarded.Test.:1", "admin.wild.test", "ADMIN.wild.test.", "admin.wild.test:99999"[:18]} {
		s.want(host, "/", "403")
	}
	for _, host := range []string{"guarded.test..", ".guarded.test", "guarded..test", "guarded.test:", "guarded.test:x", "guarded.test:99999", "guarded.test/", "guarded.test?", "guarded.test\x00", "guarded.test\x0b", "guarded.test, a.test", "user@guarded.test", "%67uarded.test", "guarded。test", "[guarded.test]", "guarded.test:80:80", strings.Repeat("a.", 200) + "test", strings.Repeat("a", 64) + ".test", "[::1", "::1", "[::1%25lo]"} {
		if r := s.get(host, "/"); r.Status != 400 && r.String() != "403" {
			t.Errorf("Host %q: %s", host, r)
		}
	}
	for _, fields := range [][]string{{"Host: guarded.test"}, {"host: other.test"}, {"Host:"}, {"Host : guarded.test"}} {
		if r := s.get("other.test", "/", fields...); r.Status != 400 {
			t.Errorf("two Host fields, %q: %s", fields, r)
		}
	}
	for _, field := range []string{"X-Forwarded-Host: other.test", "X-Host: other.test", "Forwarded: host=other.test", "X-Original-Host: other.test", "X-Rewrite-URL: /x", "X-Original-URL: /x", "X-HTTP-Host-Override: other.test", "X-Forwarded-Server: other.test"} {
		s.want("guarded.test", "/", "403", field)
	}
	// The absolute form goes before the Host field, for everybody.
	if r := s.get("other.test", "http://guarded.test/"); r.Status != 403 {
		t.Errorf("absolute form: %s", r)
	}
	if r := s.get("guarded.test", "http://other.test/x"); r.Seen == nil || r.Seen.Service != "rest" || r.Seen.Host != "other.test" || r.Seen.URI != "/x" {
		t.Errorf("absolute form: %s %v", r, r.Seen)
	}
	if r := s.get("x.wild.test", "/", "X-Forwarded-Host: admin.wild.test"); r.Seen == nil || r.Seen.Host != "x.wild.test" || r.Seen.Header.Get("X-Forwarded-Host") != "x.wild.test" {
		t.Errorf("X-Forwarded-Host: %s %v", r, r.Seen)
	}
	// Over TLS the SNI decides nothing but the certificate.
	if r, _ := s.tlsAs("other.test", "guarded.test", "/"); r.Status != 403 {
		t.Errorf("another SNI: %s", r)
	}
	if r, _ := s.tlsAs("guarded.test", "other.test", "/"); r.String() != "rest /" {
		t.Errorf("another Host: %s", r)
	}
}

// TestAttackExpressions feeds regular expressions what takes them long. A request that cannot be matched in time must not
// reach a more open path, and others must not feel it.
func TestAttackExpressions(t *testing.T) {
	s := newStage(t)
	s.echo("a", "guard")
	for _, i := range []ing{
		{name: "hard", host: "hard.test", paths: []string{`/(?!public)(?:(\w+/?)*$|.*) ImplementationSpecific guard`}, notes: []string{"use-regex: true", "denylist-source-range: 127.0.0.1"}},
		{name: "soft", host: "hard.test", paths: []string{"/ Prefix a"}},
		{name: "linear", host: "linear.test", paths: []string{`/((a+)+)+$ ImplementationSpecific a`, `/(x|xx|xxx)*y ImplementationSpecific a`}, notes: []string{"use-regex: true"}},
		{name: "big", host: "big.test", paths: []string{`/(a{500}){500} ImplementationSpecific a`, `/(((a{100}){100}){100}){100} ImplementationSpecific a`, "/fine Prefix a"}, notes: []string{"use-regex: true"}},
		{name: "canary", host: "canary.test", paths: []string{"/ Prefix a"}, age: 1},
		{name: "canary-canary", host: "canary.test", paths: []string{"/ Prefix guard"}, notes: []string{"canary: true", "canary-by-header: X-Canary", `canary-by-header-pattern: ^(?=a)(a+)+b$`}},
		{name: "alias", host: "alias.test", paths: []string{"/ Prefix a"}, notes: []string{`server-alias: ~^(?=a)(\w+-?)*\.alias\.test$`}},
	} {
		s.add(i.String())
	}
	s.edit("settings", configMap(`block-user-agents: ~^(?=a)(\w+-?)*z$`))
	s.start()
	long := strings.Repeat("a", 60)
	s.want("hard.test", "/admin", "403")
	s.want("hard.test", "/public", "a /public")
	timed := func(what string, f func()) {
		t.Helper()
		start := time.Now()
		f()
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("%s took %s", what, d)
		}
	}
	for _, tail := range []string{"!", "/!", "%21", strings.Repeat("/a", 2000) + "!"} {
		timed("a hard path", func() {
			if r := s.get("hard.test", "/"+long+tail); r.Status != 403 && r.Status != 500 {
				t.Errorf("a path that takes long: %s", r)
			}
		})
	}
	timed("a linear path", func() { s.want("linear.test", "/"+strings.Repeat("a", 7000)+"!", "404") })
	timed("a linear path", func() { s.want("linear.test", "/"+strings.Repeat("x", 7000), "404") })
	timed("expressions that are too big", func() { s.want("big.test", "/fine", "a /fine") })
	timed("a canary's pattern", func() { s.want("canary.test", "/", "a /", "X-Canary: "+long+"!") })
	timed("an alias", func() {
		if r := s.get(long+"-.alias.tesx", "/"); r.Status != 404 && r.Status != 500 && r.Status != 400 {
			t.Errorf("an alias that takes long: %s", r)
		}
	})
	timed("a blocked agent", func() {
		if r := s.get("canary.test", "/", "User-Agent: "+long+"!"); r.Status != 403 && r.Status != 200 {
			t.Errorf("an agent that takes long: %s", r)
		}
	})
}

// TestAttackPipelines hides a second request in the first. What the gate takes for one request must be one to the backend.
func TestAttackPipelines(t *testing.T) {
	s := newStage(t)
	s.echo("a", "guard")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/ Prefix a"}, age: 1}.String(), ing{name: "admin", host: "x.test", paths: []string{"/admin Prefix guard"}, notes: []string{"denylist-source-range: 127.0.0.1"}}.String())
	s.start()
	hidden := "GET /admin HTTP/1.1\r\nHost: x.test\r\n\r\n"
	for _, text := range []string{
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"GET / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 0\r\n\r\n" + hidden,
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(hidden)+5, hidden),
		"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: xchunked\r\n\r\n" + hidden,
		"GET / HTTP/1.1\r\nHost: x.test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + hidden,
		"GET / HTTP/1.1\r\nHost: x.test\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n" + hidden,
		"GET / HTTP/1.1\r\nHost: x.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + hidden,
	} {
		c, err := net.Dial("tcp", s.gate.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = c.Write([]byte(text))
		var got strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if err != nil || strings.Count(got.String(), "HTTP/1.1 ") >= 2 {
				break
			}
		}
		c.Close()
		if strings.Contains(got.String(), `"Service":"guard"`) {
			t.Errorf("the guarded Service was reached by\n%q\nwith\n%q", text, got.String())
		}
	}
}

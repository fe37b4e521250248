package wire

import (
	"strings"
	"testing"
)

func TestSetTarget(t *testing.T) {
	type want struct {
		status                                 int
		target, path, query, scheme, authority string
	}
	for name, c := range map[string]struct {
		method, target string
		want           want
	}{
		"a plain path stays as it is":                {"GET", "/a/b", want{target: "/a/b", path: "/a/b"}},
		"K-15 the query is kept byte for byte":       {"GET", "/a?x=1;y=2&z=%zz", want{target: "/a?x=1;y=2&z=%zz", path: "/a", query: "x=1;y=2&z=%zz"}},
		"S-C6 a lone question mark survives":         {"GET", "/p?", want{target: "/p?", path: "/p"}},
		"S-C6 the second question mark is query":     {"GET", "/p??", want{target: "/p??", path: "/p", query: "?"}},
		"a query may hold UTF-8 and backslashes":     {"GET", "/p?q=\\\xc3\xa9", want{target: "/p?q=\\\xc3\xa9", path: "/p", query: "q=\\\xc3\xa9"}},
		"a query is not normalised":                  {"GET", "/p?a=//../%2e", want{target: "/p?a=//../%2e", path: "/p", query: "a=//../%2e"}},
		"L-17 dot segments are matched resolved":     {"GET", "/a/../b", want{target: "/a/../b", path: "/b"}},
		"L-17 encoded dots count as dots":            {"GET", "/a/%2e%2e/b?q", want{target: "/a/%2e%2e/b?q", path: "/b", query: "q"}},
		"L-17 slashes are merged":                    {"GET", "//x", want{target: "//x", path: "/x"}},
		"L-17 a path parameter is no dot segment":    {"GET", "/a/..;/b", want{target: "/a/..;/b", path: "/a/..;/b"}},
		"L-17 above the root":                        {"GET", "/../b", want{status: 400}},
		"L-10 a space":                               {"GET", "/a b", want{status: 400}},
		"L-10 a control character":                   {"GET", "/a\x01b", want{status: 400}},
		"L-10 a control character in the query":      {"GET", "/a?\x01b", want{status: 400}},
		"L-10 NUL":                                   {"GET", "/a\x00b", want{status: 400}},
		"DEL":                                        {"GET", "/a\x7fb", want{status: 400}},
		"L-11 a byte above 0x7f is encoded":          {"GET", "/a\xffb?\xff", want{target: "/a%FFb?\xff", path: "/a\xffb", query: "\xff"}},
		"L-12 a fragment":                            {"GET", "/a#frag", want{status: 400}},
		"L-12 a fragment behind a query":             {"GET", "/a?b#frag", want{status: 400}},
		"L-13 a backslash is encoded, never a slash": {"GET", `/a\..\b`, want{target: "/a%5C..%5Cb", path: `/a\..\b`}},
		"L-14 bad percent":                           {"GET", "/a%zz", want{status: 400}},
		"L-14 cut percent":                           {"GET", "/a%2", want{status: 400}},
		"L-15 encoded NUL":                           {"GET", "/a%00b", want{status: 400}},
		"L-16 encoded line ends stay encoded":        {"GET", "/a%0d%0aX:1", want{target: "/a%0d%0aX:1", path: "/a\r\nX:1"}},
		"L-18 no slash":                              {"GET", "admin", want{status: 400}},
		"L-19 asterisk with GET":                     {"GET", "*", want{status: 400}},
		"L-20 asterisk with OPTIONS":                 {"OPTIONS", "*", want{target: "*", path: "/"}},
		"L-20 asterisk with more":                    {"OPTIONS", "*/x", want{status: 400}},
		"L-21 absolute form":                         {"GET", "http://b.test/x?y", want{target: "/x?y", path: "/x", query: "y", scheme: "http", authority: "b.test"}},
		"absolute form with port and upper case":     {"GET", "HTTP://B.test:8080/x", want{target: "/x", path: "/x", scheme: "http", authority: "B.test:8080"}},
		"absolute form without path":                 {"GET", "https://b.test", want{target: "/", path: "/", scheme: "https", authority: "b.test"}},
		"absolute form with query alone":             {"GET", "http://b.test?x", want{target: "/?x", path: "/", query: "x", scheme: "http", authority: "b.test"}},
		"absolute form without path for OPTIONS":     {"OPTIONS", "http://b.test", want{target: "*", path: "/", scheme: "http", authority: "b.test"}},
		"absolute form is normalised":                {"GET", "http://b.test/a/../x", want{target: "/a/../x", path: "/x", scheme: "http", authority: "b.test"}},
		"L-22 another scheme":                        {"GET", "ftp://a.test/x", want{status: 400}},
		"L-23 an empty host":                         {"GET", "http:///x", want{status: 400}},
		"L-23 an empty host with port":               {"GET", "http://:80/x", want{status: 400}},
		"L-24 user information":                      {"GET", "http://u:p@a.test/x", want{status: 400}},
		"absolute form with fragment":                {"GET", "http://a.test#x", want{status: 400}},
		"L-25 authority form":                        {"GET", "a.test:80", want{status: 400}},
		"L-26 CONNECT":                               {"CONNECT", "a.test:80", want{status: 405}},
		"L-27 CONNECT with a path":                   {"CONNECT", "/", want{status: 405}},
		"L-28 TRACE":                                 {"TRACE", "/", want{status: 405}},
		"empty":                                      {"GET", "", want{status: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{Method: c.method}
			var a Arena
			status := r.SetTarget(c.target, &a)
			got := want{status: status}
			if status == 0 {
				got = want{0, r.Target, r.Path, r.Query, r.Scheme, r.Authority}
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestNormalizePath(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                    "/",
		"/.":                   "/",
		"/./":                  "/",
		"/a/.":                 "/a/",
		"/a/..":                "/",
		"/a/b/..":              "/a/",
		"/a/b/../":             "/a/",
		"/a/b/../../c":         "/c",
		"/a//b///c":            "/a/b/c",
		"/a//../b":             "/b",
		"/.well-known/x":       "/.well-known/x",
		"/...":                 "/...",
		"/..a/a../.a":          "/..a/a../.a",
		"/%61dmin":             "/admin",
		"/x/..%2fadmin":        "/admin",
		"/x%2f..%2Fadmin":      "/admin",
		"/x/%5c..%5cadmin":     `/x/\..\admin`,
		"/%c0%ae%c0%ae/admin":  "/\xc0\xae\xc0\xae/admin",
		"/%252e%252e/admin":    "/%2e%2e/admin",
		"/public/%2e/../admin": "/admin",
		"/a%3Fb%23c":           "/a?b#c",
		"/admin%20":            "/admin ",
	} {
		var a Arena
		got, status := NormalizePath(raw, &a)
		if got != want || status != 0 {
			t.Errorf("NormalizePath(%q) = %q, %d, want %q", raw, got, status, want)
		}
	}
	for _, raw := range []string{"", "a", "/..", "/../", "/a/../..", "/%2e%2e/../admin", "/.%2e", "/%", "/%1", "/%g0", "/%0g", "/%00", "/\x00"} {
		var a Arena
		if got, status := NormalizePath(raw, &a); status != 400 {
			t.Errorf("NormalizePath(%q) = %q, %d, want 400", raw, got, status)
		}
	}
}

func TestParseHost(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for authority, want := range map[string]string{
		"":                              "",
		"a.test":                        "a.test",
		"A.TeSt":                        "a.test",
		"a.test.":                       "a.test",
		"a.test.:80":                    "a.test",
		"a.test:80":                     "a.test",
		"a.test:":                       "a.test",
		"a.test:65535":                  "a.test",
		"my_service":                    "my_service",
		"10.0.0.1:8080":                 "10.0.0.1",
		"xn--bcher-kva.test":            "xn--bcher-kva.test",
		"[::1]":                         "[::1]",
		"[0:0:0:0:0:0:0:1]:80":          "[::1]",
		"[2001:DB8::1]":                 "[2001:db8::1]",
		"[::ffff:7f00:1]":               "[::ffff:127.0.0.1]",
		label63 + ".test":               label63 + ".test",
		strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
	} {
		var a Arena
		if got, ok := ParseHost(authority, &a); got != want || !ok {
			t.Errorf("ParseHost(%q) = %q, %v, want %q", authority, got, ok, want)
		}
	}
	for _, authority := range []string{
		"a b", "u@a.test", "a.test/x", "a.test#x", "a.test?x", `a.test\b`, "a.test\x00b", "a\tb",
		"a.test,b.test", "a.test:99999", "a.test:http", "[::1", "a%2etest", strings.Repeat("a", 300), label63 + "a.test",
		"a.test." + label63 + "a", strings.Repeat("a.", 126) + "ab", ".", "..", ".a", "a..b", "a..", ":80", "a:b:80", "a:-1", "a:+1",
		"[::1%eth0]", "[::1]x", "[::1]:x", "[]", "[1.2.3.4]", "[", "b\xc3\xbccher.test", "a.test:080808", "*.test",
	} {
		var a Arena
		if got, ok := ParseHost(authority, &a); ok {
			t.Errorf("ParseHost(%q) = %q, want it refused", authority, got)
		}
	}
}

func TestParsingCostsNoAllocation(t *testing.T) {
	var a Arena
	r := Request{Method: "GET"}
	for name, f := range map[string]func() bool{
		"a plain target":       func() bool { return r.SetTarget("/api/v1/items?limit=10", &a) == 0 },
		"a target to decode":   func() bool { return r.SetTarget("/api/%76/../items\xff?limit=10", &a) == 0 },
		"an absolute target":   func() bool { return r.SetTarget("http://A.test/x", &a) == 0 },
		"a host":               func() bool { _, ok := ParseHost("a.example.com:443", &a); return ok },
		"a host in upper case": func() bool { _, ok := ParseHost("A.example.com", &a); return ok },
		"an IPv6 literal":      func() bool { _, ok := ParseHost("[2001:DB8::1]:443", &a); return ok },
	} {
		n := testing.AllocsPerRun(100, func() {
			a.Reset()
			if !f() {
				t.Error(name, "was refused")
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func FuzzSetTarget(f *testing.F) {
	for _, s := range []string{"/", "/a/../b?c", "*", "http://a.test/x", "https://[::1]:80?q", "/%2e%2e", "a:80", "/a#b", "//", "/\\\xff", "http://u@h/"} {
		f.Add("GET", s)
		f.Add("OPTIONS", s)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		var a Arena
		r := Request{Method: method}
		if r.SetTarget(target, &a) != 0 {
			return
		}
		if strings.ContainsAny(r.Target, " \r\n\t\x00#") || r.Target == "" {
			t.Errorf("target %q was accepted as %q", target, r.Target)
		}
		if r.Path == "" || r.Path[0] != '/' || strings.Contains(r.Path, "//") {
			t.Errorf("target %q has path %q", target, r.Path)
		}
		if r.Target == "*" {
			return
		}
		again := Request{Method: method}
		if status := again.SetTarget(r.Target, &a); status != 0 || again.Path != r.Path || again.Target != r.Target || again.Query != r.Query {
			t.Errorf("target %q reads as %q, which reads otherwise", target, r.Target)
		}
		if (r.Scheme == "") != (r.Authority == "") || r.Scheme != "" && r.Host == "" {
			t.Errorf("target %q: scheme %q, authority %q, host %q", target, r.Scheme, r.Authority, r.Host)
		}
	})
}

func FuzzNormalizePath(f *testing.F) {
	for _, s := range []string{"/", "/a/./../b//c/", "/%2e%2e/x", "/a%2f..%2fb", "/%25%32%65", "/a/..;/b", "/....//", "/.%2E/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var a Arena
		path, status := NormalizePath(raw, &a)
		if status != 0 {
			return
		}
		if path == "" || path[0] != '/' || strings.Contains(path, "//") || strings.Contains(path, "\x00") {
			t.Fatalf("%q normalises to %q", raw, path)
		}
		for _, s := range strings.Split(path, "/") {
			if s == "." || s == ".." {
				t.Fatalf("%q normalises to %q with a dot segment", raw, path)
			}
		}
		// Percent signs of the result are literal: encoded again, it must stay what it is.
		again, status := NormalizePath(strings.ReplaceAll(path, "%", "%25"), &a)
		if again != path || status != 0 {
			t.Fatalf("%q normalises to %q, and that to %q (%d)", raw, path, again, status)
		}
		if want := referencePath(raw); path != want {
			t.Fatalf("%q normalises to %q, want %q", raw, path, want)
		}
	})
}

// referencePath normalises by the book: decode, split, resolve, join.
func referencePath(raw string) string {
	var decoded strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '%' {
			decoded.WriteByte(unhex(raw[i+1])<<4 | unhex(raw[i+2]))
			i += 2
		} else {
			decoded.WriteByte(raw[i])
		}
	}
	var out []string
	parts := strings.Split(decoded.String(), "/")[1:]
	for i, p := range parts {
		last := i == len(parts)-1
		switch {
		case p == "..":
			out = out[:len(out)-1]
		case p != "" && p != ".":
			out = append(out, p)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"", "a.test", "A.test.:80", "[::1]:80", "a..b", "u@h", "[::ffff:1.2.3.4]", "a:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		var a Arena
		host, ok := ParseHost(authority, &a)
		if !ok {
			return
		}
		if again, ok := ParseHost(host, &a); !ok || again != host {
			t.Errorf("host %q of %q reads as %q", host, authority, again)
		}
		if host != strings.ToLower(host) || strings.HasSuffix(host, ".") || strings.ContainsAny(host, " /?#@,%\\\t\r\n") {
			t.Errorf("host %q of %q is not canonical", host, authority)
		}
	})
}

func BenchmarkSetTarget(b *testing.B) {
	b.ReportAllocs()
	var a Arena
	r := Request{Method: "GET"}
	for b.Loop() {
		r.SetTarget("/api/v1/namespaces/default/items?limit=10&continue=abc", &a)
	}
}

func BenchmarkParseHost(b *testing.B) {
	b.ReportAllocs()
	var a Arena
	for b.Loop() {
		ParseHost("shop.example.com:8080", &a)
	}
}

package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// prefix and exact make routes; "~" before the path says that it is meant as an expression.
func prefix(path string) ir.Route { return newRoute(path, ir.Prefix) }
func exact(path string) ir.Route  { return newRoute(path, ir.Exact) }

func newRoute(path string, t ir.PathType) ir.Route {
	expr, regex := strings.CutPrefix(path, "~")
	return ir.Route{
		Path: expr, Type: t, Literal: !regex,
		Origin:  filter.Origin{Namespace: "ns", Ingress: "ing", Path: expr, Service: t.String() + " " + expr},
		Backend: ir.Backend{Upstream: upstream.Key{Namespace: "ns", Service: "svc", Port: "80"}},
		Policy:  ir.DefaultPolicy(), AccessLog: true,
	}
}

// host makes a virtual host whose routes know its name.
func host(name string, routes ...ir.Route) ir.VirtualHost {
	h := ir.VirtualHost{Name: name, Routes: routes}
	for i := range routes {
		routes[i].Origin.Host = name
	}
	return h
}

// compileHosts compiles hosts that must not give problems.
func compileHosts(t testing.TB, hosts ...ir.VirtualHost) *Table {
	t.Helper()
	table, problems := Compile(&ir.Config{Hosts: hosts}, &Env{Registry: upstream.NewRegistry()})
	for _, p := range problems {
		t.Errorf("problem: %+v", p)
	}
	return table
}

// describe tells a match in words: "404" if there is no host, else the host's name, then "404", or the type
// and path of the route, then "301" for the slash.
func describe(m Match) string {
	if m.Host == nil {
		return "404"
	}
	s := m.Host.Name + " "
	if m.Route == nil {
		return s + "404"
	}
	s += m.Route.Type.String() + " " + m.Route.Path
	if m.Slash {
		s += " 301"
	}
	return s
}

// TestPathsOfTheKubernetesDocumentation has every row of the table of examples in "Ingress", section
// "Path types". Two of them ingress-nginx answers with a redirect, and so do we.
func TestPathsOfTheKubernetesDocumentation(t *testing.T) {
	tests := []struct {
		routes []ir.Route
		path   string
		want   string
	}{
		{[]ir.Route{prefix("/")}, "/any/path", "Prefix /"},
		{[]ir.Route{exact("/foo")}, "/foo", "Exact /foo"},
		{[]ir.Route{exact("/foo")}, "/bar", "404"},
		{[]ir.Route{exact("/foo")}, "/foo/", "404"},
		{[]ir.Route{exact("/foo/")}, "/foo", "Exact /foo/ 301"},
		{[]ir.Route{prefix("/foo")}, "/foo", "Prefix /foo"},
		{[]ir.Route{prefix("/foo")}, "/foo/", "Prefix /foo"},
		{[]ir.Route{prefix("/foo/")}, "/foo", "Prefix /foo/ 301"},
		{[]ir.Route{prefix("/foo/")}, "/foo/", "Prefix /foo/"},
		{[]ir.Route{prefix("/aaa/bb")}, "/aaa/bbb", "404"},
		{[]ir.Route{prefix("/aaa/bbb")}, "/aaa/bbb", "Prefix /aaa/bbb"},
		{[]ir.Route{prefix("/aaa/bbb/")}, "/aaa/bbb", "Prefix /aaa/bbb/ 301"},
		{[]ir.Route{prefix("/aaa/bbb")}, "/aaa/bbb/", "Prefix /aaa/bbb"},
		{[]ir.Route{prefix("/aaa/bbb")}, "/aaa/bbb/ccc", "Prefix /aaa/bbb"},
		{[]ir.Route{prefix("/aaa/bbb")}, "/aaa/bbbxyz", "404"},
		{[]ir.Route{prefix("/"), prefix("/aaa")}, "/aaa/ccc", "Prefix /aaa"},
		{[]ir.Route{prefix("/"), prefix("/aaa"), prefix("/aaa/bbb")}, "/aaa/bbb", "Prefix /aaa/bbb"},
		{[]ir.Route{prefix("/"), prefix("/aaa"), prefix("/aaa/bbb")}, "/ccc", "Prefix /"},
		{[]ir.Route{prefix("/aaa")}, "/ccc", "404"},
		{[]ir.Route{prefix("/foo"), exact("/foo")}, "/foo", "Exact /foo"},
	}
	for _, tt := range tests {
		table := compileHosts(t, host("a.test", tt.routes...))
		if got := describe(table.Match("a.test", tt.path)); got != "a.test "+tt.want {
			t.Errorf("%s with %d routes: got %q, want %q", tt.path, len(tt.routes), got, tt.want)
		}
	}
}

func TestPaths(t *testing.T) {
	tests := map[string]struct {
		routes []ir.Route
		want   map[string]string
	}{
		"exact": {[]ir.Route{exact("/foo")}, map[string]string{
			"/foo": "Exact /foo", "/FOO": "404", "/foo/bar": "404", "/foobar": "404", "/": "404",
		}},
		"exact with a slash at its end": {[]ir.Route{exact("/foo/")}, map[string]string{
			"/foo/": "Exact /foo/", "/foo": "Exact /foo/ 301", "/foo/x": "404",
		}},
		"prefix": {[]ir.Route{prefix("/foo")}, map[string]string{
			"/foo": "Prefix /foo", "/foo/": "Prefix /foo", "/foo/x/y": "Prefix /foo", "/foobar": "404", "/Foo": "404",
		}},
		"prefix with a slash at its end": {[]ir.Route{prefix("/foo/")}, map[string]string{
			"/foo": "Prefix /foo/ 301", "/foo/": "Prefix /foo/", "/foo/x": "Prefix /foo/", "/foobar": "404",
		}},
		"the slash redirect goes before a shorter prefix": {[]ir.Route{prefix("/"), prefix("/foo/")}, map[string]string{
			"/foo": "Prefix /foo/ 301", "/foo/x": "Prefix /foo/", "/foox": "Prefix /", "/": "Prefix /",
		}},
		"an exact bare path goes before the slash redirect": {[]ir.Route{exact("/foo"), prefix("/foo/")}, map[string]string{
			"/foo": "Exact /foo", "/foo/": "Prefix /foo/",
		}},
		"a prefix of the bare path goes before it too": {[]ir.Route{prefix("/foo"), prefix("/foo/")}, map[string]string{
			"/foo": "Prefix /foo", "/foo/": "Prefix /foo/", "/foo/x": "Prefix /foo/",
		}},
		"exact and prefix with a slash": {[]ir.Route{prefix("/foo/"), exact("/foo/")}, map[string]string{
			"/foo": "Exact /foo/ 301", "/foo/": "Exact /foo/", "/foo/x": "Prefix /foo/",
		}},
		"exact takes the bare path and prefix the rest": {[]ir.Route{prefix("/foo"), exact("/foo")}, map[string]string{
			"/foo": "Exact /foo", "/foo/": "Prefix /foo", "/foo/x": "Prefix /foo",
		}},
		"exact below a prefix": {[]ir.Route{prefix("/foo"), exact("/foo/x")}, map[string]string{
			"/foo/x": "Exact /foo/x", "/foo/x/": "Prefix /foo", "/foo/xy": "Prefix /foo",
		}},
		"the longest prefix": {[]ir.Route{prefix("/"), prefix("/a"), prefix("/a/b/c"), prefix("/a/b")}, map[string]string{
			"/a/b/c/d": "Prefix /a/b/c", "/a/b/cd": "Prefix /a/b", "/a/bc": "Prefix /a", "/ab": "Prefix /",
		}},
		"neighbours that sort before the slash": {[]ir.Route{prefix("/foo"), prefix("/foo-bar"), prefix("/foo.x/y"), exact("/foo!")}, map[string]string{
			"/foo/a": "Prefix /foo", "/foo-bar/a": "Prefix /foo-bar", "/foo-baz": "404", "/foo.x": "404", "/foo.x/y/z": "Prefix /foo.x/y", "/foo!": "Exact /foo!",
		}},
		"a root exact": {[]ir.Route{exact("/")}, map[string]string{"/": "Exact /", "/x": "404"}},
		"no routes":    {nil, map[string]string{"/": "404", "/x": "404"}},
		"paths that are not ASCII": {[]ir.Route{prefix("/é"), prefix("/é/ü/")}, map[string]string{
			"/é": "Prefix /é", "/é/ü": "Prefix /é/ü/ 301", "/è": "404", "/é\xff": "404",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			table := compileHosts(t, host("a.test", tt.routes...))
			for path, want := range tt.want {
				if got := describe(table.Match("a.test", path)); got != "a.test "+want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}

func TestPathsOfRegexHosts(t *testing.T) {
	tests := map[string]struct {
		routes []ir.Route
		want   map[string]string
	}{
		"the rewrite of the documentation": {[]ir.Route{prefix("~/something(/|$)(.*)"), prefix("/")}, map[string]string{
			"/something": "Prefix /something(/|$)(.*)", "/something/new": "Prefix /something(/|$)(.*)",
			"/SOMETHING/": "Prefix /something(/|$)(.*)", "/somethingelse": "Prefix /",
		}},
		"literal paths lose elements, case and end": {[]ir.Route{prefix("~/x.*"), prefix("/foo"), exact("/bar")}, map[string]string{
			"/foobar": "Prefix /foo", "/FOO": "Prefix /foo", "/foo/x": "Prefix /foo", "/bar123": "Exact /bar", "/bar/x": "Exact /bar", "/fo": "404",
		}},
		"no slash redirect": {[]ir.Route{prefix("~/x.*"), prefix("/foo/"), exact("/bar/")}, map[string]string{
			"/foo": "404", "/bar": "404", "/foo/x": "Prefix /foo/",
		}},
		"the longest text wins, however little it says": {[]ir.Route{prefix("/foo/bar/x"), prefix("~/foo/bar/.+"), prefix("~/foo/.*")}, map[string]string{
			"/foo/bar/x1": "Prefix /foo/bar/.+", "/foo/bar/x": "Prefix /foo/bar/.+", "/foo/bar/": "Prefix /foo/.*", "/foo/": "Prefix /foo/.*",
		}},
		"of the same length the alphabetically last": {[]ir.Route{prefix("~/a.."), prefix("~/..b"), prefix("~/.c.")}, map[string]string{
			"/acb": "Prefix /a..", "/xcb": "Prefix /.c.", "/xyb": "Prefix /..b",
		}},
		"exact and literal prefix of the same path": {[]ir.Route{prefix("/foo"), exact("/foo"), prefix("~/x+")}, map[string]string{
			"/foo": "Exact /foo", "/foobar": "Exact /foo", "/foo/": "Prefix /foo", "/FOO/x": "Prefix /foo",
		}},
		"the same with a slash at the end": {[]ir.Route{prefix("/foo/"), exact("/foo/")}, map[string]string{
			"/foo/": "Prefix /foo/", "/foo": "404",
		}},
		"an anchored end": {[]ir.Route{prefix("~/foo$"), prefix("~/foo/[0-9]+$")}, map[string]string{
			"/foo": "Prefix /foo$", "/foo/12": "Prefix /foo/[0-9]+$", "/foo/x": "404", "/foobar": "404",
		}},
		"alternatives escape the anchor, as in nginx": {[]ir.Route{prefix("~/foo|/bar")}, map[string]string{
			"/foo": "Prefix /foo|/bar", "/x/bar": "Prefix /foo|/bar", "/x/foo": "404",
		}},
		"look-ahead": {[]ir.Route{prefix("~/(?!api)(.*)"), prefix("/api")}, map[string]string{
			"/app": "Prefix /(?!api)(.*)", "/api/x": "Prefix /api", "/API": "Prefix /api",
		}},
		"a literal path that is no expression": {[]ir.Route{prefix("/c(++"), prefix("~/x.*")}, map[string]string{
			"/c(++/x": "Prefix /c(++", "/C(++": "Prefix /c(++", "/c(": "404",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := host("a.test", tt.routes...)
			h.Regex = true
			table, problems := Compile(&ir.Config{Hosts: []ir.VirtualHost{h}}, &Env{Registry: upstream.NewRegistry()})
			if len(problems) > 0 && name != "the same with a slash at the end" {
				t.Errorf("problems: %+v", problems)
			}
			for path, want := range tt.want {
				if got := describe(table.Match("a.test", path)); got != "a.test "+want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}

func TestRegexPathsThatBeginWithEachOther(t *testing.T) {
	h := host("a.test", prefix("~/b.*"))
	h.Regex = true
	for n := range 3 * maxChain {
		h.Routes = append(h.Routes, newRoute("~/"+strings.Repeat("a", n)+"$", ir.Prefix))
	}
	table := compileHosts(t, h)
	for n := range 3*maxChain + 2 {
		path, want := "/"+strings.Repeat("A", n), "a.test Prefix /"+strings.Repeat("a", n)+"$"
		if n >= 3*maxChain {
			want = "a.test 404"
		}
		if got := describe(table.Match("a.test", path)); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	plain := func(name string, aliases ...string) ir.VirtualHost {
		h := host(name, prefix("/"))
		h.Aliases = aliases
		return h
	}
	table := compileHosts(t,
		plain(""), plain("a.test", "alias.test", "*.wild.alias", `~^r[0-9]+\.test$`, `~\.many\.test$`),
		plain("*.test"), plain("*.b.test"), plain("x.b.test"), plain("[2001:db8::1]"), plain("z.test", `~^r1`),
	)
	tests := map[string]struct{ name, want string }{
		"an exact name":                                {"a.test", "a.test"},
		"an exact alias":                               {"alias.test", "a.test"},
		"an exact name before a wildcard":              {"x.b.test", "x.b.test"},
		"a wildcard":                                   {"y.b.test", "*.b.test"},
		"a wildcard for one label only":                {"y.x.b.test", ""},
		"a wildcard does not stand for nothing":        {"b.test", "*.test"},
		"a wildcard wants a label":                     {".test", ""},
		"a label may have dashes and underscores":      {"a-b_c9.test", "*.test"},
		"a label has no other characters":              {"a+b.test", ""},
		"a wildcard alias":                             {"x.wild.alias", "a.test"},
		"a wildcard before a regular expression":       {"r1.test", "*.test"},
		"a regular expression before the catch-all":    {"x.y.many.test", "a.test"},
		"of two regular expressions the first":         {"r1.x.many.test", "a.test"},
		"a regular expression that is found somewhere": {"r12", "z.test"},
		"an unknown name":                              {"unknown", ""},
		"no name":                                      {"", ""},
		"an IPv6 literal":                              {"[2001:db8::1]", "[2001:db8::1]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := describe(table.Match(tt.name, "/x")); got != tt.want+" Prefix /" {
				t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
	t.Run("without a catch-all there is no host", func(t *testing.T) {
		if got := compileHosts(t, plain("a.test")).Match("b.test", "/"); got.Host != nil || got.Route != nil {
			t.Errorf("got %q", describe(got))
		}
	})
	t.Run("what a host carries", func(t *testing.T) {
		h := ir.VirtualHost{Name: "a.test", TLS: true, AppRoot: "/app", RedirectHost: "www.a.test", RedirectCode: 308, Deny: 403}
		got := compileHosts(t, h).Match("a.test", "/").Host
		if !got.TLS || got.AppRoot != "/app" || got.RedirectHost != "www.a.test" || got.RedirectCode != 308 || got.Deny != 403 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestWhatTakesTooLongIsNobodys makes a search take too long whose end would be a match: the routes behind it, which may
// be more open, must not get the request.
func TestWhatTakesTooLongIsNobodys(t *testing.T) {
	const hard = `(?!x)(?:(\w+/?)*$|.*)`
	for _, more := range []int{0, 40} { // few routes are scanned, many are indexed
		routes := []ir.Route{prefix("~/" + hard), prefix("/")}
		for i := range more {
			routes = append(routes, prefix(fmt.Sprintf("~/more%d/[a-z]+/[a-z]+/[a-z]+/[a-z]+", i)))
		}
		h := host("a.test", routes...)
		h.Regex = true
		table := compileHosts(t, h)
		path := "/" + strings.Repeat("a", 60) + "!"
		if m := table.Match("a.test", path); !m.GaveUp || m.Route != nil {
			t.Errorf("%d more: %s, gave up: %t", more, describe(m), m.GaveUp)
		}
		if m := table.Match("a.test", "/x"); m.GaveUp || m.Route == nil || m.Route.Path != "/" {
			t.Errorf("%d more: %s, gave up: %t", more, describe(m), m.GaveUp)
		}
	}
	aliased := host("b.test", prefix("/"))
	aliased.Aliases = []string{"~^" + hard}
	table := compileHosts(t, aliased, host("", prefix("/")))
	if m := table.Match(strings.Repeat("a", 60)+"-", "/"); !m.GaveUp || m.Host != nil {
		t.Errorf("alias: %s, gave up: %t", describe(m), m.GaveUp)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	regex := host("r.test", prefix("~/foo(/|$)(.*)"), prefix("~/v[0-9]+/.*"), prefix("/"))
	regex.Regex = true
	regex.Aliases = []string{`~^many[0-9]+\.test$`}
	table := compileHosts(t, host("", prefix("/")), host("a.test", prefix("/"), prefix("/a/b"), exact("/x/")), host("*.test", prefix("/")), regex)
	for _, tt := range [][2]string{{"a.test", "/a/b/c"}, {"a.test", "/x"}, {"w.test", "/"}, {"r.test", "/foo/bar"}, {"r.test", "/v12/x"}, {"many9.test.", "/"}, {"x", "/"}} {
		if n := testing.AllocsPerRun(100, func() { table.Match(tt[0], tt[1]) }); n != 0 && !raceEnabled {
			t.Errorf("%s%s: %v allocations", tt[0], tt[1], n)
		}
	}
}

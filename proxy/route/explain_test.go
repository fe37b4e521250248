package route

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// explained tells in the words of describe what Bearers and Consider say.
func explained(t *rapid.T, table *Table, name, path string) string {
	bearers := table.Bearers(name)
	if len(bearers) == 0 {
		return "404"
	}
	m := Match{Host: bearers[0].Host}
	for _, c := range m.Host.Consider(path) {
		if c.Why == "" || c.Won && !c.Fits {
			t.Fatalf("%s%s: %+v", name, path, c)
		}
		if !c.Won {
			continue
		}
		if m.Route != nil {
			t.Fatalf("%s%s: two have won: %s and %s", name, path, m.Route.Path, c.Route.Path)
		}
		m.Route, m.Slash = c.Route, c.Slash
	}
	return describe(m)
}

func TestExplanationsAgreeWithMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := drawHosts(t)
		table, _ := Compile(&ir.Config{Hosts: hosts}, &Env{Registry: upstream.NewRegistry()})
		n := 0
		for _, h := range table.Hosts {
			n += len(h.Routes())
		}
		if n != table.Routes {
			t.Fatalf("%d routes are listed, there are %d", n, table.Routes)
		}
		for range 20 {
			name, path := rapid.SampledFrom(requested).Draw(t, "host"), drawRequest(t, hosts)
			if got, want := explained(t, table, name, path), describe(table.Match(name, path)); got != want {
				t.Fatalf("%s%s: explained as %q, is %q", name, path, got, want)
			}
		}
	})
}

func TestBearersSayWhomAHostBeats(t *testing.T) {
	other, wild := host("b.test", prefix("/")), host("*.test", prefix("/"))
	other.Aliases, wild.Aliases = []string{"alias.test", `~^a\.`}, []string{"*.sub.test"}
	table := compileHosts(t, host("a.test", prefix("/")), other, wild, host("", prefix("/")))
	for name, want := range map[string]string{
		"a.test":     `a.test exact name, *.test wildcard *.test, b.test alias ~^a\., catch-all`,
		"alias.test": `b.test alias alias.test, *.test wildcard *.test, catch-all`,
		"c.test":     `*.test wildcard *.test, catch-all`,
		"x.sub.test": `*.test alias *.sub.test, catch-all`,
		"x.y":        `catch-all`,
		"":           `catch-all`,
	} {
		var list []string
		for _, b := range table.Bearers(name) {
			list = append(list, strings.TrimSpace(b.Host.Name+" "+b.By))
		}
		if got := strings.Join(list, ", "); got != want {
			t.Errorf("%q: %s\nwant %s", name, got, want)
		}
	}
}

func TestCandidatesSayWhy(t *testing.T) {
	plain := host("a.test", prefix("/"), prefix("/foo"), exact("/foo"), prefix("/foo/bar"), exact("/shop"), prefix("/slash/"), prefix("/Case"))
	regex := host("r.test", prefix("~/a/(.*)"), prefix("/a"), exact("/b"))
	regex.Regex = true
	table := compileHosts(t, plain, regex)
	for _, tt := range []struct{ host, path, kind, route, why string }{
		{"a.test", "/foo", "Exact", "/foo", "is the path"},
		{"a.test", "/foo", "Prefix", "/foo", "is the path, but Exact /foo is the path itself, and Exact"},
		{"a.test", "/foo", "Prefix", "/", "covers the path, but Exact /foo is the path itself, and Exact"},
		{"a.test", "/foo/bar/x", "Prefix", "/foo", "covers the path, but Prefix /foo/bar is longer"},
		{"a.test", "/foo/bar/x", "Exact", "/foo", "is Exact: /foo itself and nothing below it"},
		{"a.test", "/foobar", "Prefix", "/foo", "a Prefix covers whole elements: /foo/..., not /foo..."},
		{"a.test", "/slash", "Prefix", "/slash/", "is the path with a slash at its end"},
		{"a.test", "/slash", "Prefix", "/", "covers the path, but Prefix /slash/ lacks only the slash, and redirects go first"},
		{"a.test", "/case", "Prefix", "/Case", "differs in upper and lower case"},
		{"a.test", "/case", "Exact", "/shop", "is another path"},
		{"r.test", "/A/x", "Prefix", "/a/(.*)", "~*^/a/(.*) is the first that matches, in any case, open at its end"},
		{"r.test", "/A/x", "Prefix", "/a", "~*^/a matches, but stands behind: of regular expressions the longest text goes first"},
		{"r.test", "/A/x", "Exact", "/b", "~*^/b does not match"},
	} {
		list := table.Match(tt.host, "/").Host.Consider(tt.path)
		i := slices.IndexFunc(list, func(c Candidate) bool { return c.Route.Path == tt.route && c.Route.Type.String() == tt.kind })
		if i < 0 || list[i].Why != tt.why {
			t.Errorf("%s%s, %s %s: got %+v, want %q", tt.host, tt.path, tt.kind, tt.route, list, tt.why)
		}
	}
}

package route

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// naive matches a request by going through the whole configuration, sentence by sentence as
// ingress-nginx's behaviour is written down.
func naive(hosts []ir.VirtualHost, name, path string) string {
	h := naiveHost(hosts, name)
	if h == nil {
		return "404"
	}
	if h.Regex {
		return h.Name + " " + naiveRegex(h.Routes, path)
	}
	return h.Name + " " + naivePath(h.Routes, path)
}

func naiveHost(hosts []ir.VirtualHost, name string) *ir.VirtualHost {
	sorted := make([]*ir.VirtualHost, 0, len(hosts))
	for i := range hosts {
		sorted = append(sorted, &hosts[i])
	}
	slices.SortFunc(sorted, func(a, b *ir.VirtualHost) int { return strings.Compare(a.Name, b.Name) })
	wildcard := ""
	if m := regexp.MustCompile(`^[A-Za-z0-9_-]+\.(.*)$`).FindStringSubmatch(name); m != nil {
		wildcard = "*." + m[1]
	}
	for _, want := range []string{name, wildcard} {
		if want == "" {
			continue
		}
		for _, h := range sorted {
			if h.Name == want {
				return h
			}
		}
		for _, h := range sorted {
			if slices.Contains(h.Aliases, want) {
				return h
			}
		}
	}
	for _, h := range sorted {
		for _, alias := range h.Aliases {
			if expr, ok := strings.CutPrefix(alias, "~"); ok && name != "" && regexp.MustCompile("(?i)"+expr).MatchString(name) {
				return h
			}
		}
	}
	for _, h := range sorted {
		if h.Name == "" {
			return h
		}
	}
	return nil
}

func naivePath(routes []ir.Route, path string) string {
	for _, t := range []ir.PathType{ir.Exact, ir.Prefix} {
		for _, r := range routes {
			if r.Type == t && r.Path == path {
				return r.Type.String() + " " + r.Path
			}
		}
	}
	for _, t := range []ir.PathType{ir.Exact, ir.Prefix} {
		for _, r := range routes {
			if r.Type == t && r.Path == path+"/" {
				return r.Type.String() + " " + r.Path + " 301"
			}
		}
	}
	best := ""
	for _, r := range routes {
		elements := strings.TrimSuffix(r.Path, "/") + "/"
		if r.Type == ir.Prefix && strings.HasPrefix(path, elements) && len(r.Path) > len(best) {
			best = r.Path
		}
	}
	if best == "" {
		return "404"
	}
	return "Prefix " + best
}

func naiveRegex(routes []ir.Route, path string) string {
	sorted := slices.Clone(routes)
	slices.SortStableFunc(sorted, func(a, b ir.Route) int {
		if d := len(b.Path) - len(a.Path); d != 0 {
			return d
		}
		return strings.Compare(b.Path, a.Path)
	})
	hasExact := func(path string) bool {
		return slices.ContainsFunc(routes, func(r ir.Route) bool { return r.Type == ir.Exact && r.Path == path })
	}
	// Of routes with the same path a Prefix that was left only what is below goes first, then Exact.
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j].Path == sorted[i].Path {
			j++
		}
		group := sorted[i:j]
		for _, step := range []func(r ir.Route) (string, bool){
			func(r ir.Route) (string, bool) {
				return "^" + strings.TrimSuffix(r.Path, "/") + "/", r.Type == ir.Prefix && r.Literal && hasExact(r.Path)
			},
			func(r ir.Route) (string, bool) { return "^" + r.Path, r.Type == ir.Exact },
			func(r ir.Route) (string, bool) {
				return "^" + r.Path, r.Type == ir.Prefix && !(r.Literal && hasExact(r.Path))
			},
		} {
			for _, r := range group {
				if expr, ok := step(r); ok && regexp.MustCompile("(?i)"+expr).MatchString(path) {
					return r.Type.String() + " " + r.Path
				}
			}
		}
		i = j
	}
	return "404"
}

// The parts that tables and requests are made of: few, so that they meet, and with characters on both
// sides of "/" in the alphabet.
var (
	elements  = []string{"a", "b", "ab", "a-b", "a.b", "A", "é", "a!"}
	exprs     = []string{"a.*", "[ab]", "(a|b)", "a+", "b$", ".", "(/|$)(.*)", "[^/]+"}
	hostNames = []string{"", "a.test", "b.test", "*.test", "x.a.test", "*.a.test", "*.b.test"}
	aliases   = []string{"c.test", "y.a.test", "*.c.test", `~^r[0-9]+\.test$`, `~^r1\.`, `~\.deep\.test$`}
	requested = []string{
		"", "a.test", "b.test", "c.test", "x.a.test", "y.a.test", "z.a.test", "z.b.test", "z.c.test", "r1.test", "r2.test",
		"r1.x", "x.deep.test", "a+.test", ".test", "test", "d.e.f.test",
	}
)

// drawPath draws a path; parts are its elements.
func drawPath(t *rapid.T, parts []string, label string) string {
	path := ""
	for range rapid.IntRange(0, 4).Draw(t, label+" depth") {
		path += "/" + rapid.SampledFrom(parts).Draw(t, label+" element")
	}
	if path == "" || rapid.Bool().Draw(t, label+" slash") {
		path += "/"
	}
	return path
}

// drawRequest draws a path to ask for: any path, or one near a path that there is.
func drawRequest(t *rapid.T, hosts []ir.VirtualHost) string {
	if h := rapid.SampledFrom(hosts).Draw(t, "near"); len(h.Routes) > 0 {
		path := rapid.SampledFrom(h.Routes).Draw(t, "near route").Path
		switch rapid.IntRange(0, 5).Draw(t, "how near") {
		case 0:
			return path
		case 1:
			return path + "/"
		case 2:
			return path + "a"
		case 3:
			if bare := strings.TrimSuffix(path, "/"); bare != "" {
				return bare
			}
		}
	}
	return drawPath(t, elements, "request")
}

// drawHosts draws a configuration in which no name and no path is there twice.
func drawHosts(t *rapid.T) []ir.VirtualHost {
	var hosts []ir.VirtualHost
	taken := make(map[string]bool)
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(hostNames), 1, len(hostNames), rapid.ID).Draw(t, "names")
	for _, name := range names {
		h := host(name)
		h.Regex = rapid.IntRange(0, 2).Draw(t, "regex") == 0
		for _, alias := range rapid.SliceOfN(rapid.SampledFrom(aliases), 0, 2).Draw(t, "aliases") {
			if !taken[alias] {
				h.Aliases = append(h.Aliases, alias)
				taken[alias] = true
			}
		}
		for range rapid.IntRange(0, 50).Draw(t, "routes") {
			kind := ir.PathType(rapid.IntRange(0, 1).Draw(t, "type"))
			literal := !h.Regex || rapid.Bool().Draw(t, "literal")
			parts := elements
			if !literal {
				parts = append(slices.Clone(elements), exprs...)
			}
			r := newRoute(drawPath(t, parts, "route"), kind)
			r.Literal = literal
			key := name + " " + kind.String() + " " + r.Path
			if !taken[key] {
				taken[key] = true
				h.Routes = append(h.Routes, r)
			}
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// agrees is the property: the table finds what the naive matcher finds, in whatever order hosts and routes
// are listed.
func agrees(t *rapid.T) {
	hosts := drawHosts(t)
	env := &Env{Registry: upstream.NewRegistry()}
	table, _ := Compile(&ir.Config{Hosts: hosts}, env)
	shuffled := rapid.Permutation(hosts).Draw(t, "order of hosts")
	for i := range shuffled {
		shuffled[i].Routes = rapid.Permutation(shuffled[i].Routes).Draw(t, "order of routes")
	}
	other, _ := Compile(&ir.Config{Hosts: shuffled}, env)
	for range 20 {
		name := rapid.SampledFrom(requested).Draw(t, "host")
		path := drawRequest(t, hosts)
		want := naive(hosts, name, path)
		if got := describe(table.Match(name, path)); got != want {
			t.Fatalf("%s%s: got %q, want %q", name, path, got, want)
		}
		if got := describe(other.Match(name, path)); got != want {
			t.Fatalf("%s%s in another order: got %q, want %q", name, path, got, want)
		}
	}
}

func TestMatchAgreesWithTheNaiveMatcher(t *testing.T) { rapid.Check(t, agrees) }

// FuzzMatch is the same property for tables in a little language: a line that begins with a slash is a
// Prefix path, with "=" an Exact one, with "~" a Prefix that is meant as an expression and makes the host a
// regex host; any other line begins a host and has its name, then its aliases.
func FuzzMatch(f *testing.F) {
	f.Add("a.test b.test\n/\n/foo\n=/foo\n/foo-bar/", "a.test", "/foo/x")
	f.Add("*.test ~^r[0-9]+\n~/foo(/|$)(.*)\n/foo\n=/foo\n/", "x.test", "/FOO/bar")
	f.Add("\n/\na.test\n=/x/\n/x/\n/x/y", "", "/x")
	f.Add("r.test\n~/a|/b\n~/[ab]+\n/a.b\n=/a.b\n~/.*", "r.test", "/a.b")
	f.Fuzz(func(t *testing.T, spec, name, path string) {
		hosts, ok := parseHosts(spec)
		if !ok || len(path) > 200 || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\u212a\u017f") {
			return // the two letters are ASCII in another case to regexp, but not to nginx
		}
		table, _ := Compile(&ir.Config{Hosts: hosts}, &Env{Registry: upstream.NewRegistry()})
		if got, want := describe(table.Match(name, path)), naive(hosts, name, path); got != want {
			t.Fatalf("%q in %q%q: got %q, want %q", spec, name, path, got, want)
		}
	})
}

// parseHosts reads the language of FuzzMatch. It reports false for what the naive matcher does not cope with.
func parseHosts(spec string) ([]ir.VirtualHost, bool) {
	var hosts []ir.VirtualHost
	taken := make(map[string]bool)
	first := func(parts ...string) bool {
		key := strings.Join(parts, "\x00")
		was := taken[key]
		taken[key] = true
		return !was
	}
	for line := range strings.Lines(spec) {
		line = strings.TrimSuffix(line, "\n")
		kind := ir.Prefix
		switch {
		case line != "" && strings.ContainsRune("/=~", rune(line[0])):
			path, isExact := strings.CutPrefix(line, "=")
			if isExact {
				kind = ir.Exact
			}
			text := strings.TrimPrefix(path, "~")
			if len(hosts) == 0 || !strings.HasPrefix(text, "/") || !sharedSyntax(text) {
				return nil, false
			}
			h := &hosts[len(hosts)-1]
			h.Regex = h.Regex || text != path
			if first("path", h.Name, kind.String(), text) {
				h.Routes = append(h.Routes, newRoute(path, kind))
			}
		default:
			names := strings.Split(line, " ")
			if !first("host", names[0]) {
				return nil, false
			}
			h := host(names[0])
			for _, alias := range names[1:] {
				if expr, ok := strings.CutPrefix(alias, "~"); ok && !sharedSyntax(expr) || alias == "" || !first("alias", alias) {
					return nil, false
				}
				h.Aliases = append(h.Aliases, alias)
			}
			hosts = append(hosts, h)
		}
	}
	return hosts, true
}

// sharedSyntax reports whether regexp takes an expression as the tables do.
func sharedSyntax(expr string) bool {
	_, err := regexp.Compile("(?i)^" + expr)
	return err == nil && len(expr) < 100
}

package route

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/yettproxy/yett/proxy/ir"
)

func TestEntriesFillTwoCacheLines(t *testing.T) {
	if size, second := unsafe.Sizeof(nameEntry{}), unsafe.Offsetof(nameEntry{}.routes); size != 128 || second != 64 {
		t.Errorf("an entry takes %d bytes, its second line begins at %d; want 128 and 64", size, second)
	}
}

// TestWhatDoesNotFitAnEntryIsFoundAllTheSame compares hosts at the limits of an entry with those just over them.
func TestWhatDoesNotFitAnEntryIsFoundAllTheSame(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n-len(".test")) + ".test" }
	path := func(n int) string { return "/" + strings.Repeat("p", n-1) }
	for name, c := range map[string]struct {
		name   string
		routes []ir.Route
		inside bool // an entry has the paths
		want   map[string]string
	}{
		"a name that just fits":          {long(nameRoom), []ir.Route{prefix("/")}, true, map[string]string{"/x": "Prefix /"}},
		"a name that is too long":        {long(nameRoom + 1), []ir.Route{prefix("/")}, false, map[string]string{"/x": "Prefix /"}},
		"a wildcard that is too long":    {"*." + long(nameRoom+1), []ir.Route{prefix("/")}, false, map[string]string{"/x": "Prefix /"}},
		"three paths":                    {"a.test", []ir.Route{prefix("/"), prefix("/a"), exact("/a")}, true, map[string]string{"/a": "Exact /a", "/a/b": "Prefix /a", "/b": "Prefix /"}},
		"a slash at the end counts":      {"a.test", []ir.Route{prefix("/"), prefix("/a/")}, true, map[string]string{"/a": "Prefix /a/ 301", "/a/b": "Prefix /a/", "/ab": "Prefix /"}},
		"four paths":                     {"a.test", []ir.Route{prefix("/"), prefix("/a"), prefix("/b"), prefix("/c")}, false, map[string]string{"/c/d": "Prefix /c", "/d": "Prefix /"}},
		"paths that just fit":            {"a.test", []ir.Route{prefix("/"), prefix(path(pathRoom - 1))}, true, map[string]string{path(pathRoom - 1): "Prefix " + path(pathRoom-1), path(pathRoom): "Prefix /"}},
		"paths that are too long":        {"a.test", []ir.Route{prefix("/"), prefix(path(pathRoom))}, false, map[string]string{path(pathRoom): "Prefix " + path(pathRoom), path(pathRoom - 1): "Prefix /"}},
		"a host without a route for '/'": {"a.test", []ir.Route{exact("/a")}, true, map[string]string{"/": "404", "/a": "Exact /a", "/a/": "404"}},
		"a host without any route":       {"a.test", nil, true, map[string]string{"/": "404"}},
	} {
		t.Run(name, func(t *testing.T) {
			table := compileHosts(t, host(c.name, c.routes...), host("b.test", prefix("/")))
			asked := strings.Replace(c.name, "*", "w", 1)
			if e, h := table.hosts.named(asked); h == nil || (e != nil && e.count != viaHost) != c.inside {
				t.Errorf("entry %v of host %v, want the paths in it: %v", e != nil, h, c.inside)
			}
			for path, want := range c.want {
				if got := describe(table.Match(asked, path)); got != c.name+" "+want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}

package ingress

import (
	"fmt"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestPathTypeExamples is the table of the section "Path types", "Examples": every row. Exact is the whole path, with case;
// Prefix is element by element, whatever slash it ends with. Three rows are decided as ingress-nginx does: where the path ends
// with a slash, a client that leaves it out is sent there (docs/differences.md).
func TestPathTypeExamples(t *testing.T) {
	const moved = -2
	rows := []struct {
		kind    networkingv1.PathType
		paths   string // of the rule; the Service is named by the number of the path
		request string
		want    int // number of the path that matches, -1 for none, moved for the row's path itself
	}{
		{prefix, "/", "/", 0},
		{prefix, "/", "/any/path", 0},
		{exact, "/foo", "/foo", 0},
		{exact, "/foo", "/bar", -1},
		{exact, "/foo", "/foo/", -1},
		{exact, "/foo/", "/foo", moved},
		{prefix, "/foo", "/foo", 0},
		{prefix, "/foo", "/foo/", 0},
		{prefix, "/foo/", "/foo", moved},
		{prefix, "/foo/", "/foo/", 0},
		{prefix, "/aaa/bb", "/aaa/bbb", -1},
		{prefix, "/aaa/bbb", "/aaa/bbb", 0},
		{prefix, "/aaa/bbb/", "/aaa/bbb", moved},
		{prefix, "/aaa/bbb", "/aaa/bbb/", 0},
		{prefix, "/aaa/bbb", "/aaa/bbb/ccc", 0},
		{prefix, "/aaa/bbb", "/aaa/bbbxyz", -1},
		{prefix, "/ /aaa", "/aaa/ccc", 1},
		{prefix, "/ /aaa /aaa/bbb", "/aaa/bbb", 2},
		{prefix, "/ /aaa /aaa/bbb", "/ccc", 0},
		{prefix, "/aaa", "/ccc", -1},
	}
	s := newStage(t)
	s.deploy("path-0", "path-1", "path-2")
	var rules []networkingv1.IngressRule
	for i, row := range rows {
		var paths []networkingv1.HTTPIngressPath
		for n, path := range strings.Fields(row.paths) {
			paths = append(paths, harness.Path(row.kind, path, fmt.Sprintf("path-%d", n)))
		}
		rules = append(rules, harness.Rule(fmt.Sprintf("row-%d.test", i), paths...))
	}
	mixed := harness.Rule("mixed.test", harness.Path(prefix, "/foo", "path-0"), harness.Path(exact, "/foo", "path-1"))
	s.ingress("examples", append(rules, mixed)...)
	for i, row := range rows {
		want := fmt.Sprintf("path-%d", row.want)
		if row.want < 0 {
			want = "404"
		}
		t.Run(fmt.Sprintf("%s %s asked for %s", row.kind, row.paths, row.request), func(t *testing.T) {
			host, request := fmt.Sprintf("row-%d.test", i), row.request
			if row.want == moved {
				r := s.want(host, request, "301")
				if got, ok := strings.CutPrefix(r.header.Get("Location"), "http://"+host); !ok || got != row.paths {
					t.Fatalf("sent to %q, want %q", r.header.Get("Location"), row.paths)
				}
				request, want = row.paths, "path-0"
			}
			if got, _ := s.ask(false, host, request); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	t.Run("Prefix and Exact /foo asked for /foo", func(t *testing.T) {
		s.want("mixed.test", "/foo", "path-1")
		s.want("mixed.test", "/foo/", "path-0")
		s.want("mixed.test", "/foo/bar", "path-0")
	})
}

// TestPathsMatchWithCase is the section "Path types": both types compare with case.
func TestPathsMatchWithCase(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	s.ingress("case", harness.Rule("foo.bar.com", harness.Path(exact, "/Foo", "a"), harness.Path(prefix, "/Bar", "a")))
	s.want("foo.bar.com", "/Foo", "a")
	s.want("foo.bar.com", "/foo", "404")
	s.want("foo.bar.com", "/Bar/x", "a")
	s.want("foo.bar.com", "/bar/x", "404")
}

// TestMultipleMatches is the section "Multiple matches": the longest path goes first; of two that are equal, Exact goes
// before Prefix. The order in which they are written says nothing.
func TestMultipleMatches(t *testing.T) {
	s := newStage(t)
	s.deploy("root", "foo", "bar", "exact")
	paths := []networkingv1.HTTPIngressPath{
		harness.Path(prefix, "/", "root"), harness.Path(prefix, "/foo", "foo"), harness.Path(prefix, "/foo/bar", "bar"), harness.Path(exact, "/foo/bar", "exact"),
	}
	backwards := []networkingv1.HTTPIngressPath{paths[3], paths[2], paths[1], paths[0]}
	s.ingress("multiple", harness.Rule("forwards.test", paths...), harness.Rule("backwards.test", backwards...))
	for _, host := range []string{"forwards.test", "backwards.test"} {
		for target, want := range map[string]string{
			"/": "root", "/fo": "root", "/foobar": "root", "/foo": "foo", "/foo/": "foo", "/foo/ba": "foo", "/foo/barn": "foo",
			"/foo/bar": "exact", "/foo/bar/": "bar", "/foo/bar/baz": "bar", "/foo/bar?q": "exact",
		} {
			s.want(host, target, want)
		}
	}
}

// TestImplementationSpecific is the section "Path types": what this type means is up to the class; it may be treated
// as its own type or as Prefix or Exact. Here, as in ingress-nginx, it is a prefix.
func TestImplementationSpecific(t *testing.T) {
	s := newStage(t)
	s.deploy("a", "b")
	s.ingress("specific", harness.Rule("foo.bar.com", harness.Path(specific, "/a", "a"), harness.Path(exact, "/a/b", "b")),
		harness.Rule("bare.bar.com", networkingv1.HTTPIngressPath{PathType: typed(specific), Backend: harness.ToService("a", networkingv1.ServiceBackendPort{Number: 80})}))
	s.want("foo.bar.com", "/a", "a")
	s.want("foo.bar.com", "/a/c", "a")
	s.want("foo.bar.com", "/a/b", "b")
	s.want("foo.bar.com", "/b", "404")
	s.want("bare.bar.com", "/whatever", "a") // the path may be left out for this type
}

// TestPathsWithoutAValidTypeAreRefused is the section "Path types": every path must have a type, and paths of Exact and
// Prefix begin with a slash. The API server sees to it.
func TestPathsWithoutAValidTypeAreRefused(t *testing.T) {
	s := newStage(t)
	untyped := harness.Path(prefix, "/", "a")
	untyped.PathType = nil
	for what, path := range map[string]networkingv1.HTTPIngressPath{
		"no type": untyped, "another type": harness.Path("Suffix", "/", "a"), "no slash": harness.Path(prefix, "foo", "a"), "no path": harness.Path(exact, "", "a"),
		"a step up": harness.Path(prefix, "/foo/../bar", "a"), "two slashes": harness.Path(prefix, "/foo//bar", "a"),
	} {
		if err := s.Create(t.Context(), s.object("refused", harness.Rule("foo.bar.com", path))); err == nil {
			t.Errorf("%s: the API server took it", what)
		}
	}
}

// typed returns a pointer to a path type.
func typed(kind networkingv1.PathType) *networkingv1.PathType { return &kind }

package arch

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rules are all rules by name.
var rules = map[string]func([]*Package) []string{
	"imports go down only": Floors, "the data plane knows no Kubernetes": Kubernetes, "the data plane does not use net/http": HTTP,
	"packages are documented": Documented, "files are short": Short, "there is no func init": Initializers, "packages have no state": State,
}

func TestTheCodeKeepsTheRules(t *testing.T) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Load(filepath.Dir(strings.TrimSpace(string(gomod))))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 20 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			violations := rule(packages)
			slices.Sort(violations)
			for _, v := range violations {
				t.Error(v)
			}
		})
	}
}

// fake returns a package with one file.
func fake(t *testing.T, path, source string, imports ...string) *Package {
	t.Helper()
	f, err := parseSource(path+"/x.go", source)
	if err != nil {
		t.Fatal(err)
	}
	return &Package{Path: path, Name: f.Name.Name, Imports: imports, Files: []*File{f}}
}

func TestTheRulesFindWhatTheyLookFor(t *testing.T) {
	const clean = "// Package x does x.\npackage x\n"
	for name, tt := range map[string]struct {
		rule func([]*Package) []string
		pkg  *Package
		want string
	}{
		"an import upwards":        {Floors, fake(t, "proxy/wire", clean, Module+"/proxy/filter"), "imports go down only"},
		"an import sideways":       {Floors, fake(t, "annotations/cors", clean, Module+"/annotations/rewrite"), "imports go down only"},
		"an import of test code":   {Floors, fake(t, "cmd/yett", clean, Module+"/hack/arch"), "for tests"},
		"a package without floor":  {Floors, fake(t, "extras", clean), "no floor"},
		"a family below a family":  {Floors, fake(t, "annotations/cors/deep", clean), "no floor"},
		"Kubernetes":               {Kubernetes, fake(t, "annotations/cors", clean, "k8s.io/api/core/v1"), "knows Kubernetes"},
		"net/http":                 {HTTP, fake(t, "proxy/wire", clean+"import \"net/http\"\nvar v http.Header\n"), "http.Header"},
		"no documentation":         {Documented, fake(t, "proxy/wire", "package x\n"), "doc.go"},
		"other documentation":      {Documented, fake(t, "proxy/wire", "// Does x.\npackage x\n"), "doc.go"},
		"a long file":              {Short, fake(t, "proxy/wire", clean+strings.Repeat("\n", 500)), "501 are"},
		"func init":                {Initializers, fake(t, "proxy/wire", clean+"func init() {}\n"), "func init"},
		"an assignment":            {State, fake(t, "proxy/wire", clean+"var v int\nfunc f() { v = 1 }\n"), "writes v"},
		"an increment":             {State, fake(t, "proxy/wire", clean+"var v int\nfunc f() { v++ }\n"), "writes v"},
		"an element":               {State, fake(t, "proxy/wire", clean+"var v map[int]int\nfunc f() { v[1] = 1 }\n"), "writes v"},
		"a field behind a pointer": {State, fake(t, "proxy/wire", clean+"var v *struct{ a int }\nfunc f() { (*v).a = 1 }\n"), "writes v"},
		"a deletion":               {State, fake(t, "proxy/wire", clean+"var v map[int]int\nfunc f() { delete(v, 1) }\n"), "writes v"},
		"a lock":                   {State, fake(t, "proxy/wire", clean+"var v sync.Mutex\n"), "sync.Mutex"},
		"an atomic pointer":        {State, fake(t, "proxy/wire", clean+"var v atomic.Pointer[int]\n"), "atomic.Pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a long file" {
				tt.want = "502 lines"
			}
			found := tt.rule([]*Package{tt.pkg})
			if len(found) != 1 || !strings.Contains(found[0], tt.want) {
				t.Errorf("found %q, want one with %q", found, tt.want)
			}
		})
	}
}

func TestTheRulesLeaveGoodCodeAlone(t *testing.T) {
	const source = `// Package x does x.
package x

import "net/http"

var table = map[string]int{"a": http.StatusOK}

var transport http.RoundTripper

func f() int {
	table := map[string]int{}
	table["b"] = 2
	v := 1
	v++
	func(v int) { v = 2 }(v)
	return table["b"]
}

func (t *thing) init() {}
`
	p := fake(t, "proxy/route", source, Module+"/proxy/ir", Module+"/proxy/observe", "net/netip")
	for name, rule := range rules {
		if found := rule([]*Package{p}); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
	}
}

func TestFloorsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range floors {
		for _, p := range line {
			if seen[p] || isOutside(p) {
				t.Errorf("%s stands twice", p)
			}
			seen[p] = true
		}
	}
	for path, want := range map[string]string{"annotations/feature": "annotations/feature", "annotations/cors": "annotations/*", "controllers/store": "controllers/store"} {
		if i := floor(path); i < 0 || !slices.Contains(floors[i], want) {
			t.Errorf("%s is on floor %d", path, i)
		}
	}
}

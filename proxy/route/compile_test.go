package route

import (
	"errors"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/upstream"
)

// spec is a filter for tests. Its filter writes its name into the header "Order" of the response, once for the
// request and once for the response, if it is a response filter.
type spec struct {
	name  string
	phase filter.Phase
	err   error
	panic bool
	none  bool
	kind  string // what the filter implements besides: "response", "finish", "address", "credentials"
	// status is what an access filter answers; 0 lets the request go on.
	status int
	env    *filter.Env
}

func (s *spec) Phase() filter.Phase { return s.phase }
func (s *spec) String() string      { return "test " + s.name }
func (s *spec) New(env *filter.Env) (filter.Filter, error) {
	s.env = env
	switch {
	case s.panic:
		panic("boom")
	case s.err != nil:
		return nil, s.err
	case s.none:
		return nil, nil
	}
	f := passing{s}
	switch s.kind {
	case "response":
		return responding{f}, nil
	case "finish":
		return finishing{f}, nil
	case "address":
		return access{f, filter.ByAddress}, nil
	case "credentials":
		return access{f, filter.ByCredentials}, nil
	case "access that responds":
		return accessResponding{access{f, filter.ByCredentials}}, nil
	case "access that finishes":
		return accessFinishing{access{f, filter.ByCredentials}}, nil
	}
	return f, nil
}

type passing struct{ spec *spec }

func (f passing) Request(x *filter.Exchange) filter.Action {
	x.Overrides.Add("Asked", f.spec.name)
	if f.spec.status == 0 {
		return filter.Continue
	}
	switch {
	case f.spec.status == 401:
		x.Reply(401)
		x.Response.Fields.Add("WWW-Authenticate", f.spec.name)
	case f.spec.status < 400:
		x.RedirectTo(f.spec.status, "/"+f.spec.name)
	default:
		x.Reply(f.spec.status)
	}
	return filter.Done
}

type responding struct{ passing }

func (f responding) Response(x *filter.Exchange) { x.Response.Fields.Add("Order", f.spec.name) }

type finishing struct{ passing }

func (f finishing) Finish(x *filter.Exchange) {}

type access struct {
	passing
	kind filter.AccessKind
}

func (f access) AccessKind() filter.AccessKind { return f.kind }

type accessResponding struct{ access }

func (f accessResponding) Response(x *filter.Exchange) { x.Response.Fields.Add("Order", f.spec.name) }

type accessFinishing struct{ access }

func (f accessFinishing) Finish(x *filter.Exchange) {}

// compileRoute compiles one route of the host a.test.
func compileRoute(t *testing.T, r ir.Route) (*Route, []Problem) {
	t.Helper()
	h := host("a.test", r)
	h.TLS = true
	cfg := &ir.Config{Hosts: []ir.VirtualHost{h}, Settings: ir.DefaultSettings()}
	table, problems := Compile(cfg, &Env{Registry: upstream.NewRegistry(), State: filter.NewState()})
	return table.Match("a.test", r.Path).Route, problems
}

func TestFiltersRunInTheOrderOfTheirPhases(t *testing.T) {
	r := prefix("/")
	for _, s := range []*spec{
		{name: "header", phase: filter.Header, kind: "response"}, {name: "access1", phase: filter.Access, kind: "finish"},
		{name: "trust", phase: filter.Trust}, {name: "access2", phase: filter.Access, kind: "response"},
		{name: "limit", phase: filter.Limit, kind: "finish"}, {name: "access3", phase: filter.Access},
	} {
		r.Filters = append(r.Filters, s)
	}
	got, problems := compileRoute(t, r)
	if len(problems) > 0 || got.Deny != 0 {
		t.Fatalf("problems %+v, deny %d", problems, got.Deny)
	}
	var order []string
	for _, f := range got.Filters {
		x := new(filter.Exchange)
		f.Request(x)
		order = append(order, x.Overrides.At(0).Value)
	}
	if s := strings.Join(order, " "); s != "trust limit access1 access2 access3 header" {
		t.Errorf("request order %q", s)
	}
	x := new(filter.Exchange)
	for _, f := range got.Response {
		f.Response(x)
	}
	if x.Response.Fields.Len() != 2 || x.Response.Fields.At(0).Value != "header" || x.Response.Fields.At(1).Value != "access2" {
		t.Errorf("response order %+v", x.Response.Fields.All())
	}
	if len(got.Finishers) != 2 || got.Finishers[0].Index != 1 || got.Finishers[1].Index != 2 {
		t.Errorf("finishers %+v", got.Finishers)
	}
	if r.Filters[0].(*spec).name != "header" {
		t.Error("compiling changed the configuration")
	}
}

func TestFiltersGetTheEnvironmentOfTheirRoute(t *testing.T) {
	s := &spec{name: "f"}
	r := prefix("/")
	r.Filters = []filter.Spec{s}
	got, _ := compileRoute(t, r)
	if s.env.Route != &got.Origin || !s.env.HostHasTLS || s.env.State == nil || s.env.HTTPSPort != 443 {
		t.Errorf("env %+v", s.env)
	}
}

func TestRouteThatCannotBeBuiltAnswers503(t *testing.T) {
	tests := map[string]struct {
		change func(*ir.Route)
		reason string
	}{
		"a filter that fails": {func(r *ir.Route) {
			r.Filters = []filter.Spec{&spec{name: "good"}, &spec{name: "bad", phase: filter.Access, err: errors.New("no users")}}
		}, "build access filter test bad: no users"},
		"a filter that panics": {func(r *ir.Route) { r.Filters = []filter.Spec{&spec{name: "bad", panic: true}} }, "panic: boom"},
		"a filter that is not there": {func(r *ir.Route) {
			r.Filters = []filter.Spec{&spec{name: "bad", none: true}}
		}, "there is none"},
		"a spec that is nil": {func(r *ir.Route) { r.Filters = []filter.Spec{nil, nil} }, "filters cannot be put in order"},
		"access filters that cannot be combined": {func(r *ir.Route) {
			r.SatisfyAny = true
			r.Filters = []filter.Spec{&spec{kind: "address"}, &spec{kind: "access that finishes"}}
		}, "satisfy: any"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prefix("/admin")
			tt.change(&r)
			got, problems := compileRoute(t, r)
			if got.Deny != 503 || !strings.Contains(got.DenyReason, tt.reason) {
				t.Errorf("deny %d %q, want 503 and %q", got.Deny, got.DenyReason, tt.reason)
			}
			if got.Filters != nil || got.Split.Primary() != nil {
				t.Error("it still has filters or an upstream")
			}
			if len(problems) != 1 || problems[0].Origin.Path != "/admin" || !strings.Contains(problems[0].Reason, tt.reason) {
				t.Errorf("problems %+v", problems)
			}
		})
	}
}

func TestExpressionThatDoesNotCompileDeniesWhatItsLiteralPartCovers(t *testing.T) {
	h := host("a.test", prefix("~/admin/(.*"), prefix("/"), prefix("~/x.*"))
	h.Regex = true
	table, problems := Compile(&ir.Config{Hosts: []ir.VirtualHost{h}}, &Env{Registry: upstream.NewRegistry()})
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, `"/admin/"`) || !strings.Contains(problems[0].Reason, "missing closing )") {
		t.Errorf("problems %+v", problems)
	}
	for path, want := range map[string]int{"/admin/x": 503, "/ADMIN/": 503, "/admin": 0, "/": 0, "/x": 0} {
		if m := table.Match("a.test", path); m.Route == nil || m.Route.Deny != want {
			t.Errorf("%s: %q, want %d", path, describe(m), want)
		}
	}
}

func TestWhatIsThereTwiceIsReportedAndTheFirstWins(t *testing.T) {
	service := func(r ir.Route, name string) ir.Route {
		r.Origin.Service = name
		return r
	}
	regex := host("r.test", service(prefix("~/a+"), "first"), service(prefix("~/a+"), "second"))
	regex.Regex = true
	one, two, three := host("one.test", prefix("/")), host("two.test", prefix("/")), host("one.test", exact("/x"))
	one.Aliases = []string{"alias.test", "two.test", "one.test", "", "~("}
	two.Aliases = []string{"alias.test", "*.two.test"}
	table, problems := Compile(&ir.Config{Hosts: []ir.VirtualHost{
		two, one, three, regex,
		host("d.test", service(prefix("/a"), "first"), service(exact("/a"), "exact"), service(prefix("/a"), "second")),
	}}, &Env{Registry: upstream.NewRegistry()})

	for request, want := range map[[2]string]string{
		{"two.test", "/x"}: "two.test", {"alias.test", "/x"}: "one.test", {"one.test", "/x"}: "one.test",
		{"x.two.test", "/x"}: "two.test",
	} {
		if m := table.Match(request[0], request[1]); m.Host == nil || m.Host.Name != want {
			t.Errorf("%v: %q, want %q", request, describe(m), want)
		}
	}
	for _, request := range [][2]string{{"r.test", "/aa"}, {"d.test", "/a/b"}} {
		if m := table.Match(request[0], request[1]); m.Route == nil || m.Route.Origin.Service != "first" {
			t.Errorf("%v: %q", request, describe(m))
		}
	}
	wanted := []string{
		`one.test: the host is there twice`, `one.test: server-alias "two.test"`, `one.test: server-alias has no effect: regular expression "("`,
		`two.test: server-alias "alias.test"`, `r.test: Prefix path "/a+" is there twice`, `d.test: Prefix path "/a" is there twice`,
	}
	for _, want := range wanted {
		found := false
		for _, p := range problems {
			found = found || strings.HasPrefix(p.Origin.Host+": "+p.Reason, want)
		}
		if !found {
			t.Errorf("no problem %q in %+v", want, problems)
		}
	}
	if len(problems) != len(wanted) {
		t.Errorf("%d problems, want %d: %+v", len(problems), len(wanted), problems)
	}
}

func TestRoutesCarryWhatTheConfigSays(t *testing.T) {
	registry := upstream.NewRegistry()
	a, b := prefix("/a"), prefix("/b")
	a.Backend.Default = upstream.Key{Namespace: "ns", Service: "spare", Port: "80"}
	b.Backend = ir.Backend{Missing: 404}
	b.AccessLog = false
	denied, other := prefix("/c"), prefix("/d")
	denied.Deny, denied.DenyReason = 403, "says translate"
	denied.Filters = []filter.Spec{&spec{name: "never built", panic: true}}
	other.Policy.MaxBody = 7
	other.Backend = ir.Backend{}
	table, problems := Compile(&ir.Config{Hosts: []ir.VirtualHost{host("a.test", a, b, denied, other)}}, &Env{Registry: registry})
	if len(problems) > 0 {
		t.Errorf("problems %+v", problems)
	}
	get := func(path string) *Route { return table.Match("a.test", path).Route }
	if r := get("/a"); r.Split.Primary() != registry.Lookup(a.Backend.Upstream) || r.Default != registry.Lookup(a.Backend.Default) || r.Default == nil || !r.AccessLog {
		t.Errorf("/a: %+v", r)
	}
	if r := get("/b"); r.Split.Primary() != nil || r.Missing != 404 || r.AccessLog {
		t.Errorf("/b: %+v", r)
	}
	if r := get("/c"); r.Deny != 403 || r.DenyReason != "says translate" || r.Filters != nil {
		t.Errorf("/c: %+v", r)
	}
	if r := get("/d"); r.Missing != 503 || r.Policy.MaxBody != 7 {
		t.Errorf("/d: %+v", r)
	}
	if get("/a").Policy != get("/b").Policy || get("/a").Policy == get("/d").Policy {
		t.Error("policies are not shared by those and only those that have the same")
	}
	if table.Routes != 4 || len(table.Hosts) != 1 {
		t.Errorf("%d routes, %d hosts", table.Routes, len(table.Hosts))
	}
}

func TestPlansOfTheForwarder(t *testing.T) {
	f := forward.New(forward.Options{})
	t.Cleanup(f.Close)
	good, bad, empty, spare := prefix("/good"), prefix("/bad"), prefix("/empty"), prefix("/spare")
	good.Policy.Host = "$host"
	bad.Policy.Host = "$no_such_variable"
	empty.Backend = ir.Backend{}
	spare.Backend = ir.Backend{Default: upstream.Key{Service: "spare"}}
	table, problems := Compile(
		&ir.Config{Hosts: []ir.VirtualHost{host("a.test", good, bad, empty, spare)}}, &Env{Registry: upstream.NewRegistry(), Forwarder: f},
	)
	if r := table.Match("a.test", "/good").Route; r.Plan == nil || r.Plan.Policy != r.Policy || r.Plan.Host == nil || r.Deny != 0 {
		t.Errorf("/good: %+v", r)
	}
	if r := table.Match("a.test", "/bad").Route; r.Plan != nil || r.Deny != 503 || r.Split.Primary() != nil {
		t.Errorf("/bad: %+v", r)
	}
	if r := table.Match("a.test", "/empty").Route; r.Plan != nil || r.Deny != 0 {
		t.Errorf("/empty: %+v", r)
	}
	if r := table.Match("a.test", "/spare").Route; r.Plan == nil || r.Split.Primary() == nil || r.Split.Primary() != r.Default {
		t.Errorf("/spare: %+v", r)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "$no_such_variable") {
		t.Errorf("problems %+v", problems)
	}
}

func TestPatternsOutliveTables(t *testing.T) {
	h := host("a.test", prefix("~/a(.*)"))
	h.Regex = true
	env := &Env{Registry: upstream.NewRegistry(), State: filter.NewState()}
	compiled := func() *pattern.Pattern {
		table, _ := Compile(&ir.Config{Hosts: []ir.VirtualHost{h}}, env)
		return table.Hosts[0].regexes.entries[0].pattern
	}
	if first := compiled(); first != compiled() {
		t.Error("the pattern was compiled twice")
	}
}

package route

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/clientcert"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Env is what Compile takes from and adds to: everything that outlives tables. Only Registry must be set.
type Env struct {
	// Registry has the upstreams; those that routes name are made.
	Registry *upstream.Registry
	// State keeps what filters remember, and compiled patterns. Without it every pattern is compiled anew.
	State *filter.State
	// Metrics has the handles of routes.
	Metrics *observe.Metrics
	// HTTP sends requests of the filters' own.
	HTTP http.RoundTripper
	// Errors is told of what goes wrong with filters beside single requests; nil for nobody.
	Errors func(error)
	// Copies counts what filters send to mirrors.
	Copies *filter.Copies
	// Forwarder compiles how the requests of routes are forwarded; nil leaves routes without a Plan.
	Forwarder Planner
	// Context ends when the proxy stops.
	Context context.Context
	// Explain keeps in every Route what its filters were made from (Route.Specs). A table that serves does without.
	Explain bool
}

// Planner is what a table needs of forward.Forwarder.
type Planner interface {
	// Compile makes a Spec ready for use, or says why not in words for the user.
	Compile(forward.Spec) (*forward.Plan, error)
}

var _ Planner = (*forward.Forwarder)(nil)

// Problem is something in a Config that could not be compiled, or that has no effect.
type Problem struct {
	// Origin is the route it is about. For a host it has only Host.
	Origin filter.Origin
	// Reason says what is wrong, and what comes of it.
	Reason string
}

// compiler is the state of one Compile.
type compiler struct {
	env      *Env
	settings *ir.Settings
	problems []Problem
	policies map[ir.Policy]*ir.Policy
	last     *ir.Policy
	// upstreams are the settings of upstreams by their keys.
	upstreams map[upstream.Key]*ir.Upstream
	// recent is the upstream asked for last: the routes of a host mostly lead to the same.
	recent target
	// names are the names of hosts that are taken.
	names takenNames
}

// target is an upstream with its settings.
type target struct {
	upstream *upstream.Upstream
	settings *ir.Upstream
}

// Compile compiles a configuration. Of two hosts or aliases with the same name, and of two routes with
// the same path and type, the first wins and the other is reported. The order of hosts and routes does not
// matter otherwise.
func Compile(cfg *ir.Config, env *Env) (*Table, []Problem) {
	c := &compiler{
		env: env, settings: &cfg.Settings,
		policies: make(map[ir.Policy]*ir.Policy), upstreams: make(map[upstream.Key]*ir.Upstream, len(cfg.Upstreams)),
	}
	for i := range cfg.Upstreams {
		c.upstreams[cfg.Upstreams[i].Key] = &cfg.Upstreams[i]
	}
	hosts := make([]*ir.VirtualHost, len(cfg.Hosts))
	for i := range cfg.Hosts {
		hosts[i] = &cfg.Hosts[i]
	}
	slices.SortStableFunc(hosts, func(a, b *ir.VirtualHost) int { return cmp.Compare(a.Name, b.Name) })

	t := &Table{Hosts: make([]*VirtualHost, 0, len(hosts))}
	c.names = takenNames{exact: make(map[string]*VirtualHost, len(hosts)), wildcards: make(map[string]*VirtualHost)}
	kept := hosts[:0]
	for _, spec := range hosts {
		h := c.host(spec)
		if !t.hosts.add(&c.names, spec.Name, h) {
			c.hostProblem(spec.Name, "the host is there twice: its second part has no effect")
			continue
		}
		c.routes(t, h, spec)
		t.Hosts, kept = append(t.Hosts, h), append(kept, spec)
	}
	// Aliases come last, so that they never take a name from a host.
	for i, spec := range kept {
		for _, alias := range spec.Aliases {
			c.alias(t, t.Hosts[i], alias)
		}
	}
	t.hosts.seal(&c.names)
	return t, c.problems
}

// host makes a virtual host without its routes.
func (c *compiler) host(spec *ir.VirtualHost) *VirtualHost {
	h := &VirtualHost{
		Name: spec.Name, TLS: spec.TLS, AppRoot: spec.AppRoot, RedirectHost: spec.RedirectHost,
		RedirectCode: spec.RedirectCode, Deny: spec.Deny, Regex: spec.Regex,
	}
	if spec.ClientAuth.Mode != ir.VerifyNone {
		var err error
		if h.Guard, err = c.guard(&spec.ClientAuth); err != nil {
			c.hostProblem(spec.Name, "the host answers 403, since nobody can check certificates of clients: "+err.Error())
			h.Deny = 403
		}
	}
	return h
}

// guardKey is what guards are remembered by: one that is the same in the next table still knows what its connections
// brought.
type guardKey struct{ spec ir.ClientAuth }

// guardMemo is a guard, or why there is none.
type guardMemo struct {
	guard *clientcert.Guard
	err   error
}

// guard compiles what guards a host, or finds it as an earlier table left it.
func (c *compiler) guard(spec *ir.ClientAuth) (*clientcert.Guard, error) {
	if c.env.State == nil {
		return clientcert.Compile(spec)
	}
	m := filter.StateFor(c.env.State, guardKey{*spec}, func() guardMemo {
		g, err := clientcert.Compile(spec)
		return guardMemo{g, err}
	})
	return m.guard, m.err
}

// alias makes the host answer to another name.
func (c *compiler) alias(t *Table, h *VirtualHost, name string) {
	if expr, ok := strings.CutPrefix(name, "~"); ok {
		p, err := c.pattern(expr, true)
		if err != nil {
			c.hostProblem(h.Name, "server-alias has no effect: "+err.Error())
			return
		}
		t.hosts.regexes = append(t.hosts.regexes, hostPattern{p, h})
		return
	}
	if name == "" || name == h.Name {
		return
	}
	if !t.hosts.add(&c.names, name, h) {
		c.hostProblem(h.Name, "server-alias "+quote(name)+" has no effect: the name belongs to another host")
	}
}

// routes builds and indexes the routes of a host.
func (c *compiler) routes(t *Table, h *VirtualHost, spec *ir.VirtualHost) {
	duplicate := func(r *Route) {
		c.problem(r, r.Type.String()+" path "+quote(r.Path)+" is there twice: this one has no effect")
	}
	t.Routes += len(spec.Routes)
	if h.Regex {
		locations := make([]location, len(spec.Routes))
		for i := range spec.Routes {
			s := &spec.Routes[i]
			locations[i] = location{route: c.route(s, spec), literal: s.Literal}
		}
		h.regexes = c.newRegexIndex(locations, duplicate)
		return
	}
	routes := make([]*Route, len(spec.Routes))
	for i := range spec.Routes {
		routes[i] = c.route(&spec.Routes[i], spec)
	}
	h.paths = newPathIndex(routes, duplicate)
}

// target returns the upstream of a key. One that the configuration does not list has no settings.
func (c *compiler) target(key upstream.Key) target {
	if c.recent.upstream != nil && c.recent.settings.Key == key {
		return c.recent
	}
	t := target{c.env.Registry.Upstream(key), c.upstreams[key]}
	if t.settings == nil {
		t.settings = &ir.Upstream{Key: key}
	}
	c.recent = t
	return t
}

// pattern compiles an expression, or finds it as an earlier table left it.
func (c *compiler) pattern(expr string, fold bool) (*pattern.Pattern, error) {
	if c.env.State == nil {
		return pattern.Compile(expr, fold)
	}
	m := filter.StateFor(c.env.State, patternKey{expr, fold}, func() patternMemo {
		p, err := pattern.Compile(expr, fold)
		return patternMemo{p, err}
	})
	return m.pattern, m.err
}

// patternKey is what a compiled pattern is known by in filter.State.
type patternKey struct {
	expr string
	fold bool
}

// patternMemo is a compiled pattern, or why it does not compile.
type patternMemo struct {
	pattern *pattern.Pattern
	err     error
}

// problem reports something about a route.
func (c *compiler) problem(r *Route, reason string) {
	c.problems = append(c.problems, Problem{Origin: r.Origin, Reason: reason})
}

// hostProblem reports something about a host.
func (c *compiler) hostProblem(host, reason string) {
	c.problems = append(c.problems, Problem{Origin: filter.Origin{Host: host}, Reason: reason})
}

// quote quotes text of users and keeps it short.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

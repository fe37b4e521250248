package route

import (
	"fmt"
	"slices"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
)

// route builds one route. Whatever goes wrong, there is a route, if only one that answers 503.
func (c *compiler) route(spec *ir.Route, host *ir.VirtualHost) *Route {
	r := &Route{
		Origin: spec.Origin, Path: spec.Path, Type: spec.Type, Missing: spec.Backend.Missing, AccessLog: spec.AccessLog,
		Deny: spec.Deny, DenyReason: spec.DenyReason,
	}
	if r.Missing == 0 {
		r.Missing = 503
	}
	r.Policy = c.policy(&spec.Policy)
	if r.Deny == 0 {
		c.filters(r, spec, host.TLS)
	}
	if r.Deny == 0 {
		c.backend(r, &spec.Backend)
	}
	r.Metrics = c.env.Metrics.Route(&r.Origin, r.Split.CanaryName())
	return r
}

// backend builds what leads to the upstreams of a route. One without a main upstream leads to its default.
func (c *compiler) backend(r *Route, b *ir.Backend) {
	c.errorPages(r, b)
	key := b.Upstream
	if key.IsZero() {
		key = b.Default
	}
	if key.IsZero() {
		return
	}
	main := c.target(key)
	r.Split.primary = main.upstream
	plan := forward.Spec{Origin: &r.Origin, Policy: r.Policy, Trust: &c.settings.Trust, Main: main.settings}
	if spec := b.Canary; spec != nil && !spec.Upstream.IsZero() && spec.Upstream != key {
		alt := c.target(spec.Upstream)
		plan.Canary = alt.settings
		r.Split.canary = c.canary(r, spec, alt.upstream)
		r.Split.canary.follow(&main.settings.Balance.Affinity, &alt.settings.Balance.Affinity)
	}
	if !b.Default.IsZero() {
		spare := c.target(b.Default)
		plan.Default, r.Default = spare.settings, spare.upstream
	}
	if c.env.Forwarder == nil {
		return
	}
	var err error
	if r.Plan, err = c.env.Forwarder.Compile(plan); err != nil {
		c.deny(r, "the route answers 503, since its requests cannot be forwarded as asked: "+err.Error())
	}
}

// errorPages builds what answers instead of errors. They are asked in plain HTTP, whatever the Service of the route speaks, and
// nothing of their answers is rewritten.
func (c *compiler) errorPages(r *Route, b *ir.Backend) {
	if b.Errors.IsZero() {
		return
	}
	r.Errors = &ErrorPages{Statuses: b.Errors}
	if b.ErrorPages.IsZero() || c.env.Forwarder == nil {
		return
	}
	pages := c.target(b.ErrorPages)
	policy := ir.DefaultPolicy()
	policy.Connect, policy.Read, policy.Send, policy.Retry = r.Policy.Connect, r.Policy.Read, r.Policy.Send, r.Policy.Retry
	plan, err := c.env.Forwarder.Compile(forward.Spec{Origin: &r.Origin, Policy: c.policy(&policy), Trust: &c.settings.Trust, Main: pages.settings})
	if err != nil {
		c.problem(r, "custom-http-errors: the proxy's own pages answer: "+err.Error())
		return
	}
	r.Errors.Upstream, r.Errors.Plan = pages.upstream, plan
}

// deny makes a route answer 503, and reports why.
func (c *compiler) deny(r *Route, reason string) {
	c.problem(r, reason)
	if r.Deny == 0 {
		r.Deny, r.DenyReason = 503, reason
	}
	r.Filters, r.Specs, r.Response, r.Finishers = nil, nil, nil, nil
	r.Split, r.Default, r.Errors, r.Plan = Split{}, nil, nil, nil
}

// policy returns the policy as all routes share it that have the same.
func (c *compiler) policy(p *ir.Policy) *ir.Policy {
	if c.last != nil && *c.last == *p {
		return c.last
	}
	shared, ok := c.policies[*p]
	if !ok {
		clone := *p
		shared = &clone
		c.policies[clone] = shared
	}
	c.last = shared
	return shared
}

// filters builds the filters of a route.
func (c *compiler) filters(r *Route, spec *ir.Route, tls bool) {
	if len(spec.Filters) == 0 {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			c.deny(r, fmt.Sprintf("filters cannot be put in order, so the route answers 503: %v", v))
		}
	}()
	specs := slices.Clone(spec.Filters)
	slices.SortStableFunc(specs, func(a, b filter.Spec) int { return int(a.Phase()) - int(b.Phase()) })
	env := &filter.Env{
		Route: &r.Origin, HostHasTLS: tls, HTTPSPort: c.settings.Redirect.HTTPSPort,
		State: c.env.State, HTTP: c.env.HTTP, Errors: c.env.Errors, Copies: c.env.Copies, Context: c.env.Context,
	}
	list := make([]filter.Filter, 0, len(specs))
	failed := false
	for _, s := range specs {
		f, err := newFilter(s, env)
		if err != nil {
			c.deny(r, fmt.Sprintf("the route answers 503, since it cannot be served without a filter: %v", err))
			failed = true
			continue
		}
		list = append(list, f)
	}
	if failed {
		return
	}
	if spec.SatisfyAny {
		if c.env.Explain {
			specs = combined(specs, list)
		}
		var ok bool
		if list, ok = satisfyAny(list); !ok {
			c.deny(r, "the route answers 503, since satisfy: any cannot combine its access filters")
			return
		}
	}
	if c.env.Explain {
		r.Specs = specs
	}
	r.Filters, r.Response = list, responseFilters(list)
	for i, f := range list {
		if end, ok := f.(filter.Finisher); ok {
			r.Finishers = append(r.Finishers, Finisher{Index: i, Filter: end})
		}
	}
}

// newFilter builds one filter; a panic is an error like any other.
func newFilter(s filter.Spec, env *filter.Env) (f filter.Filter, err error) {
	phase := s.Phase()
	defer func() {
		if v := recover(); v != nil {
			f, err = nil, fmt.Errorf("build %s filter: panic: %v", phase, v)
		}
	}()
	if f, err = s.New(env); err != nil {
		return nil, fmt.Errorf("build %s filter %s: %w", phase, s, err)
	}
	if f == nil {
		return nil, fmt.Errorf("build %s filter %s: there is none", phase, s)
	}
	return f, nil
}

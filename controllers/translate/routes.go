package translate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// result turns claims and intents into routes.
func (w *world) result() *Result {
	config := &ir.Config{Settings: w.settings}
	count := 0
	for _, h := range w.hostList {
		count += len(h.claims)
	}
	// All routes are in one piece; hosts have parts of it.
	routes := make([]ir.Route, 0, count)
	slices.SortFunc(w.hostList, func(a, b *host) int { return strings.Compare(a.name, b.name) })
	config.Hosts = make([]ir.VirtualHost, len(w.hostList))
	for i, h := range w.hostList {
		v := &config.Hosts[i]
		w.virtualHost(v, h)
		start := len(routes)
		for _, c := range h.claims {
			routes = append(routes, ir.Route{})
			w.route(&routes[len(routes)-1], h, c, v.Regex)
		}
		if start < len(routes) {
			v.Routes = routes[start:len(routes):len(routes)]
		}
	}
	config.Streams = w.streams
	config.Upstreams = w.upstreamsInUse()
	config.Certificates = w.certificatesInUse(config.Hosts)
	for _, p := range w.plans {
		p.conclude()
	}
	w.options.Memo.keep(w.certificates)
	return &Result{Config: config, Verdicts: w.verdicts, Problems: w.problems, References: w.lookup.refs}
}

// virtualHost fills in a host without its routes.
func (w *world) virtualHost(v *ir.VirtualHost, h *host) {
	v.Name, v.Aliases, v.Certificate, v.TLS, v.AppRoot = h.name, h.aliases, h.certificate, h.tls, h.appRoot
	v.Regex = slices.ContainsFunc(h.claims, (*claim).wantsRegex)
	v.Deny, v.ClientAuth, v.Ciphers, v.Passthrough = h.deny, h.auth, h.ciphers, h.passthrough
	if h.redirect != "" {
		v.RedirectHost, v.RedirectCode = h.redirect, w.settings.Redirect.Code
	}
}

// wantsRegex says whether a claim makes all paths of its host regular expressions: its Ingress asked for it, or rewrites
// to something else than the path.
func (c *claim) wantsRegex() bool {
	if c.plan == nil || c.implicit || c.bare {
		return false
	}
	in := c.plan.intent
	return in.Regex || in.Rewrite != "" && in.Rewrite != c.path
}

// route fills in the route of a claim.
func (w *world) route(r *ir.Route, h *host, c *claim, regex bool) {
	r.Path, r.Type = c.path, c.kind
	r.Literal = regex && !c.wantsRegex()
	r.Origin.Host, r.Origin.Path = h.name, c.path
	w.lead(&r.Backend, c)
	if c.target != nil && !c.fallback {
		r.Origin.Service, r.Origin.ServicePort = c.target.Key.Service, c.target.Key.Port
	}
	p := c.plan
	if p == nil {
		r.Policy, r.AccessLog = w.base.Policy, w.settings.Log.DefaultBackend
		return
	}
	in := p.intent
	r.Origin.Namespace, r.Origin.Ingress = p.ing.Namespace, p.ing.Name
	r.Filters, r.SatisfyAny = in.Filters, in.SatisfyAny
	if c.bare {
		w.contain(p, func(*world, *plan) { r.Filters = withoutRedirects(in.Filters) })
		in = p.intent
	}
	r.Policy, r.AccessLog = in.Policy, in.AccessLog
	if r.Deny, r.DenyReason = in.Deny, in.DenyReason; r.Deny == 0 && h.creator != p {
		// An Ingress of another namespace than the oldest of the host only loses its own routes, so that nobody can close
		// another's host; see claimHost.
		if r.Deny = in.Host.Deny; r.Deny != 0 {
			r.DenyReason = "a guard of the whole host cannot be honoured"
		}
	}
	if r.Deny == 0 && !h.auth.Covers(&in.Host.ClientAuth) {
		r.Deny, r.DenyReason = 403, "the host does not ask for the certificates that the Ingress asks for"
	}
	if !regex && !c.implicit {
		c.criticise()
	}
	if c.fallback {
		return
	}
	if d := p.standIn; d != nil {
		r.Backend.Default, d.routed = d.Key, true
	}
	if in.Errors.IsZero() {
		return
	}
	r.Backend.Errors = in.Errors
	pages := p.standIn
	if pages == nil {
		pages = w.fallback
	}
	if pages != nil {
		r.Backend.ErrorPages, pages.routed = pages.Key, true
	}
}

// criticise reports a literal path that cannot mean what it says.
func (c *claim) criticise() {
	if why := mismatch(c.path); why != "" {
		c.plan.report(c.at.field(".path"), c.path, why)
	} else if looksLikePattern(c.path) {
		c.plan.remark(c.at.field(".path"), c.path, "taken literally: set use-regex to make it a regular expression")
	}
}

// lead fills in where a route leads.
func (w *world) lead(b *ir.Backend, c *claim) {
	s := c.target
	if s == nil {
		b.Missing = c.missing
		return
	}
	b.Upstream, s.routed = s.Key, true
	if s.alternative != nil && !c.fallback {
		b.Canary, s.alternative.routed = s.alternative.shape, true
	}
}

// withoutRedirects returns the filters that a catch-all of a defaultBackend keeps.
func withoutRedirects(filters []filter.Spec) []filter.Spec {
	var kept []filter.Spec
	for _, f := range filters {
		if f == nil {
			continue
		}
		if phase := f.Phase(); phase != filter.Redirect && phase != filter.Rewrite {
			kept = append(kept, f)
		}
	}
	return kept
}

// certificatesInUse returns the certificates that hosts name, and the default one, sorted.
func (w *world) certificatesInUse(hosts []ir.VirtualHost) []ir.Certificate {
	used := make(map[ir.CertificateRef]struct{}, len(w.certificates))
	add := func(ref ir.CertificateRef) {
		if !ref.IsZero() {
			used[ref] = struct{}{}
		}
	}
	add(w.settings.DefaultCertificate)
	for i := range hosts {
		add(hosts[i].Certificate)
	}
	list := make([]ir.Certificate, 0, len(used))
	for ref := range used {
		list = append(list, w.certificate(namespacedRef(ref)).Certificate)
	}
	slices.SortFunc(list, func(a, b ir.Certificate) int {
		if c := strings.Compare(a.Ref.Namespace, b.Ref.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Ref.Name, b.Ref.Name)
	})
	return list
}

// namespacedRef returns the name of the Secret that a reference means.
func namespacedRef(ref ir.CertificateRef) types.NamespacedName {
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}

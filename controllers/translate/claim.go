package translate

import (
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// claim is a place that an Ingress has got, and where it leads.
type claim struct {
	// plan is the Ingress, or nil for the catch-all that nobody asked for.
	plan *plan
	place
	// at is where it is written down.
	at spot
	// target is the Service port it leads to; nil if there is none to ask, then missing is answered.
	target  *service
	missing int
	// implicit says that the path was not written down: it is the "/" of a host that has none.
	implicit bool
	// fallback says that target is the default backend of all, which is no Service of the Ingress.
	fallback bool
	// bare says that the Ingress's redirects and rewrites are not applied: it is the catch-all of a
	// defaultBackend.
	bare bool
}

// host is a virtual host in the making.
type host struct {
	name string
	// creator is the oldest Ingress that names it; nil for the catch-all.
	creator *plan
	claims  []*claim
	// first is where claims begins: most hosts have few.
	first [3]*claim
	// index finds claims by place once there are many; nil before.
	index map[place]*claim
	// rest is the creator's defaultBackend, which gets what no path matches; nil for the fallback of all.
	rest *service

	// tlsBy is the oldest Ingress with a TLS section, tls that there is one.
	tlsBy       *plan
	tls         bool
	certificate ir.CertificateRef

	aliasesBy *plan
	aliases   []string
	appRootBy *plan
	appRoot   string
	// redirect is the host that this one redirects to, if it is there for nothing else.
	redirect string
	// owner is creator, or for the catch-all the oldest Ingress that has something there.
	owner *plan
	// authBy is the oldest Ingress that may ask clients of the host for certificates and does, auth how.
	authBy *plan
	auth   ir.ClientAuth
	// ciphersBy is the oldest Ingress that may choose the ciphers of the host and does.
	ciphersBy *plan
	ciphers   string
	// passers are the Ingresses that ask for passthrough, which is the upstream that gets it.
	passers     []*plan
	passthrough upstream.Key
	// deny is the status that answers instead of the host, if not 0.
	deny int
	// www is the oldest Ingress that wants the www. counterpart redirected, or nil.
	www *plan
}

// claimAll lets every Ingress claim what it names, oldest first.
func (w *world) claimAll() {
	w.hostNamed("", nil, nil)
	for _, p := range w.plans {
		if p.intent.Canary == nil && isCatchAll(&p.ing.Spec) {
			w.catchAll = p
			break
		}
	}
	for _, p := range w.plans {
		w.contain(p, (*world).claim)
	}
	for _, h := range w.hostList {
		if h.at(root) == nil {
			w.claimRoot(h)
		}
	}
}

// contain runs a step for one Ingress. If it panics, all that the Ingress has claimed answers 503.
func (w *world) contain(p *plan, step func(*world, *plan)) {
	defer func() {
		if cause := recover(); cause != nil {
			problem := internalError(cause)
			denied := *p.intent
			denied.Deny, denied.DenyReason = 503, problem.Reason
			p.intent = &denied
			p.add(problem)
		}
	}()
	step(w, p)
}

// isCatchAll says whether a spec is nothing but a defaultBackend that leads to a Service.
func isCatchAll(spec *networkingv1.IngressSpec) bool {
	b := spec.DefaultBackend
	return len(spec.Rules) == 0 && b != nil && b.Service != nil && b.Service.Name != "" && PortText(b.Service.Port) != ""
}

// claim lets one Ingress claim what it names. A canary claims nothing, but may be the first to name an
// upstream.
func (w *world) claim(p *plan) {
	spec := &p.ing.Spec
	var rest *service
	if b := spec.DefaultBackend; b != nil {
		if c := w.backend(p, b, theDefaultBackend); !c.fallback {
			rest = c.target
		}
	}
	for i := range spec.Rules {
		w.claimRule(p, i, rest)
	}
	if p.intent.Canary != nil || !isCatchAll(spec) {
		return
	}
	if p != w.catchAll {
		w.lose(p, w.catchAll, w.hosts[""], root, "spec.defaultBackend", "has the catch-all already")
		return
	}
	w.claimHandshake(p, w.hosts[""])
	w.take(w.hosts[""], root, &claim{plan: p, target: rest, bare: true})
}

// claimRule claims the host of a rule and its paths.
func (w *world) claimRule(p *plan, i int, rest *service) {
	rule := &p.ing.Spec.Rules[i]
	canary := p.intent.Canary != nil
	name, fault := ruleHost(rule.Host)
	if fault != "" {
		p.reject(spot{i, noPath}.field(".host"), rule.Host, fault+": the rule is not served")
		return
	}
	var h *host
	if !canary {
		h = w.hostNamed(name, p, rest)
		w.claimHost(p, h)
		if rest != nil && h.creator != p {
			w.remarkRest(p, h)
		}
	}
	if rule.HTTP == nil {
		return
	}
	for j := range rule.HTTP.Paths {
		path := &rule.HTTP.Paths[j]
		c := w.backend(p, &path.Backend, spot{i, j})
		if !canary {
			w.claimPath(c, h, path, spot{i, j})
		}
	}
}

// claimPath claims one path, unless somebody has it.
func (w *world) claimPath(c *claim, h *host, path *networkingv1.HTTPIngressPath, at spot) {
	p := c.plan
	text, kind := path.Path, ir.Prefix
	if text == "" {
		text = "/"
	}
	if text[0] != '/' {
		p.reject(at.field(".path"), text, "a path begins with a slash: it is not served")
		return
	}
	if t := path.PathType; t != nil {
		switch *t {
		case networkingv1.PathTypeExact:
			kind = ir.Exact
		case networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific:
		default:
			p.report(at.field(".pathType"), string(*t), "unknown: it is taken for Prefix")
		}
	}
	here := place{text, kind}
	owner := w.owner(h, here)
	switch owner {
	case nil:
		w.take(h, here, c)
	case p:
		p.report(at.field(".path"), text, "this Ingress has the same host, path and pathType twice: the first one is served")
	default:
		w.lose(p, owner, h, here, at.field(".path"), "has the same host, path and pathType and comes first: it is served")
	}
}

// fewClaims is how many claims of a host are searched one by one; beyond, they are indexed.
const fewClaims = 8

// at returns the claim of a place, or nil.
func (h *host) at(at place) *claim {
	if h.index != nil {
		return h.index[at]
	}
	for _, c := range h.claims {
		if c.place == at {
			return c
		}
	}
	return nil
}

// take gives a place to a claim.
func (w *world) take(h *host, at place, c *claim) {
	c.place = at
	h.claims = append(h.claims, c)
	if h.index != nil {
		h.index[at] = c
	} else if len(h.claims) > fewClaims {
		h.index = make(map[place]*claim, 4*fewClaims)
		for _, c := range h.claims {
			h.index[c.place] = c
		}
	}
	if c.plan != nil && !c.implicit {
		c.plan.served++
	}
}

// claimRoot gives "/" of a host to its creator's defaultBackend, else to the default backend of all, else to
// nobody. The creator's annotations hold there, as in ingress-nginx.
func (w *world) claimRoot(h *host) {
	c := &claim{plan: h.creator, target: h.rest, implicit: true}
	if c.target == nil {
		c.target, c.fallback, c.missing = w.fallback, true, 404
	}
	w.take(h, root, c)
}

// hostNamed returns a virtual host; if it is new p has created it.
func (w *world) hostNamed(name string, p *plan, rest *service) *host {
	h := w.hosts[name]
	if h == nil {
		h = w.newHosts.new()
		h.name, h.creator, h.rest = name, p, rest
		h.claims = h.first[:0]
		w.hosts[name] = h
		w.hostList = append(w.hostList, h)
	}
	if p != nil && name != "" && h.creator == p {
		p.served++
	}
	return h
}

// ruleHost returns the name of the virtual host of a rule; "" is the catch-all.
func ruleHost(text string) (name, fault string) {
	if text == "" {
		return "", ""
	}
	return parseHost(text)
}

// backend returns a claim to where a backend leads, or to the status that is answered instead.
func (w *world) backend(p *plan, b *networkingv1.IngressBackend, at spot) *claim {
	c := w.newClaims.new()
	c.plan, c.at = p, at
	switch {
	case b.Service == nil && b.Resource != nil:
		p.report(at.field(".backend.resource"), b.Resource.Kind, "only Services are supported: the default backend answers")
		c.target, c.fallback, c.missing = w.fallback, true, 404
	case b.Service == nil || b.Service.Name == "":
		p.report(at.field(".backend"), "", "no Service is named: 503 is answered")
		c.missing = 503
	default:
		port := PortText(b.Service.Port)
		if port == "" {
			p.report(at.field(".backend.service"), b.Service.Name, "no port is named: 503 is answered")
			c.missing = 503
			break
		}
		c.target = w.serviceOf(upstream.Key{Namespace: p.ing.Namespace, Service: b.Service.Name, Port: port}, p, at)
	}
	return c
}

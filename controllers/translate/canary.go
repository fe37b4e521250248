package translate

// A canary Ingress claims nothing. For each of its paths the place with the same host, path and pathType is
// looked up, and the canary's Service port becomes the alternative of the Service port that has the place
// (nginx-compat section 2). The surprise, which users rely on: the alternative belongs to that Service port, so
// every other route to it is canaried too, whatever its host and path.
//
// Where ingress-nginx lets chance decide we do not: its search for a place stops at the first location that
// already uses the canary's Service, and an Ingress that shares its Service with an older canary loses its
// routes. Here a path is matched with its own place only, and Services may be shared. And a canary takes requests of
// Ingresses of its own namespace only, unless the operator allows more: else whoever may create an Ingress
// could take the requests of everybody.

import (
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// mergeCanaries attaches the canaries, oldest first.
func (w *world) mergeCanaries() {
	for _, p := range w.plans {
		if p.intent.Canary != nil {
			w.contain(p, (*world).mergeCanary)
		}
	}
}

// mergeCanary attaches the Services of one canary Ingress.
func (w *world) mergeCanary(p *plan) {
	spec := &p.ing.Spec
	if b := spec.DefaultBackend; b != nil {
		w.mergeCatchAll(p, b)
	}
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		name, fault := ruleHost(rule.Host)
		if fault != "" || rule.HTTP == nil {
			continue
		}
		h := w.hosts[name]
		for j := range rule.HTTP.Paths {
			path := &rule.HTTP.Paths[j]
			if alt := w.named(p, &path.Backend); alt != nil {
				w.mergePath(p, h, path, alt, spot{i, j})
			}
		}
	}
}

// named returns the Service port that a backend of an Ingress names, or nil.
func (w *world) named(p *plan, b *networkingv1.IngressBackend) *service {
	if b.Service == nil {
		return nil
	}
	return w.upstreams[upstream.Key{Namespace: p.ing.Namespace, Service: b.Service.Name, Port: PortText(b.Service.Port)}]
}

// mergeCatchAll attaches a canary's defaultBackend to every route of the catch-all host.
func (w *world) mergeCatchAll(p *plan, b *networkingv1.IngressBackend) {
	alt := w.named(p, b)
	if alt == nil {
		return
	}
	found := false
	for _, c := range w.hosts[""].claims {
		if c.target != nil && !c.fallback && p.mayShare(c) {
			found = true
			w.attach(p, c.target, alt, theDefaultBackend)
		}
	}
	if !found {
		p.report("spec.defaultBackend", alt.Key.String(), "no other Ingress of this namespace has a route without a host: there is nothing to be a canary of")
	}
}

// mergePath attaches a canary's Service to the place with the same host, path and pathType.
func (w *world) mergePath(p *plan, h *host, path *networkingv1.HTTPIngressPath, alt *service, at spot) {
	text, kind := path.Path, ir.Prefix
	if text == "" {
		text = "/"
	}
	if path.PathType != nil && *path.PathType == networkingv1.PathTypeExact {
		kind = ir.Exact
	}
	if h == nil {
		p.report(at.field(".path"), text, "no other Ingress has this host: there is nothing to be a canary of")
		return
	}
	c := h.at(place{text, kind})
	switch {
	case c == nil:
		p.report(at.field(".path"), text, "no other Ingress has this path with pathType "+kind.String()+" on this host: there is nothing to be a canary of")
	case c.target == nil || c.fallback:
		p.report(at.field(".path"), text, "the default backend has no canary: the path needs an Ingress of its own")
	case !p.mayShare(c):
		p.report(at.field(".path"), text, "it belongs to Ingress "+c.plan.key+" of another namespace: create the canary there, or set allow-cross-namespace-resources in the ConfigMap")
	default:
		w.attach(p, c.target, alt, at)
	}
}

// mayShare reports whether a canary may take requests of a claim.
func (p *plan) mayShare(c *claim) bool {
	return p.intent.CrossNamespace || c.plan == nil || c.plan.ing.Namespace == p.ing.Namespace
}

// attach makes alt the alternative of main, unless it has one. Being one's own canary means nothing and is no
// mistake: Argo Rollouts copies paths that it has no canary for.
func (w *world) attach(p *plan, main, alt *service, at spot) {
	if main == alt {
		p.served++
		return
	}
	if main.alternative != nil && main.alternativeBy != p {
		p.report(at.field(".backend"), alt.Key.String(),
			"Ingress "+main.alternativeBy.key+" comes first and is the canary of "+main.Key.String()+": only one is asked")
		return
	}
	if main.alternative != nil {
		if main.alternative != alt {
			p.report(at.field(".backend"), alt.Key.String(),
				main.alternative.Key.String()+" is the canary of "+main.Key.String()+" already: only one is asked")
		}
		return
	}
	w.shape(p, alt)
	main.alternative, main.alternativeBy = alt, p
	p.served++
	w.stick(p, main, alt)
}

// shape decides when a canary is chosen. The rules belong to the canary's Service port, so of two Ingresses
// with the same canary the older one decides.
func (w *world) shape(p *plan, alt *service) {
	rules := *p.intent.Canary
	rules.Upstream = alt.Key
	if alt.shape == nil {
		alt.shape, alt.shapeBy = &rules, p
	} else if *alt.shape != rules {
		p.report("canary", alt.Key.String(), "Ingress "+alt.shapeBy.key+" comes first and says when this Service port is chosen")
	}
}

// stick decides how clients stick to a canary: as they stick to its main upstream (affinity-canary-behavior:
// sticky), else as the canary itself says (legacy, or a main upstream without affinity). A canary that other
// Ingresses use as an ordinary Service with affinity keeps that.
func (w *world) stick(p *plan, main, alt *service) {
	own := p.intent.Balance.Affinity
	shared := alt.affinityBy != nil && alt.affinityBy != p
	switch {
	case main.affinityBy != nil && !own.Legacy:
		if !shared {
			alt.affinityBy, alt.Balance.Affinity = main.affinityBy, main.Balance.Affinity
		}
		alt.stickyFor = append(alt.stickyFor, main.stickyFor...)
	case shared:
		alt.Balance.Affinity.Legacy = true
	case own.Name != "":
		alt.affinityBy, alt.Balance.Affinity = p, plain(own)
		alt.Balance.Affinity.Legacy = true
		alt.stickyFor = append(alt.stickyFor, w.claimants(main)...)
	case main.affinityBy != nil:
		alt.Balance.Affinity.Legacy = true
	}
}

// claimants returns the Ingresses that have routes to an upstream; their clients get the cookie of its canary.
func (w *world) claimants(s *service) []string {
	if w.routesTo == nil {
		w.routesTo = make(map[*service][]string, len(w.upstreams))
		for _, h := range w.hostList {
			for _, c := range h.claims {
				if c.target != nil && c.plan != nil {
					w.routesTo[c.target] = append(w.routesTo[c.target], c.plan.key)
				}
			}
		}
	}
	return w.routesTo[s]
}

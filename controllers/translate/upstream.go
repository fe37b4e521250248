package translate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// service is one port of one Service, in the making of an ir.Upstream. All Ingresses that name it share it,
// and the oldest decides how it is balanced.
type service struct {
	ir.Upstream
	// by is the Ingress that decided; nil as long as none has named it.
	by *plan
	// lastBy is the Ingress that named it last, so that each lists it once.
	lastBy *plan
	// fault says why it has no endpoints, in words; "" if it may have some.
	fault string
	// affinityBy is the oldest Ingress that asked for affinity, stickyFor all that did.
	affinityBy *plan
	stickyFor  []string

	// alternative is the canary of this upstream, alternativeBy the Ingress that says so.
	alternative   *service
	alternativeBy *plan
	// shape is when this upstream is chosen as a canary, shapeBy the Ingress that says so.
	shape   *ir.Canary
	shapeBy *plan
	// routed says that a route leads to it.
	routed bool
}

// serviceOf returns a Service port that an Ingress names at some spot, or that the flags name if p is nil.
func (w *world) serviceOf(key upstream.Key, p *plan, at spot) *service {
	s := w.upstreams[key]
	if s == nil {
		s = w.newServices.new()
		s.Key = key
		s.fault = serviceFault(w.lookup.service(types.NamespacedName{Namespace: key.Namespace, Name: key.Service}), key, w.options)
		s.Balance, s.ServiceUpstream = unsticky(w.base.Balance), w.base.ServiceUpstream
		w.upstreams[key] = s
	}
	if p == nil || s.lastBy == p {
		return s
	}
	s.lastBy = p
	p.verdict.Upstreams = append(p.verdict.Upstreams, key)
	if s.fault != "" {
		p.report(at.field(".backend.service"), key.String(), s.fault)
	}
	w.decide(s, p)
	return s
}

// decide lets an Ingress say how an upstream is balanced, if no older one has.
func (w *world) decide(s *service, p *plan) {
	in := p.intent
	balance := unsticky(in.Balance)
	if s.by == nil {
		s.by, s.Balance, s.ServiceUpstream = p, balance, in.ServiceUpstream
	} else {
		w.compareBalance(s, p, balance)
	}
	// A canary's own affinity is looked at when it is merged.
	if in.Balance.Affinity.Name == "" || in.Canary != nil {
		return
	}
	if s.affinityBy == nil {
		s.affinityBy, s.Balance.Affinity = p, plain(in.Balance.Affinity)
	} else if s.Balance.Affinity != plain(in.Balance.Affinity) {
		p.report("affinity", s.Key.String(), "Ingress "+s.affinityBy.key+" comes first and says how clients stick to this Service port")
	}
	s.stickyFor = append(s.stickyFor, p.key)
}

// compareBalance reports what an Ingress asks for in vain.
func (w *world) compareBalance(s *service, p *plan, balance ir.Balance) {
	base := unsticky(w.base.Balance)
	have := s.Balance
	have.Affinity = ir.Affinity{}
	if balance != have && balance != base {
		field := "load-balance"
		if balance.HashBy != have.HashBy || balance.SubsetSize != have.SubsetSize {
			field = "upstream-hash-by"
		}
		p.report(field, s.Key.String(), "Ingress "+s.by.key+" comes first and says how this Service port is balanced")
	}
	if p.intent.ServiceUpstream != s.ServiceUpstream && p.intent.ServiceUpstream != w.base.ServiceUpstream {
		p.report("service-upstream", s.Key.String(), "Ingress "+s.by.key+" comes first and says how this Service port is balanced")
	}
}

// unsticky returns a balance without its affinity, which is decided by itself.
func unsticky(b ir.Balance) ir.Balance {
	b.Affinity = ir.Affinity{}
	return b
}

// plain returns an affinity without what depends on who asks.
func plain(a ir.Affinity) ir.Affinity {
	a.Locations, a.Legacy = "", false
	return a
}

// nameStandIns finds the Services that stand in for those of each Ingress while they have no endpoints
// (default-backend). They are asked on their first port, and balanced as the Ingress says unless they are used
// otherwise too.
func (w *world) nameStandIns() {
	for _, p := range w.plans {
		if name := p.intent.DefaultBackend; name != "" && p.intent.Canary == nil {
			p.standIn = w.standIn(p, name)
		}
	}
}

// standIn returns the Service port that stands in for those of an Ingress, or nil.
func (w *world) standIn(p *plan, name string) *service {
	full := p.namespaced(name)
	found := w.lookup.service(full)
	key, ok := firstPort(full, found)
	if !ok {
		reason := "Service " + full.String() + " has no TCP port"
		if found == nil {
			reason = "there is no Service " + full.String() + ": create it"
		}
		p.report("default-backend", name, reason)
		return nil
	}
	s := w.serviceOf(key, nil, nowhere)
	if s.by == nil {
		s.by, s.Balance = p, unsticky(p.intent.Balance)
	}
	if s.fault != "" {
		p.report("default-backend", name, s.fault)
	}
	if !slices.Contains(p.verdict.Upstreams, key) {
		p.verdict.Upstreams = append(p.verdict.Upstreams, key)
	}
	return s
}

// affinityOf returns the affinity of an upstream as it is published.
func affinityOf(s *service) ir.Affinity {
	a := s.Balance.Affinity
	if a.Name == "" {
		return ir.Affinity{Legacy: a.Legacy}
	}
	slices.Sort(s.stickyFor)
	a.Locations = strings.Join(slices.Compact(s.stickyFor), ",")
	return a
}

// upstreamsInUse returns the upstreams that routes lead to, sorted.
func (w *world) upstreamsInUse() []ir.Upstream {
	used := make([]*service, 0, len(w.upstreams))
	for _, s := range w.upstreams {
		if s.routed {
			used = append(used, s)
		}
	}
	slices.SortFunc(used, func(a, b *service) int { return a.Key.Compare(&b.Key) })
	list := make([]ir.Upstream, len(used))
	for i, s := range used {
		list[i] = s.Upstream
		list[i].Balance.Affinity = affinityOf(s)
	}
	return list
}

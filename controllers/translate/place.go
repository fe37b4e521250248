package translate

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// place is what only one Ingress can have on a host.
type place struct {
	path string
	kind ir.PathType
}

// root is the place that every host has.
var root = place{"/", ir.Prefix}

// owner returns the Ingress that has a place or is to get it, or nil.
func (w *world) owner(h *host, at place) *plan {
	if h.name == "" && at == root && w.catchAll != nil {
		return w.catchAll
	}
	if c := h.at(at); c != nil {
		return c.plan
	}
	return nil
}

// lose notes that another Ingress has the place that one asks for. That is a mistake, unless one of them is there to be the
// other's canary, now or later.
func (w *world) lose(p, owner *plan, h *host, here place, field, reason string) {
	problem := feature.Problem{Key: field, Value: shown(here.path), Reason: "Ingress " + owner.key + " " + reason}
	if !w.mentionsCanary(p.ing.Annotations) && !w.mentionsCanary(owner.ing.Annotations) {
		problem.Reject = true
		p.verdict.Lost = append(p.verdict.Lost, Place{Host: h.name, Path: here.path, Exact: here.kind == ir.Exact, Owner: nameOf(owner.ing)})
	}
	p.add(problem)
}

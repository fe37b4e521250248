package observe

import (
	"maps"
	"strings"
	"sync/atomic"
)

// maxHosts is how many hosts that no Ingress names have series of their own.
const maxHosts = 1000

// hostMetrics finds the series of hosts that no Ingress names, for one route.
type hostMetrics struct {
	metrics *Metrics
	labels  labels
	// routes is copied when a host is added, so that finding one takes no lock.
	routes atomic.Pointer[map[hostKey]*RouteMetrics]
}

// hostKey is a host and the canary of the route.
type hostKey struct{ host, canary string }

// of returns the handle for a host, or the route's own if there are too many hosts.
func (h *hostMetrics) of(host string, route *RouteMetrics) *RouteMetrics {
	key := hostKey{host: host}
	if route.canary != nil {
		key.canary = route.canary.canary
	}
	if routes := h.routes.Load(); routes != nil {
		if r := (*routes)[key]; r != nil {
			return r
		}
	}
	if h.metrics.hosts.Load() >= maxHosts {
		return route
	}
	key.host = strings.Clone(host)
	return h.add(key)
}

// add makes the handle for a host.
func (h *hostMetrics) add(key hostKey) *RouteMetrics {
	l := h.labels
	l.host = key.host
	m := h.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.entries[l] != nil
	r := m.handle(l, key.canary)
	if !known {
		r.entry.undefined = true
		m.hosts.Add(1)
	}
	routes := make(map[hostKey]*RouteMetrics)
	if old := h.routes.Load(); old != nil {
		maps.Copy(routes, *old)
	}
	routes[key] = r
	h.routes.Store(&routes)
	return r
}

// keep marks what the hosts of a route e have as in use; the caller holds Metrics.mu. Canaries that the
// route has no more are forgotten.
func (h *hostMetrics) keep(e *entry, generation uint64) {
	old := h.routes.Load()
	if old == nil {
		return
	}
	routes := make(map[hostKey]*RouteMetrics, len(*old))
	for key, r := range *old {
		if r.canary != nil {
			if e.canaries[key.canary] == nil {
				continue
			}
			r.canary.seen = generation
		}
		r.entry.seen = generation
		routes[key] = r
	}
	h.routes.Store(&routes)
}

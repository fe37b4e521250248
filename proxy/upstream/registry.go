package upstream

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Registry keeps the upstreams by their keys. The request path does not use it: tables hold *Upstream.
type Registry struct {
	limits atomic.Pointer[PoolLimits]

	mu        sync.RWMutex
	upstreams map[Key]*entry
}

// entry is an upstream and how many sweeps have found it unused in a row.
type entry struct {
	upstream *Upstream
	unused   int
}

// NewRegistry returns an empty registry with the default limits for idle connections.
func NewRegistry() *Registry {
	r := &Registry{upstreams: make(map[Key]*entry)}
	r.SetPoolLimits(DefaultPoolLimits())
	return r
}

// SetPoolLimits changes the limits for idle connections of all endpoints. Connections beyond the new ones
// are closed by the next Prune.
func (r *Registry) SetPoolLimits(l PoolLimits) { r.limits.Store(&l) }

// Upstream returns the upstream known by key, and makes it if there is none.
func (r *Registry) Upstream(key Key) *Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.upstreams[key]
	if !ok {
		e = &entry{upstream: newUpstream(key, &r.limits)}
		r.upstreams[key] = e
	}
	e.unused = 0
	return e.upstream
}

// Lookup returns the upstream known by key, or nil.
func (r *Registry) Lookup(key Key) *Upstream {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e, ok := r.upstreams[key]; ok {
		return e.upstream
	}
	return nil
}

// Keys returns the keys of all upstreams, sorted.
func (r *Registry) Keys() []Key {
	r.mu.RLock()
	keys := slices.Collect(maps.Keys(r.upstreams))
	r.mu.RUnlock()
	slices.SortFunc(keys, func(a, b Key) int { return a.Compare(&b) })
	return keys
}

// sweepGrace is how many sweeps in a row must find an upstream unused before it is dropped: a table that
// was being built while the last one was swept still finds it.
const sweepGrace = 2

// Sweep drops the upstreams that are not in use and were not at the last call either, closes their idle
// connections, and returns how many those were. Call it after a table was published; inUse says whether
// that table names a key.
func (r *Registry) Sweep(inUse func(Key) bool) int {
	var dropped []*Upstream
	r.mu.Lock()
	for key, e := range r.upstreams {
		if inUse(key) {
			e.unused = 0
			continue
		}
		if e.unused++; e.unused >= sweepGrace {
			delete(r.upstreams, key)
			dropped = append(dropped, e.upstream)
		}
	}
	r.mu.Unlock()
	for _, u := range dropped {
		u.close()
	}
	return len(dropped)
}

// Prune closes idle connections that are too old, dead or above the limits, and returns how many idle
// connections are left. Call it every few seconds.
func (r *Registry) Prune() int {
	now, idle := Now(), 0
	for _, u := range r.all() {
		for _, e := range u.Set().endpoints {
			idle += e.prune(now)
		}
	}
	return idle
}

// Close closes all idle connections; those in use are closed when they are put back.
func (r *Registry) Close() {
	for _, u := range r.all() {
		u.close()
	}
}

// all returns the upstreams at this moment.
func (r *Registry) all() []*Upstream {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]*Upstream, 0, len(r.upstreams))
	for _, e := range r.upstreams {
		list = append(list, e.upstream)
	}
	return list
}

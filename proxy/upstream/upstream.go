package upstream

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Upstream is the endpoints behind one port of one Service, and how to choose among them. It outlives
// route tables, which point to it.
type Upstream struct {
	key     Key
	hash    uint64
	limits  *atomic.Pointer[PoolLimits]
	set     atomic.Pointer[EndpointSet]
	options atomic.Pointer[Options]
	// cursors are where round robin stands, one for each shard of client connections.
	cursors []cursor

	// mu orders Publish, Configure and close.
	mu     sync.Mutex
	closed bool
}

// cursor counts the turns of one shard. It fills a cache line.
type cursor struct {
	next atomic.Uint64
	_    [56]byte
}

// shardCount returns how many shards state that every request writes is cut into: as many as there are
// processors, in powers of two.
func shardCount() int {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < maxShards {
		n *= 2
	}
	return n
}

// newUpstream returns an upstream without endpoints.
func newUpstream(key Key, limits *atomic.Pointer[PoolLimits]) *Upstream {
	u := &Upstream{key: key, hash: key.Hash(), limits: limits, cursors: make([]cursor, shardCount())}
	u.set.Store(&EndpointSet{})
	u.options.Store(&Options{})
	return u
}

// Key returns what the upstream is known by.
func (u *Upstream) Key() Key { return u.key }

// Hash returns Key().Hash().
func (u *Upstream) Hash() uint64 { return u.hash }

// Set returns the endpoints as they are now; never nil.
func (u *Upstream) Set() *EndpointSet { return u.set.Load() }

// Ready reports whether there is an endpoint.
func (u *Upstream) Ready() bool { return u.set.Load().Len() > 0 }

// Options returns how the upstream chooses.
func (u *Upstream) Options() Options { return *u.options.Load() }

// Configure changes how the upstream chooses, from the next Pick on.
func (u *Upstream) Configure(o Options) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if *u.options.Load() == o {
		return
	}
	u.set.Load().prepare(&o)
	u.options.Store(&o)
}

// Publish replaces the endpoints. Those that stay keep their counters, averages and connections; those
// that leave get no further request, their idle connections are closed, requests on their way finish. Of
// specs with the same address the first counts. It returns the number of endpoints that came and left.
func (u *Upstream) Publish(specs []Spec) (added, removed int) {
	sorted := sortSpecs(specs)
	u.mu.Lock()
	defer u.mu.Unlock()
	old := u.set.Load()
	if slices.Equal(old.specs, sorted) {
		return 0, 0
	}
	known := make(map[Address]*Endpoint, old.Len())
	for _, e := range old.endpoints {
		known[e.address] = e
	}
	endpoints := make([]*Endpoint, len(sorted))
	start := old.averageLoad()
	for i := range sorted {
		e, ok := known[sorted[i].Address]
		if ok {
			delete(known, sorted[i].Address)
		} else {
			e = newEndpoint(sorted[i].Address, u.hash, u.limits)
			e.load.set(Now(), start)
			if u.closed {
				e.leave()
			}
			added++
		}
		endpoints[i] = e
	}
	set := newSet(sorted, endpoints)
	set.prepare(u.options.Load())
	u.set.Store(set)
	for _, e := range known {
		e.leave()
	}
	return added, len(known)
}

// averageLoad is where new endpoints begin, so that they are not flooded for looking idle: the average of
// those that have been measured.
func (s *EndpointSet) averageLoad() float32 {
	var sum float32
	n := 0
	now := Now()
	for _, e := range s.endpoints {
		if v := e.load.micros(now); v > 0 {
			sum += v
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float32(n)
}

// close lets all endpoints leave. The set stays, so that requests of an old table still find it.
func (u *Upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, e := range u.set.Load().endpoints {
		e.leave()
	}
}

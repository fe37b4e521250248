package upstream

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// EndpointSet is the endpoints of an upstream at one moment. It is immutable; a change makes a new set,
// which shares the endpoints that stay. They are sorted by address, so that all replicas of the proxy
// agree on rings and groups.
type EndpointSet struct {
	endpoints []*Endpoint
	specs     []Spec
	// schedule is the order in which round robin goes round if weights differ; nil if they are equal.
	schedule []uint32
	// weighted says that weights differ.
	weighted bool

	// What only some algorithms need is built when the set is published, or by the first who asks.
	mu     sync.Mutex
	ring   atomic.Pointer[ring]
	byHash atomic.Pointer[map[uint64]*Endpoint]
}

// Len returns the number of endpoints.
func (s *EndpointSet) Len() int { return len(s.endpoints) }

// Endpoints returns the endpoints; the slice must only be read.
func (s *EndpointSet) Endpoints() []*Endpoint { return s.endpoints }

// Spec returns what was published for endpoint i.
func (s *EndpointSet) Spec(i int) Spec { return s.specs[i] }

// newSet makes a set of sorted specs without duplicates and their endpoints.
func newSet(specs []Spec, endpoints []*Endpoint) *EndpointSet {
	s := &EndpointSet{specs: specs, endpoints: endpoints}
	for i := range specs {
		if max(specs[i].Weight, 1) != max(specs[0].Weight, 1) {
			s.weighted = true
			s.schedule = spread(specs)
			break
		}
	}
	return s
}

// sortSpecs returns the specs sorted by address, each address once.
func sortSpecs(specs []Spec) []Spec {
	sorted := slices.Clone(specs)
	slices.SortStableFunc(sorted, func(a, b Spec) int {
		return cmp.Or(a.Address.Compare(b.Address.AddrPort), cmp.Compare(a.Address.Name, b.Address.Name))
	})
	return slices.CompactFunc(sorted, func(a, b Spec) bool { return a.Address == b.Address })
}

// maxSchedule is the longest schedule made to honour weights exactly. Beyond it they are rounded.
const maxSchedule = 1 << 14

// spread lays the turns of all endpoints out such that those of each are as evenly apart as its weight
// allows: of weights 3 and 1 comes a b a a, not a a a b. Turn k of an endpoint of weight w is due at
// (k+½)/w of the round; the turns are sorted by when they are due.
func spread(specs []Spec) []uint32 {
	weights := turns(specs)
	type turn struct {
		due   float64
		owner uint32
	}
	var list []turn
	for i, w := range weights {
		for k := range w {
			list = append(list, turn{(float64(k) + 0.5) / float64(w), uint32(i)})
		}
	}
	slices.SortStableFunc(list, func(a, b turn) int { return cmp.Compare(a.due, b.due) })
	schedule := make([]uint32, len(list))
	for i := range list {
		schedule[i] = list[i].owner
	}
	return schedule
}

// turns returns how many turns each endpoint has in a round: its weight, reduced by what all have in
// common, and rounded if the round would become too long.
func turns(specs []Spec) []int {
	divisor, total := 0, 0
	for i := range specs {
		divisor = gcd(int(max(specs[i].Weight, 1)), divisor)
	}
	list := make([]int, len(specs))
	for i := range specs {
		list[i] = int(max(specs[i].Weight, 1)) / divisor
		total += list[i]
	}
	if total > maxSchedule {
		scale := float64(maxSchedule) / float64(total)
		for i := range list {
			list[i] = max(int(float64(list[i])*scale+0.5), 1)
		}
	}
	return list
}

// gcd returns the greatest common divisor.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// prepare builds what an upstream with these options will ask for.
func (s *EndpointSet) prepare(o *Options) {
	if len(s.endpoints) < 2 {
		return
	}
	if o.Algorithm == Hash && o.Sticky == NotSticky {
		s.ringOf(o.SubsetSize)
	}
	switch o.Sticky {
	case Balanced:
		s.ringOf(0)
	case Persistent:
		s.hashes()
	}
}

// ringOf returns the ring of groups of this size; 0 for single endpoints.
func (s *EndpointSet) ringOf(subset int) *ring {
	if r := s.ring.Load(); r != nil && r.subset == subset {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.ring.Load(); r != nil && r.subset == subset {
		return r
	}
	r := newRing(s, subset)
	s.ring.Store(r)
	return r
}

// hashes returns the endpoints by what stands for them in cookies.
func (s *EndpointSet) hashes() map[uint64]*Endpoint {
	if m := s.byHash.Load(); m != nil {
		return *m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[uint64]*Endpoint, len(s.endpoints))
	for _, e := range s.endpoints {
		m[e.hash] = e
	}
	s.byHash.Store(&m)
	return m
}

package upstream

// Consistent hashing, ketama-like: each endpoint owns a number of points on a ring of 64-bit numbers, a
// key belongs to the owner of the first point at or behind it. An endpoint that comes or goes moves only the
// keys that it gets or had.
//
// Points are derived from the endpoint's hash alone, so that rings of different sets agree wherever they
// can. Large sets have fewer points for each endpoint, since building the ring must stay cheap; the first
// points of an endpoint are always the same, so that the number may change with the set.
//
// With subsets the ring is one of groups, as in ingress-nginx: the sorted endpoints are cut into groups of
// a size, the last one filled up from the beginning, a key chooses the group and chance the endpoint in it.

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// ring is immutable.
type ring struct {
	points []point
	subset int
	set    *EndpointSet
}

// point is a point of the ring and the index of the endpoint or group that owns it.
type point struct {
	at    uint64
	owner uint32
}

const (
	// pointsEach is how many points an endpoint of weight 1 has: nginx's number.
	pointsEach = 160
	// maxPoints is about how many points a ring has at most: building it takes some milliseconds.
	maxPoints = 1 << 16
	// minPointsEach keeps the shares of endpoints of huge sets bearable.
	minPointsEach = 8
)

// newRing builds the ring of a set with at least one endpoint.
func newRing(s *EndpointSet, subset int) *ring {
	r := &ring{subset: subset, set: s}
	if subset > 0 {
		groups := (len(s.endpoints) + subset - 1) / subset
		each := pointsFor(groups)
		for g := range groups {
			r.add(mix(uint64(g)+0x9e3779b97f4a7c15), uint32(g), each)
		}
	} else {
		weights, total := relative(s)
		each := pointsFor(total)
		for i, e := range s.endpoints {
			r.add(e.hash, uint32(i), max(each*weights[i]/unitWeight, 1))
		}
	}
	slices.SortFunc(r.points, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.owner, b.owner)) })
	return r
}

const (
	// unitWeight is the relative weight of an endpoint as heavy as the lightest one.
	unitWeight = 16
	// maxRatio is how many times heavier than the lightest an endpoint can be on a ring.
	maxRatio = 256
)

// relative returns the weights in relation to the lightest endpoint, which has unitWeight, and how many of
// the lightest they weigh together.
func relative(s *EndpointSet) (weights []int, total int) {
	lightest := s.specs[0].Weight
	for i := range s.specs {
		lightest = min(lightest, s.specs[i].Weight)
	}
	unit, sum := int(max(lightest, 1)), 0
	weights = make([]int, len(s.specs))
	for i := range s.specs {
		weights[i] = min(int(max(s.specs[i].Weight, 1))*unitWeight/unit, unitWeight*maxRatio)
		sum += weights[i]
	}
	return weights, max(sum/unitWeight, 1)
}

// pointsFor returns how many points each of n owners has.
func pointsFor(n int) int { return min(max(maxPoints/n, minPointsEach), pointsEach) }

// add gives n points to an owner.
func (r *ring) add(seed uint64, owner uint32, n int) {
	for i := range n {
		r.points = append(r.points, point{mix(seed + uint64(i)*0x9e3779b97f4a7c15), owner})
	}
}

// find returns the index of the first point at or behind a key.
func (r *ring) find(key uint64) int {
	low, high := 0, len(r.points)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if r.points[mid].at < key {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(r.points) {
		return 0
	}
	return low
}

// pick returns the endpoint that a key belongs to, or if that has been tried the next one on the ring
// that has not; if all have been tried, the one that the key belongs to.
func (r *ring) pick(key uint64, c *Choice) *Endpoint {
	start := r.find(key)
	if c.count < r.set.Len() {
		for i := range r.points {
			owner := r.points[(start+i)%len(r.points)].owner
			if e := r.member(owner, c); e != nil {
				return e
			}
		}
	}
	if r.subset > 0 {
		group := int(r.points[start].owner) * r.subset
		return r.set.endpoints[(group+rand.IntN(r.subset))%r.set.Len()]
	}
	return r.set.endpoints[r.points[start].owner]
}

// member returns the endpoint that an owner stands for, or nil if it has been tried: for groups a random
// one of those that have not.
func (r *ring) member(owner uint32, c *Choice) *Endpoint {
	if r.subset == 0 {
		if e := r.set.endpoints[owner]; !c.Tried(e) {
			return e
		}
		return nil
	}
	first := rand.IntN(r.subset)
	for i := range r.subset {
		e := r.set.endpoints[(int(owner)*r.subset+(first+i)%r.subset)%r.set.Len()]
		if !c.Tried(e) {
			return e
		}
	}
	return nil
}

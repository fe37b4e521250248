package upstream

import (
	"math/rand/v2"
)

// Sticky says how clients are kept on their endpoint by a cookie.
type Sticky uint8

const (
	// NotSticky: not at all.
	NotSticky Sticky = iota
	// Balanced: the cookie holds a random key that is hashed to an endpoint; when endpoints are added,
	// some clients move to them.
	Balanced
	// Persistent: the cookie names the endpoint; a client moves only when its endpoint is gone.
	Persistent
)

// Options are how an upstream chooses. The zero value is round robin.
type Options struct {
	Algorithm Algorithm
	// SubsetSize is the size of the groups that a hash chooses, 0 for single endpoints.
	SubsetSize int
	// Sticky is how Choices of this upstream will usually ask; it is only a hint to build in advance what
	// they need.
	Sticky Sticky
}

// MaxTries is how many endpoints a Choice remembers as tried.
const MaxTries = 8

// Choice is the choosing of an endpoint for one exchange: what it goes by, and what was tried so far. The
// zero value is ready for use; Reset makes it so again.
type Choice struct {
	// Serial is the number of the client connection. It spreads the state of round robin over the cores.
	Serial uint64
	// Hash is what the algorithm Hash goes by, if HasHash.
	Hash    uint64
	HasHash bool
	// Sticky keeps the client on the endpoint that Key stands for, whatever the algorithm, if HasKey. Pick
	// sets Key to what is to be put into the cookie, and NewKey if the client does not have it yet.
	Sticky Sticky
	Key    uint64
	HasKey bool
	NewKey bool
	// Renew makes further tries leave the endpoint of the cookie (change-on-failure); without it they
	// stay with it.
	Renew bool

	ewma  bool
	count int
	tried [MaxTries]*Endpoint
}

// Reset makes the choice ready for another exchange.
func (c *Choice) Reset() { *c = Choice{} }

// Tried reports whether Pick has returned the endpoint before.
func (c *Choice) Tried(e *Endpoint) bool {
	for i := range min(c.count, MaxTries) {
		if c.tried[i] == e {
			return true
		}
	}
	return false
}

// Observe reports whether response times count: whether Endpoint.Observe is to be called.
func (c *Choice) Observe() bool { return c.ewma }

// try notes an endpoint as tried.
func (c *Choice) try(e *Endpoint) *Endpoint {
	if e != nil && !c.Tried(e) && c.count < MaxTries {
		c.tried[c.count] = e
		c.count++
	}
	return e
}

// Pick chooses an endpoint, or returns nil if there is none. A further Pick with the same Choice is a retry:
// it returns endpoints that have been tried only when there are no others, except that a client is kept
// on the endpoint of its cookie. It takes no lock and does not allocate.
func (u *Upstream) Pick(c *Choice) *Endpoint {
	set := u.set.Load()
	if set.Len() == 0 {
		return nil
	}
	o := u.options.Load()
	switch {
	case c.Sticky != NotSticky:
		return c.try(set.sticky(c))
	case set.Len() == 1:
		c.ewma = o.Algorithm == EWMA
		return c.try(set.endpoints[0])
	case o.Algorithm == Hash && c.HasHash:
		return c.try(set.ringOf(o.SubsetSize).pick(c.Hash, c))
	case o.Algorithm == EWMA:
		c.ewma = true
		return c.try(set.twoChoices(c))
	case o.Algorithm == LeastRequests:
		return c.try(set.leastRequests(c))
	}
	return c.try(u.roundRobin(set, c))
}

// roundRobin returns the next endpoint in turn that has not been tried.
func (u *Upstream) roundRobin(set *EndpointSet, c *Choice) *Endpoint {
	n := uint64(set.Len())
	if set.weighted {
		n = uint64(len(set.schedule))
	}
	shard := c.Serial % uint64(len(u.cursors))
	// Shards begin at different places, so that they do not walk in step.
	start := u.cursors[shard].next.Add(1) - 1 + shard*n/uint64(len(u.cursors))
	for i := range min(n, maxSteps) {
		at := (start + i) % n
		if set.weighted {
			at = uint64(set.schedule[at])
		}
		if e := set.endpoints[at]; c.count == 0 || !c.Tried(e) {
			return e
		}
	}
	return set.untried(c)
}

// maxSteps is how many turns round robin skips because their endpoint was tried; after that, any endpoint
// that was not will do.
const maxSteps = 64

// untried returns an endpoint that has not been tried, or any if all have been.
func (s *EndpointSet) untried(c *Choice) *Endpoint {
	n := s.Len()
	first := rand.IntN(n)
	for i := range n {
		if e := s.endpoints[(first+i)%n]; !c.Tried(e) {
			return e
		}
	}
	return s.endpoints[first]
}

// twoChoices returns the better one of two random endpoints that have not been tried.
func (s *EndpointSet) twoChoices(c *Choice) *Endpoint {
	n := s.Len()
	var i, j int
	if c.count == 0 {
		i, j = rand.IntN(n), rand.IntN(n-1)
		if j >= i {
			j++
		}
	} else {
		i, j = s.twoUntried(c)
	}
	a, b := s.endpoints[i], s.endpoints[j]
	now := Now()
	// score over weight is what counts; multiplied out, since weights are not 0.
	if a.score(now)*float32(max(s.specs[j].Weight, 1)) <= b.score(now)*float32(max(s.specs[i].Weight, 1)) {
		return a
	}
	return b
}

// leastRequests returns the one of two random endpoints that has fewer requests on their way for its weight. Two are enough to
// keep the longest queue short, and unlike the least of all they need no lock, nor do all cores run to the same endpoint.
// The surprise is in the weights: they say how often an endpoint is drawn. Were they only compared, an endpoint of
// little weight would get nothing while there is little to do.
func (s *EndpointSet) leastRequests(c *Choice) *Endpoint {
	if c.count > 0 {
		i, j := s.twoUntried(c)
		return s.idler(i, j)
	}
	i, j := s.draw(), s.draw()
	for range maxDraws {
		if i != j {
			break
		}
		j = s.draw()
	}
	return s.idler(i, j)
}

// maxDraws is how often a second endpoint is drawn that is not the first.
const maxDraws = 4

// draw returns a random endpoint, as often as its weight says.
func (s *EndpointSet) draw() int {
	if s.weighted {
		return int(s.schedule[rand.IntN(len(s.schedule))])
	}
	return rand.IntN(len(s.endpoints))
}

// idler returns the first of two endpoints, unless the second has less to do for its weight.
func (s *EndpointSet) idler(i, j int) *Endpoint {
	a, b := s.endpoints[i], s.endpoints[j]
	if int64(b.InFlight())*int64(max(s.specs[i].Weight, 1)) < int64(a.InFlight())*int64(max(s.specs[j].Weight, 1)) {
		return b
	}
	return a
}

// twoUntried returns two endpoints that have not been tried, the same one twice if it is the only one, and
// any if all have been tried.
func (s *EndpointSet) twoUntried(c *Choice) (i, j int) {
	n, found := s.Len(), 0
	first := rand.IntN(n)
	for k := range n {
		at := (first + k) % n
		if c.Tried(s.endpoints[at]) {
			continue
		}
		if found++; found == 1 {
			i, j = at, at
			// The second one is to be any of the others, not the neighbour of the first.
			first += rand.IntN(n)
			continue
		}
		if at != i {
			return i, at
		}
	}
	if found == 0 {
		return first % n, rand.IntN(n)
	}
	return i, j
}

// maxKeys is how many random keys are tried to find one that leads to an endpoint that has not been
// tried: ingress-nginx's number.
const maxKeys = 20

// sticky returns the endpoint that the client's key stands for, or a new one with its key.
func (s *EndpointSet) sticky(c *Choice) *Endpoint {
	moving := c.Renew && c.count > 0
	if c.HasKey && !moving {
		if e := s.stuck(c); e != nil {
			return e
		}
	}
	c.HasKey, c.NewKey = true, true
	if c.Sticky == Persistent {
		e := s.untried(c)
		c.Key = e.hash
		return e
	}
	if s.Len() == 1 {
		c.Key = rand.Uint64()
		return s.endpoints[0]
	}
	r := s.ringOf(0)
	var e *Endpoint
	for range maxKeys {
		c.Key = rand.Uint64()
		e = s.endpoints[r.points[r.find(c.Key)].owner]
		if !c.Tried(e) {
			break
		}
	}
	return e
}

// stuck returns the endpoint that the key of a cookie stands for, or nil if it is gone.
func (s *EndpointSet) stuck(c *Choice) *Endpoint {
	if s.Len() == 1 && (c.Sticky == Balanced || s.endpoints[0].hash == c.Key) {
		return s.endpoints[0]
	}
	if c.Sticky == Persistent {
		return s.hashes()[c.Key]
	}
	r := s.ringOf(0)
	return s.endpoints[r.points[r.find(c.Key)].owner]
}

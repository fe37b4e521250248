package ratelimit

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/yettproxy/yett/proxy/cidr"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/lru"
)

// clients is how many clients an Ingress remembers at most: two to four times as many as fit into the zones that
// ingress-nginx makes, at some 100 bytes each.
const clients = 160_000

// Requests limits the rate of requests of each client (limit-rps, limit-rpm).
type Requests struct {
	// PerSecond and PerMinute are the rates; 0 for no limit, but one of them is set.
	PerSecond, PerMinute int
	// Multiplier times the rate is how many requests may come at once.
	Multiplier int
	// Exempt are networks whose clients are not limited.
	Exempt []netip.Prefix
	// Status answers what goes beyond.
	Status int
}

var _ filter.Spec = Requests{}

// Phase implements filter.Spec.
func (Requests) Phase() filter.Phase { return filter.Limit }

// String implements filter.Spec.
func (s Requests) String() string {
	return fmt.Sprintf("limit-requests(%d/s %d/min burst ×%d, else %d%s)", s.PerSecond, s.PerMinute, s.Multiplier, s.Status,
		exemptText(s.Exempt))
}

// exemptText describes a list of exempt networks.
func exemptText(list []netip.Prefix) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(", not %v", list)
}

// New implements filter.Spec.
func (s Requests) New(env *filter.Env) (filter.Filter, error) {
	f := &rate{
		exempt: cidr.New(s.Exempt), status: s.Status,
		table: filter.StateFor(env.State, requestsKey{env.Route.Namespace, env.Route.Ingress}, newRateTable),
	}
	if s.PerSecond > 0 {
		f.limits[second] = perSecond(s.PerSecond, s.Multiplier)
	}
	if s.PerMinute > 0 {
		f.limits[minute] = perMinute(s.PerMinute, s.Multiplier)
	}
	return f, nil
}

// requestsKey finds the buckets of an Ingress. The limits are not part of it: a debt means the same under any limit, so
// clients do not get a fresh start by an edit of the Ingress.
type requestsKey struct{ namespace, ingress string }

// rateTable are the buckets of an Ingress, with the clock that they count by.
type rateTable struct {
	epoch   time.Time
	buckets *lru.Table[netip.Addr, bucket]
}

// newRateTable makes the buckets of an Ingress.
func newRateTable() *rateTable {
	return &rateTable{epoch: time.Now(), buckets: lru.New[netip.Addr, bucket](clients, addressHash())}
}

// addressHash returns a hash of addresses that nobody outside can foresee.
func addressHash() func(netip.Addr) uint64 {
	k0, k1 := rand.Uint64()|1, rand.Uint64()|1
	return func(a netip.Addr) uint64 {
		b := a.As16()
		var hi, lo uint64
		for i := range 8 {
			hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[i+8])
		}
		h, l := bits.Mul64(hi^k0, lo^k1)
		h, l = bits.Mul64(h^l^k1, k0)
		return h ^ l
	}
}

// rate is the filter of Requests.
type rate struct {
	limits [kinds]limit
	exempt *cidr.Set
	status int
	table  *rateTable
}

var _ filter.Filter = (*rate)(nil)

// Request implements filter.Filter.
func (f *rate) Request(x *filter.Exchange) filter.Action {
	if f.exempt.Contains(x.Client) || f.admit(cidr.Canonical(x.Client), x.Start.Sub(f.table.epoch).Milliseconds()) {
		return filter.Continue
	}
	x.Reply(f.status)
	return filter.Done
}

// admit charges a request to a client. A client that is not known gets its first request free, and at the cost
// of the ones that have been away longest.
func (f *rate) admit(client netip.Addr, now int64) bool {
	shard := f.table.buckets.Lock(client)
	defer shard.Unlock()
	if b := shard.Get(client); b != nil {
		return b.take(&f.limits, now)
	}
	for range 2 {
		if o := shard.Oldest(); o == nil || !o.forgettable(&f.limits, now) {
			break
		}
		shard.RemoveOldest()
	}
	shard.Add(client).last = now
	return true
}

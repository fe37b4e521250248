package ratelimit

import (
	"fmt"
	"net/netip"

	"github.com/yettproxy/yett/proxy/cidr"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/lru"
)

// Connections limits how many requests of a client run at the same time (limit-connections). A tunnel counts as
// long as it is open.
type Connections struct {
	// Limit is how many may run.
	Limit int
	// Exempt are networks whose clients are not limited.
	Exempt []netip.Prefix
	// Status answers what goes beyond.
	Status int
}

var _ filter.Spec = Connections{}

// Phase implements filter.Spec.
func (Connections) Phase() filter.Phase { return filter.Limit }

// String implements filter.Spec.
func (s Connections) String() string {
	return fmt.Sprintf("limit-connections(%d, else %d%s)", s.Limit, s.Status, exemptText(s.Exempt))
}

// New implements filter.Spec.
func (s Connections) New(env *filter.Env) (filter.Filter, error) {
	key := connectionsOf{env.Route.Namespace, env.Route.Ingress}
	return &connections{
		limit: int64(s.Limit), exempt: cidr.New(s.Exempt), status: s.Status,
		running: filter.StateFor(env.State, key, func() *lru.Table[netip.Addr, int64] {
			return lru.New[netip.Addr, int64](clients, addressHash())
		}),
	}, nil
}

// connectionsOf finds the counters of an Ingress. The limit is not part of it, so that what runs is counted
// across an edit of the Ingress.
type connectionsOf struct{ namespace, ingress string }

// connections is the filter of Connections. Only clients with running requests are in the table, so it is full only
// if that many clients are served at once; then some are forgotten and may run more.
type connections struct {
	limit   int64
	exempt  *cidr.Set
	status  int
	running *lru.Table[netip.Addr, int64]
}

var _ filter.Finisher = (*connections)(nil)

// Request implements filter.Filter.
func (f *connections) Request(x *filter.Exchange) filter.Action {
	if f.exempt.Contains(x.Client) || f.begin(cidr.Canonical(x.Client)) {
		return filter.Continue
	}
	x.Reply(f.status)
	return filter.Done
}

// Finish implements filter.Finisher.
func (f *connections) Finish(x *filter.Exchange) {
	if f.exempt.Contains(x.Client) {
		return
	}
	client := cidr.Canonical(x.Client)
	shard := f.running.Lock(client)
	defer shard.Unlock()
	if n := shard.Get(client); n != nil {
		if *n--; *n <= 0 {
			shard.Remove(client)
		}
	}
}

// begin counts one more request of a client, if there is room.
func (f *connections) begin(client netip.Addr) bool {
	shard := f.running.Lock(client)
	defer shard.Unlock()
	n := shard.Get(client)
	if n == nil {
		n = shard.Add(client)
	}
	if *n >= f.limit {
		return false
	}
	*n++
	return true
}

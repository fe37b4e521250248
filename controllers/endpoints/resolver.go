package endpoints

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/yettproxy/yett/proxy/upstream"
)

// Lookup finds the addresses of a name; (*net.Resolver).LookupNetIP is one. It knows what a name means here (search domains, /etc/hosts,
// nsswitch) and tells no TTL. To learn that we would have to ask name servers ourselves, by rules of our own: so names are looked up at a
// fixed interval, short enough for those whose TTL is short, and long ones cost a question to a name server that has the answer in its cache.
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Resolver keeps the upstreams of ExternalName Services up to date with DNS. A name that cannot be resolved
// keeps its last addresses: a name server that is away for a moment is no reason to lose traffic.
type Resolver struct {
	lookup Lookup
	every  time.Duration
	log    logr.Logger
	// allowLoopback lets names resolve to the proxy's own host, which nginx refuses.
	allowLoopback bool
	// slots bounds how many look-ups run at the same time: those of dead names take long.
	slots chan struct{}

	mu    sync.Mutex
	names map[upstream.Key]*followed
}

// followed is a name that is resolved again and again.
type followed struct {
	u      *upstream.Upstream
	host   string
	port   uint16
	last   []netip.Addr
	failed bool
}

// lookupTimeout limits one look-up. firstAnswer is how long a table waits for the first look-ups of all names that it
// is the first to lead to, so that it does not go live before a name is known that can be known. A name that is dead must
// not keep everybody else's changes waiting.
const (
	lookupTimeout = 5 * time.Second
	firstAnswer   = 500 * time.Millisecond
	maxLookups    = 64
)

// NewResolver returns a resolver that looks names up again at an interval; Run does so.
func NewResolver(lookup Lookup, every time.Duration, allowLoopback bool, log logr.Logger) *Resolver {
	return &Resolver{
		lookup: lookup, every: every, allowLoopback: allowLoopback, log: log, slots: make(chan struct{}, maxLookups),
		names: map[upstream.Key]*followed{},
	}
}

// follow begins to resolve a name for an upstream. It returns a channel that is closed when the first look-up has ended,
// or nil if the name is followed already.
func (r *Resolver) follow(ctx context.Context, u *upstream.Upstream, host string, port uint16) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.names[u.Key()]
	if f != nil && f.host == host && f.port == port {
		return nil
	}
	f = &followed{u: u, host: host, port: port}
	r.names[u.Key()] = f
	first := make(chan struct{})
	go func() {
		defer close(first)
		r.refresh(context.WithoutCancel(ctx), f)
	}()
	return first
}

// await waits until look-ups have ended, but not long.
func await(ctx context.Context, first []<-chan struct{}) {
	if len(first) == 0 {
		return
	}
	enough := time.NewTimer(firstAnswer)
	defer enough.Stop()
	for _, ended := range first {
		select {
		case <-ended:
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// forget stops resolving for an upstream.
func (r *Resolver) forget(key upstream.Key) {
	r.mu.Lock()
	delete(r.names, key)
	r.mu.Unlock()
}

// retain forgets all upstreams but some.
func (r *Resolver) retain(keep func(upstream.Key) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.names {
		if !keep(key) {
			delete(r.names, key)
		}
	}
}

// Run looks all names up again and again until the context ends.
func (r *Resolver) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		r.mu.Lock()
		list := make([]*followed, 0, len(r.names))
		for _, f := range r.names {
			list = append(list, f)
		}
		r.mu.Unlock()
		var round sync.WaitGroup
		for _, f := range list {
			round.Go(func() { r.refresh(ctx, f) })
		}
		round.Wait()
	}
}

// refresh looks one name up and publishes its addresses if they changed.
func (r *Resolver) refresh(ctx context.Context, f *followed) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.lookup(ctx, "ip", f.host)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[f.u.Key()] != f {
		return // it follows another name by now
	}
	if err != nil {
		if !f.failed {
			r.log.Info("name not resolved; its last addresses stay in use", "name", f.host, "reason", err.Error())
		}
		f.failed = true
		return
	}
	f.failed = false
	var addresses []netip.Addr
	for _, a := range found {
		a = a.Unmap()
		if a.IsLoopback() && !r.allowLoopback || a.IsUnspecified() {
			r.log.Info("name resolves to this host: refused", "name", f.host, "address", a.String())
			continue
		}
		addresses = append(addresses, a)
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	if addresses = slices.Compact(addresses); slices.Equal(addresses, f.last) && f.last != nil {
		return
	}
	f.last = addresses
	specs := make([]upstream.Spec, 0, len(addresses))
	for _, a := range addresses {
		specs = append(specs, upstream.Spec{Address: upstream.Address{AddrPort: netip.AddrPortFrom(a, f.port), Name: f.host}})
	}
	f.u.Publish(specs)
}

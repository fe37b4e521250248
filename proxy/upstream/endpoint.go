package upstream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Endpoint is one server of an upstream. It is known by its Address and lives as long as some set of its
// upstream names that address, so that what is known about it survives the sets. It is safe for
// concurrent use.
type Endpoint struct {
	address Address
	text    string
	// hash places the endpoint on rings and stands for it in affinity cookies. It depends on the
	// address and on the upstream, so that equal addresses of two upstreams differ.
	hash uint64

	limits *atomic.Pointer[PoolLimits]
	// pools is the list of pools by profile. It is replaced as a whole under mu.
	pools atomic.Pointer[[]*Pool]
	mu    sync.Mutex
	gone  bool // guarded by mu

	// What follows is written by every request, what stands above only read: not on one cache line.
	_        [64]byte
	inflight atomic.Int64
	// load is the moving average of response times: see ewma.go.
	load average
	// failure is the last failure in the upper 8 bits and when it happened, in milliseconds of the
	// registry's clock, in the rest; 0 for none.
	failure atomic.Uint64
}

// newEndpoint returns an endpoint of the upstream whose key has the hash salt.
func newEndpoint(a Address, salt uint64, limits *atomic.Pointer[PoolLimits]) *Endpoint {
	e := &Endpoint{address: a, text: a.AddrPort.String(), limits: limits}
	e.hash = mix(xxhash.Sum64String(e.text+"\x00"+a.Name) ^ salt)
	return e
}

// Address returns what the endpoint is known by.
func (e *Endpoint) Address() Address { return e.address }

// String returns the address as text, "10.0.0.1:8080" or "[2001:db8::1]:8080".
func (e *Endpoint) String() string { return e.text }

// Begin notes that a request is on its way to the endpoint. Every Begin is followed by one Done.
func (e *Endpoint) Begin() { e.inflight.Add(1) }

// Done notes that a request is over.
func (e *Endpoint) Done() { e.inflight.Add(-1) }

// InFlight returns the number of requests that are on their way.
func (e *Endpoint) InFlight() int { return int(e.inflight.Load()) }

// Observe takes the time that the endpoint needed to answer into its moving average. Upstreams that do
// not balance by it need not call it; Choice.Observe says which do.
func (e *Endpoint) Observe(rtt time.Duration) { e.load.observe(Now(), rtt) }

// Fail remembers why the last request to the endpoint failed.
func (e *Endpoint) Fail(f Failure) {
	e.failure.Store(uint64(f)<<56 | uint64(time.Duration(Now())/time.Millisecond)&(1<<56-1))
}

// LastFailure returns the last failure and how long ago it was, or NoFailure.
func (e *Endpoint) LastFailure() (f Failure, ago time.Duration) {
	v := e.failure.Load()
	if v == 0 {
		return NoFailure, 0
	}
	at := time.Duration(v&(1<<56-1)) * time.Millisecond
	return Failure(v >> 56), max(time.Duration(Now())-at, 0)
}

// Gone reports whether the endpoint has left its upstream. Requests on their way to it go on; its idle
// connections are closed.
func (e *Endpoint) Gone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gone
}

// Pool returns the pool of idle connections of one transport profile. It costs no lock once the pool
// exists.
func (e *Endpoint) Pool(p Profile) *Pool {
	if list := e.pools.Load(); list != nil {
		for _, pool := range *list {
			if pool.profile == p {
				return pool
			}
		}
	}
	return e.addPool(p)
}

// addPool makes the pool of a profile that the endpoint was not asked for before.
func (e *Endpoint) addPool(p Profile) *Pool {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []*Pool
	if old := e.pools.Load(); old != nil {
		for _, pool := range *old {
			if pool.profile == p {
				return pool
			}
		}
		list = append(list, *old...)
	}
	pool := newPool(p, e.limits)
	if e.gone {
		pool.close() // keeps nothing, but is there to be asked
	}
	list = append(list, pool)
	e.pools.Store(&list)
	return pool
}

// leave closes the idle connections and makes those that come back close, too.
func (e *Endpoint) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	if list := e.pools.Load(); list != nil {
		for _, pool := range *list {
			pool.close()
		}
	}
}

// prune closes idle connections that are too old or dead and forgets profiles that are not used any
// more. It returns how many idle connections are left.
func (e *Endpoint) prune(now int64) int {
	list := e.pools.Load()
	if list == nil {
		return 0
	}
	idle, stale := 0, false
	for _, pool := range *list {
		n := pool.prune(now)
		idle += n
		stale = stale || n == 0 && pool.unusedSince(now) > forgetPool
	}
	if stale {
		e.dropStale(now)
	}
	return idle
}

// forgetPool is how long a pool must have been without use before it is forgotten.
const forgetPool = 10 * time.Minute

// dropStale forgets the pools without use. Whoever still holds one finds it closed: what it puts back is
// closed, not leaked.
func (e *Endpoint) dropStale(now int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var keep []*Pool
	for _, pool := range *e.pools.Load() {
		if pool.unusedSince(now) > forgetPool {
			pool.close()
			continue
		}
		keep = append(keep, pool)
	}
	e.pools.Store(&keep)
}

// mix spreads the bits of a number over all of it (the finaliser of splitmix64).
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// epoch is where the package's clock begins, a little before the start, so that no time is 0. It is
// never written again.
var epoch = time.Now().Add(-time.Second)

// Now returns the monotonic time in nanoseconds that connections and averages are measured by. It is
// cheaper than time.Now.
func Now() int64 { return int64(time.Since(epoch)) }

// String returns the address as text, with the name it was resolved from.
func (a Address) String() string {
	if a.Name == "" {
		return a.AddrPort.String()
	}
	return a.AddrPort.String() + " (" + a.Name + ")"
}

package upstream

// Connections of one endpoint and one transport profile: those that carry one request at a time, as long as they idle, and
// those that are shared (shared.go).
//
// A pool is cut into shards, each a stack with a lock of its own. A client connection always begins with the
// same shard (its serial number modulo the shards), so that it finds the upstream connection that it put
// back last on top, and cores do not wait for each other. Only if its own shard is empty does it look
// into the others, and only if all are empty is a new connection dialled.
//
// The surprise: the limit of idle connections is kept per shard, rounded up, so a pool may keep up to one
// connection a shard more than asked for. nginx counts per worker process and is further off.

import (
	"sync"
	"sync/atomic"
	"time"
)

// Profile tells transports apart whose connections must never be mixed: cleartext is the zero value, and
// TLS settings have a digest of everything that they say.
type Profile [16]byte

// Conn is a connection as a pool sees it. The type is that of the package that speaks the protocol.
type Conn interface {
	// Dead reports, without waiting, whether the idle connection cannot carry another request.
	Dead() bool
	// Close closes it.
	Close() error
	// Entry returns what the pool notes on the connection.
	Entry() *Pooled
}

// Pooled is embedded by connections that live in pools. It belongs to whoever holds the connection.
type Pooled struct {
	// Created is when the connection was made, on the clock of Now.
	Created int64
	// Requests is how many requests it has carried.
	Requests int
	idle     int64
}

// Entry returns p.
func (p *Pooled) Entry() *Pooled { return p }

// PoolLimits bound idle connections. The zero value keeps none.
type PoolLimits struct {
	// Idle is how many each endpoint keeps for each profile.
	Idle int
	// Timeout is how long one may idle, Lifetime how old it may get; 0 for no limit.
	Timeout, Lifetime time.Duration
	// Requests is how many requests it may carry; 0 for no limit.
	Requests int
}

// DefaultPoolLimits returns nginx's limits as ingress-nginx sets them.
func DefaultPoolLimits() PoolLimits {
	return PoolLimits{Idle: 320, Timeout: 60 * time.Second, Lifetime: time.Hour, Requests: 10000}
}

// Pool keeps idle connections, and shared ones. It is safe for concurrent use.
type Pool struct {
	profile Profile
	limits  *atomic.Pointer[PoolLimits]
	shards  []poolShard
	closed  atomic.Bool
	// used is when a connection was last put back, on the clock of Now.
	used atomic.Int64
}

// poolShard is one stack, and the connections that are shared. It fills a cache line, so that locks do not share one.
type poolShard struct {
	mu       sync.Mutex
	stack    []Conn
	shared   []sharing
	dialling *Dialling
}

// maxShards is the most shards a pool has.
const maxShards = 16

// newPool returns an empty pool.
func newPool(p Profile, limits *atomic.Pointer[PoolLimits]) *Pool {
	pool := &Pool{profile: p, limits: limits, shards: make([]poolShard, shardCount())}
	pool.used.Store(Now())
	return pool
}

// inUse returns how many shards connections are spread over, and how many each may hold.
func (p *Pool) inUse(limits *PoolLimits) (shards, each int) {
	shards = min(len(p.shards), limits.Idle)
	if shards < 1 {
		return 1, 0
	}
	return shards, (limits.Idle + shards - 1) / shards
}

// Get takes the idle connection that was used last by the client connection numbered serial, or another
// one, or returns nil. now is a recent value of Now.
func (p *Pool) Get(serial uint64, now int64) Conn { return p.get(serial, now, true) }

// Take is Get for connections that find out by themselves, before they send anything, whether they are dead: asking
// them is a system call, and twice is once too often.
func (p *Pool) Take(serial uint64, now int64) Conn { return p.get(serial, now, false) }

// get takes a connection and, if ask is set, looks whether it is dead.
func (p *Pool) get(serial uint64, now int64, ask bool) Conn {
	limits := p.limits.Load()
	own := int(serial % uint64(len(p.shards)))
	for i := range p.shards {
		s := &p.shards[(own+i)%len(p.shards)]
		for {
			c := s.pop()
			if c == nil {
				break
			}
			if !limits.spent(c.Entry(), now) && !(ask && c.Dead()) {
				return c
			}
			_ = c.Close()
		}
	}
	return nil
}

// Put takes an idle connection in, or closes it if there is no room or it has served its time. now is a
// recent value of Now.
func (p *Pool) Put(serial uint64, c Conn, now int64) {
	limits := p.limits.Load()
	shards, each := p.inUse(limits)
	note := c.Entry()
	note.idle = now
	if limits.spent(note, now) || !p.shards[serial%uint64(shards)].push(c, each, &p.closed) {
		_ = c.Close()
		return
	}
	// A store for every request would move the cache line between cores for nothing.
	if now-p.used.Load() > int64(time.Second) {
		p.used.Store(now)
	}
}

// spent reports whether a connection has served its time.
func (l *PoolLimits) spent(p *Pooled, now int64) bool {
	return l.Requests > 0 && p.Requests >= l.Requests ||
		l.Lifetime > 0 && now-p.Created >= int64(l.Lifetime) ||
		l.Timeout > 0 && now-p.idle >= int64(l.Timeout)
}

// Len returns the number of idle connections and of shared ones.
func (p *Pool) Len() int {
	n := 0
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		n += len(s.stack) + len(s.shared)
		s.mu.Unlock()
	}
	return n
}

// pop takes the newest connection.
func (s *poolShard) pop() Conn {
	s.mu.Lock()
	n := len(s.stack)
	if n == 0 {
		s.mu.Unlock()
		return nil
	}
	c := s.stack[n-1]
	s.stack[n-1] = nil
	s.stack = s.stack[:n-1]
	s.mu.Unlock()
	return c
}

// push puts a connection on top, if there is room and the pool is open.
func (s *poolShard) push(c Conn, limit int, closed *atomic.Bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stack) >= limit || closed.Load() {
		return false
	}
	s.stack = append(s.stack, c)
	return true
}

// close closes all idle connections, makes Put close what comes back, and ends shared connections with their last request.
func (p *Pool) close() {
	// The flag is set before the locks are taken and read under them: a connection is either pushed
	// before its shard is emptied, or finds the flag.
	p.closed.Store(true)
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		stack, shared := s.stack, s.shared
		s.stack, s.shared = nil, nil
		s.mu.Unlock()
		for _, c := range stack {
			_ = c.Close()
		}
		for _, c := range shared {
			c.Retire()
		}
	}
}

// prune closes connections that have served their time, are dead, or are above the limits, and returns
// how many are left.
func (p *Pool) prune(now int64) int {
	limits := p.limits.Load()
	shards, each := p.inUse(limits)
	left := 0
	for i := range p.shards {
		limit := each
		if i >= shards {
			limit = 0
		}
		left += p.shards[i].prune(now, limits, limit)
	}
	return left
}

// lookAfter is how long a connection must have been idle before prune looks whether it is dead. Looking is
// a system call under the lock of the shard; connections in use are looked at when they are taken.
const lookAfter = int64(time.Second)

// prune works on one shard. The oldest connections lie at the bottom of the stack, so they go first.
func (s *poolShard) prune(now int64, limits *PoolLimits, limit int) int {
	s.mu.Lock()
	var spent []Conn
	keep := s.stack[:0]
	surplus := len(s.stack) - limit
	for i, c := range s.stack {
		if i < surplus || limits.spent(c.Entry(), now) || now-c.Entry().idle > lookAfter && c.Dead() {
			spent = append(spent, c)
			continue
		}
		keep = append(keep, c)
	}
	clear(s.stack[len(keep):])
	s.stack = keep
	left := len(keep)
	shared, retired := s.pruneShared(now, limits, nil)
	s.mu.Unlock()
	for _, c := range spent {
		_ = c.Close()
	}
	for _, c := range retired {
		c.Retire()
	}
	return left + shared
}

// unusedSince returns how long nothing was put back.
func (p *Pool) unusedSince(now int64) time.Duration { return time.Duration(now - p.used.Load()) }

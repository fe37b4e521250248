package listen

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/filter"
)

// The states of a connection. A connection that waits is closed by drain; one that works is left to
// finish. The two sides race for a connection whose next request is just coming, and a compare-and-swap
// decides who has it.
const (
	active int32 = iota
	idle
	closed
)

// tracked is one open connection.
type tracked struct {
	conn     net.Conn
	serial   uint64
	listener *Listener
	state    atomic.Int32
	requests atomic.Uint64
}

var _ filter.ConnWatcher = (*tracked)(nil)

// Idle implements filter.ConnWatcher.
func (c *tracked) Idle() bool {
	if !c.state.CompareAndSwap(active, idle) {
		return c.state.Load() == idle && !c.listener.closing.Load()
	}
	// Drain sets closing before it looks for those that wait: either it finds us waiting, or we find it.
	return !c.listener.closing.Load() || !c.state.CompareAndSwap(idle, closed)
}

// Active implements filter.ConnWatcher.
func (c *tracked) Active() bool {
	c.requests.Add(1)
	return c.state.CompareAndSwap(idle, active) || c.state.Load() == active
}

// Tunnel implements filter.ConnWatcher.
func (c *tracked) Tunnel() {}

// closeIfIdle closes the connection if it waits for a request.
func (c *tracked) closeIfIdle() {
	if c.state.CompareAndSwap(idle, closed) {
		c.conn.Close()
	}
}

// connShards is how many parts the set of connections has, so that accepting does not queue at one lock.
const connShards = 16

// connSet is the set of open connections.
type connSet struct {
	count  atomic.Int64
	ended  atomic.Uint64 // requests of connections that are gone
	shards [connShards]struct {
		mu   sync.Mutex
		open map[*tracked]struct{}
	}
}

// len returns how many connections are open.
func (s *connSet) len() int { return int(s.count.Load()) }

// add files a connection.
func (s *connSet) add(c *tracked) {
	s.count.Add(1)
	shard := &s.shards[c.serial%connShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.open == nil {
		shard.open = make(map[*tracked]struct{})
	}
	shard.open[c] = struct{}{}
}

// remove forgets a connection.
func (s *connSet) remove(c *tracked) {
	s.count.Add(-1)
	s.ended.Add(c.requests.Load())
	shard := &s.shards[c.serial%connShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.open, c)
}

// each calls f for every open connection. f must not block.
func (s *connSet) each(f func(*tracked)) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for c := range shard.open {
			f(c)
		}
		shard.mu.Unlock()
	}
}

package upstream

// Connections of one endpoint that carry many requests at once (HTTP/2).
//
// They lie in the same shards as the others, and a client connection only ever looks into its own: so there is one connection
// for each shard, not for each request, and cores do not wait for each other. Another one is made when no place is left on
// those that are there. Whoever finds none makes one, and everybody else who comes meanwhile waits for it: a burst of
// requests does not become a burst of connections.

import "time"

// Shared is a connection that carries many requests at once.
type Shared interface {
	// Reserve takes a place for one request. It is false if there is none, or the connection is about to end.
	Reserve() bool
	// Idle returns for how long there has been no request, 0 if there is one; open is false if the connection takes no
	// more.
	Idle() (d time.Duration, open bool)
	// Retire ends the connection when the requests under way have ended. It does not wait.
	Retire()
}

// sharing is a shared connection as its pool knows it.
type sharing struct {
	Shared
	created  int64
	requests int
}

// Dialling is a connection that somebody is making.
type Dialling struct {
	done    chan struct{}
	failure Failure
}

// Done is closed when the connection is there, or will not be.
func (d *Dialling) Done() <-chan struct{} { return d.done }

// Failure says, after Done, why there is no connection. NoFailure tells to ask again: there is one, or whoever was making it
// has given up for reasons of its own.
func (d *Dialling) Failure() Failure { return d.failure }

// Share takes a place on a connection for the client connection numbered serial. If there is no place, it returns the
// connection to wait for; with mine set the caller has to make it and call Settle, whatever comes of it.
func (p *Pool) Share(serial uint64) (c Shared, d *Dialling, mine bool) {
	s := &p.shards[serial%uint64(len(p.shards))]
	limits := p.limits.Load()
	var spent Shared
	s.mu.Lock()
	for i := 0; i < len(s.shared) && c == nil; i++ {
		e := &s.shared[i]
		if !e.Reserve() {
			continue
		}
		c = e.Shared
		if e.requests++; limits.Requests > 0 && e.requests >= limits.Requests {
			spent = c
			s.drop(i)
		}
	}
	if c == nil {
		if d = s.dialling; d == nil {
			d, mine = &Dialling{done: make(chan struct{})}, true
			s.dialling = d
		}
	}
	s.mu.Unlock()
	if spent != nil {
		spent.Retire()
	}
	if now := Now(); now-p.used.Load() > int64(time.Second) {
		p.used.Store(now)
	}
	return c, d, mine
}

// Settle says what came of making a connection: c, on which the caller has reserved its own place, or nil and why.
func (p *Pool) Settle(serial uint64, d *Dialling, c Shared, f Failure) {
	s := &p.shards[serial%uint64(len(p.shards))]
	s.mu.Lock()
	s.dialling = nil
	keep := c != nil && !p.closed.Load()
	if keep {
		s.shared = append(s.shared, sharing{Shared: c, created: Now(), requests: 1})
	}
	s.mu.Unlock()
	if c != nil && !keep {
		c.Retire() // serves the request that it was made for
	}
	d.failure = f
	close(d.done)
}

// drop takes a shared connection out of the shard.
func (s *poolShard) drop(i int) {
	last := len(s.shared) - 1
	s.shared[i] = s.shared[last]
	s.shared[last] = sharing{}
	s.shared = s.shared[:last]
}

// pruneShared takes shared connections out that have ended, idled for too long or have served their time, and returns how
// many are left. The caller retires what it returns as spent.
func (s *poolShard) pruneShared(now int64, limits *PoolLimits, spent []Shared) (left int, _ []Shared) {
	for i := len(s.shared) - 1; i >= 0; i-- {
		e := &s.shared[i]
		idle, open := e.Idle()
		if open && (limits.Timeout <= 0 || idle < limits.Timeout) &&
			(limits.Lifetime <= 0 || now-e.created < int64(limits.Lifetime)) {
			continue
		}
		spent = append(spent, e.Shared)
		s.drop(i)
	}
	return len(s.shared), spent
}

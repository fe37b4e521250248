package upstream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// poolWith returns a pool with limits of its own.
func poolWith(l PoolLimits) *Pool {
	var limits atomic.Pointer[PoolLimits]
	limits.Store(&l)
	return newPool(Profile{}, &limits)
}

func TestPoolGivesTheNewestFirst(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	for i := range 3 {
		p.Put(7, &testConn{name: fmt.Sprint(i)}, Now())
	}
	for want := 2; want >= 0; want-- {
		if got := p.Get(7, Now()).(*testConn).name; got != fmt.Sprint(want) {
			t.Errorf("got connection %s, want %d", got, want)
		}
	}
	if c := p.Get(7, Now()); c != nil {
		t.Errorf("an empty pool gave %v", c)
	}
}

func TestPoolGivesTheConnectionOfAnotherClientBeforeNone(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	p.Put(0, &testConn{}, Now())
	for serial := range uint64(maxShards) {
		c := p.Get(serial, Now())
		if c == nil {
			t.Fatalf("client %d found nothing", serial)
		}
		p.Put(0, c, Now())
	}
}

func TestPoolRefusesConnectionsThatHaveServedTheirTime(t *testing.T) {
	limits := PoolLimits{Idle: 10, Timeout: time.Minute, Lifetime: time.Hour, Requests: 100}
	now := Now()
	tests := map[string]struct {
		conn  *testConn
		later time.Duration
		want  bool
	}{
		"fresh":                  {&testConn{Pooled: Pooled{Created: now}}, 0, true},
		"idle nearly too long":   {&testConn{Pooled: Pooled{Created: now}}, 59 * time.Second, true},
		"idle too long":          {&testConn{Pooled: Pooled{Created: now}}, time.Minute, false},
		"too old when put back":  {&testConn{Pooled: Pooled{Created: now - int64(time.Hour)}}, 0, false},
		"too old when taken":     {&testConn{Pooled: Pooled{Created: now - int64(time.Hour-time.Second)}}, 2 * time.Second, false},
		"too many requests":      {&testConn{Pooled: Pooled{Created: now, Requests: 100}}, 0, false},
		"one request left":       {&testConn{Pooled: Pooled{Created: now, Requests: 99}}, 0, true},
		"closed by the upstream": {&testConn{name: "dead", Pooled: Pooled{Created: now}}, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := poolWith(limits)
			c := tt.conn
			c.dead.Store(c.name == "dead")
			p.Put(0, c, now)
			got := p.Get(0, now+int64(tt.later))
			if (got != nil) != tt.want {
				t.Errorf("Get = %v, want a connection: %v", got, tt.want)
			}
			if closed := c.closed.Load() == 1; closed == tt.want {
				t.Errorf("closed: %v", closed)
			}
		})
	}
}

func TestTakeDoesNotAskWhetherAConnectionIsDead(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	c := &testConn{Pooled: Pooled{Created: Now()}}
	c.dead.Store(true)
	p.Put(0, c, Now())
	if got := p.Take(0, Now()); got != c || c.closed.Load() != 0 {
		t.Errorf("Take = %v, closed %d times", got, c.closed.Load())
	}
	p.Put(0, c, Now()-int64(2*time.Minute))
	if got := p.Take(0, Now()); got != nil || c.closed.Load() != 1 {
		t.Errorf("a connection that was idle for too long: Take = %v, closed %d times", got, c.closed.Load())
	}
}

func TestPoolKeepsNoMoreThanItsLimit(t *testing.T) {
	for _, idle := range []int{0, 1, 3, 64} {
		p := poolWith(PoolLimits{Idle: idle})
		var conns []*testConn
		for i := range uint64(4 * (idle + maxShards)) {
			c := &testConn{}
			conns = append(conns, c)
			p.Put(i, c, Now())
		}
		closed := 0
		for _, c := range conns {
			closed += int(c.closed.Load())
		}
		if n := p.Len(); n < idle || n > idle+len(p.shards) || n+closed != len(conns) || idle == 0 && n != 0 {
			t.Errorf("limit %d: %d kept, %d of %d closed", idle, n, closed, len(conns))
		}
	}
}

func TestPruneClosesWhatIsOverdueDeadOrAboveTheLimit(t *testing.T) {
	r := NewRegistry()
	u := r.Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	u.Publish(specs(1))
	p := u.Set().Endpoints()[0].Pool(Profile{})
	now := Now()
	old := &testConn{Pooled: Pooled{Created: now}}
	dead := &testConn{Pooled: Pooled{Created: now}}
	dead.dead.Store(true)
	p.Put(0, old, now-int64(2*time.Minute)+int64(time.Second))
	p.Put(0, dead, now-2*lookAfter)
	for range 8 {
		p.Put(0, &testConn{Pooled: Pooled{Created: now}}, now)
	}
	if n := r.Prune(); n != 8 || old.closed.Load() != 1 || dead.closed.Load() != 1 {
		t.Errorf("%d idle left, overdue closed %d, dead closed %d; want 8, 1, 1", n, old.closed.Load(), dead.closed.Load())
	}
	limits := DefaultPoolLimits()
	limits.Idle = 2
	r.SetPoolLimits(limits)
	if n := r.Prune(); n > 2 {
		t.Errorf("%d idle left with a limit of 2", n)
	}
	limits.Idle = 0
	r.SetPoolLimits(limits)
	if n := r.Prune(); n != 0 {
		t.Errorf("%d idle left with a limit of 0", n)
	}
}

func TestPoolOfAnEndpointThatLeftKeepsNothing(t *testing.T) {
	r := NewRegistry()
	u := r.Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	u.Publish(specs(2))
	e := u.Set().Endpoints()[0]
	pool := e.Pool(Profile{})
	idle, inUse, late := &testConn{}, &testConn{}, &testConn{}
	pool.Put(0, idle, Now())
	u.Publish(specs(2)[1:])
	if idle.closed.Load() != 1 {
		t.Error("the idle connection stays open")
	}
	if !e.Gone() {
		t.Error("the endpoint does not know that it left")
	}
	pool.Put(0, inUse, Now())
	e.Pool(Profile{1}).Put(0, late, Now())
	if inUse.closed.Load() != 1 || late.closed.Load() != 1 {
		t.Error("connections that come back later stay open")
	}
	u.Publish(specs(2))
	if u.Set().Endpoints()[0] == e {
		t.Error("an endpoint that comes back is the old one: its address may be another server now")
	}
}

func TestProfilesAreNeverMixed(t *testing.T) {
	u := published(t, Options{}, specs(1))
	e := u.Set().Endpoints()[0]
	plain := &testConn{}
	e.Pool(Profile{}).Put(0, plain, Now())
	if c := e.Pool(Profile{1}).Get(0, Now()); c != nil {
		t.Error("a cleartext connection was given to a TLS profile")
	}
	if c := e.Pool(Profile{}).Get(0, Now()); c != plain {
		t.Error("the connection is lost")
	}
}

func TestForgottenPoolsCloseWhatComesBack(t *testing.T) {
	u := published(t, Options{}, specs(1))
	e := u.Set().Endpoints()[0]
	old := e.Pool(Profile{1})
	kept := e.Pool(Profile{2})
	now := Now() + int64(2*forgetPool)
	kept.used.Store(now)
	e.prune(now)
	if e.Pool(Profile{2}) != kept {
		t.Error("a pool in use was forgotten")
	}
	if e.Pool(Profile{1}) == old {
		t.Error("a pool without use was not forgotten")
	}
	c := &testConn{}
	old.Put(0, c, Now())
	if c.closed.Load() != 1 {
		t.Error("a connection put into a forgotten pool leaks")
	}
}

// TestPoolLosesAndDoublesNoConnection lets many clients share a pool while it is pruned and at last closed.
func TestPoolLosesAndDoublesNoConnection(t *testing.T) {
	p := poolWith(PoolLimits{Idle: 4})
	var all sync.Map
	var made atomic.Int64
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(2000) {
				c, _ := p.Get(g, Now()).(*testConn)
				if c == nil {
					made.Add(1)
					c = &testConn{name: fmt.Sprint(g, i)}
					all.Store(c, true)
				}
				if c.closed.Load() != 0 {
					t.Error("the pool gave a closed connection")
				}
				if !c.dead.CompareAndSwap(false, true) { // marks it as in use
					t.Error("one connection was given to two")
				}
				c.dead.Store(false)
				p.Put(g, c, Now())
			}
		})
	}
	for range 100 {
		p.prune(Now())
	}
	wg.Wait()
	p.close()
	all.Range(func(k, _ any) bool {
		if k.(*testConn).closed.Load() != 1 {
			t.Errorf("connection %s is neither pooled nor closed", k.(*testConn).name)
		}
		return true
	})
}

func TestPoolDoesNotAllocate(t *testing.T) {
	u := published(t, Options{}, specs(1))
	e := u.Set().Endpoints()[0]
	var c Conn = &testConn{Pooled: Pooled{Created: Now()}}
	n := testing.AllocsPerRun(1000, func() {
		e.Begin()
		p := e.Pool(Profile{})
		now := Now()
		p.Put(3, c, now)
		p.Get(3, now)
		e.Observe(time.Millisecond)
		e.Done()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPool(b *testing.B) {
	p := poolWith(DefaultPoolLimits())
	var serials atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		serial := serials.Add(1)
		var c Conn = &testConn{Pooled: Pooled{Created: Now()}}
		now := Now()
		for pb.Next() {
			p.Put(serial, c, now)
			if c = p.Get(serial, now); c == nil {
				c = &testConn{Pooled: Pooled{Created: Now()}}
			}
		}
	})
}

package upstream

import (
	"sync"
	"testing"
	"time"
)

// testShared is a shared connection without a peer.
type testShared struct {
	mu      sync.Mutex
	places  int
	free    int
	idle    time.Duration
	retired bool
}

func (c *testShared) Reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired || c.free == 0 {
		return false
	}
	c.free--
	c.places++
	return true
}

func (c *testShared) Idle() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle, !c.retired
}

func (c *testShared) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
}

func TestABurstMakesOneConnection(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	_, d, mine := p.Share(3)
	if !mine {
		t.Fatal("the first one has nobody to wait for")
	}
	var done sync.WaitGroup
	conn := &testShared{free: 100}
	for range 99 {
		c, other, mine := p.Share(3)
		if c != nil || mine || other != d {
			t.Fatal("not waiting for the connection that is being made")
		}
		done.Go(func() {
			<-other.Done()
			if c, _, _ := p.Share(3); c != conn || other.Failure() != NoFailure {
				t.Errorf("got %v after %v", c, other.Failure())
			}
		})
	}
	conn.Reserve()
	p.Settle(3, d, conn, NoFailure)
	done.Wait()
	if conn.places != 100 {
		t.Errorf("%d places taken", conn.places)
	}
	if c, d, mine := p.Share(3); c != nil || d == nil || !mine {
		t.Error("a full connection is not followed by another one")
	}
}

func TestSharedConnectionsEnd(t *testing.T) {
	limits := PoolLimits{Idle: 10, Timeout: time.Minute, Lifetime: time.Hour, Requests: 3}
	for name, tt := range map[string]struct {
		change  func(p *Pool, c *testShared)
		at      time.Duration
		retired bool
		left    int
	}{
		"not as long as they are in use":       {func(*Pool, *testShared) {}, 0, false, 1},
		"when they have idled for too long":    {func(_ *Pool, c *testShared) { c.idle = 61 * time.Second }, 0, true, 0},
		"when they are old":                    {func(*Pool, *testShared) {}, 61 * time.Minute, true, 0},
		"when the upstream has closed them":    {func(_ *Pool, c *testShared) { c.retired = true }, 0, true, 0},
		"when they have carried enough":        {func(p *Pool, _ *testShared) { p.Share(0); p.Share(0) }, 0, true, 0},
		"when the endpoint leaves":             {func(p *Pool, _ *testShared) { p.close() }, 0, true, 0},
		"not when there is one request to go":  {func(p *Pool, _ *testShared) { p.Share(0) }, 0, false, 1},
		"not when nothing limits their idling": {func(p *Pool, c *testShared) { c.idle = time.Second }, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := poolWith(limits)
			_, d, _ := p.Share(0)
			c := &testShared{free: 10}
			c.Reserve()
			p.Settle(0, d, c, NoFailure)
			tt.change(p, c)
			if left := p.prune(Now() + int64(tt.at)); left != tt.left || c.retired != tt.retired {
				t.Errorf("%d left, retired %v", left, c.retired)
			}
		})
	}
}

func TestAnEndpointThatHasLeftKeepsNoSharedConnection(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	_, d, _ := p.Share(0)
	p.close()
	c := &testShared{free: 10}
	c.Reserve()
	p.Settle(0, d, c, NoFailure)
	if !c.retired || p.Len() != 0 {
		t.Error("it is kept")
	}
}

func TestWhoWaitsLearnsWhyThereIsNoConnection(t *testing.T) {
	p := poolWith(DefaultPoolLimits())
	_, d, _ := p.Share(0)
	p.Settle(0, d, nil, ConnectRefused)
	<-d.Done()
	if d.Failure() != ConnectRefused {
		t.Error(d.Failure())
	}
	if _, next, mine := p.Share(0); !mine || next == d {
		t.Error("nobody makes the next one")
	}
}

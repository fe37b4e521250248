package basicauth

// Checking a bcrypt hash takes a core for some 50 ms. Were it done wherever a request comes in, a few hundred wrong
// passwords a second would stop everything else. So half of the cores check, the others wait; who would have to
// wait too long, or behind too many, gets 503. Each Ingress has its own limit of waiters, so that an attack on one does
// not shut the others out.

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting is how many requests of one Ingress may wait.
	maxWaiting = 32
	// maxWaitingAll is how many requests may wait in all.
	maxWaitingAll = 256
	// maxWait is how long one may wait.
	maxWait = 10 * time.Second
)

// gate bounds how many expensive checks run at once.
type gate struct {
	slots   chan struct{}
	waiting atomic.Int32
}

// newGate makes a gate for half of the cores.
func newGate() *gate { return &gate{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))} }

// enter waits for a place. It reports false if there is none in time; else leave must follow. queue counts those
// who wait for the same Ingress.
func (g *gate) enter(ctx context.Context, queue *atomic.Int32) bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}
	here, all := queue.Add(1), g.waiting.Add(1)
	defer queue.Add(-1)
	defer g.waiting.Add(-1)
	if here > maxWaiting || all > maxWaitingAll {
		return false
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case g.slots <- struct{}{}:
		return true
	case <-timeout.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// leave frees the place that enter took.
func (g *gate) leave() { <-g.slots }

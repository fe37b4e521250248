package forward

import (
	"sync"

	"github.com/yettproxy/yett/proxy/wire"
)

// bell is where streams whose client has given them up make themselves heard. Only they take its lock.
//
// The surprise: a flight that has rung may be another exchange's by the time that the watch looks, since streams outlive
// flights. So ringing only makes the watch look earlier, and decides nothing.
type bell struct {
	heard chan struct{} // has one element if flights have rung

	mu   sync.Mutex
	rung []*flight // each once
	// idle is the memory of the list that the watch has looked at last.
	idle []*flight
}

// init prepares a bell.
func (b *bell) init() { b.heard = make(chan struct{}, 1) }

// ring has the watch look at a flight. It does not wait.
func (b *bell) ring(s *flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.rung {
		return
	}
	s.rung = true
	b.rung = append(b.rung, s)
	select {
	case b.heard <- struct{}{}:
	default:
	}
}

// take returns the flights that have rung. The list is valid until the next call.
func (b *bell) take() []*flight {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.idle)
	b.rung, b.idle = b.idle[:0], b.rung
	for _, s := range b.idle {
		s.rung = false
	}
	return b.idle
}

// answer wakes the flights that have rung, if they wait. Those that do not are going to be looked at with all others.
func (w *watch) answer() {
	for _, s := range w.bell.take() {
		state := s.wait.state.Load()
		if state%stateStep != stateWaiting || !s.wait.hold(state) {
			continue
		}
		if g, ok := s.x.Stream.(wire.Goner); ok && g.Gone() {
			w.wake(candidate{s, state})
			continue
		}
		s.wait.release(state)
	}
}

package forward

// Clients go away while their request waits for an upstream. Reading the client's connection would tell, but
// needs a goroutine for each request. Instead one goroutine looks, every few milliseconds, at the flights that
// have been waiting since it last looked, asks the kernel about all their clients with one call of poll(2), and
// closes the upstream connection of those that are gone, which wakes the flight. Streams that share a
// connection with others know by themselves (wire.Goner), and those of HTTP/2 and HTTP/3 say so at once (wire.Alarm, bell.go).
//
// What a flight that does not wait that long pays is two atomic operations: begin puts a new number into
// its state, end takes it back. The watch only looks at a number that it has seen before. To touch a flight it
// first makes the state busy; end then spins until the watch has let go.
//
// The surprise: a client that shuts down only its sending side counts as gone, as it does in nginx
// (proxy_ignore_client_abort off).

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// watchTick is how often the watch looks: a client that goes away is noticed after at most twice this.
	watchTick = 20 * time.Millisecond
	// idleTick is how often it looks as long as nothing is under way.
	idleTick = 40 * time.Millisecond
)

// Looking costs some 300 ns for each client, so those that wait for long, such as streams of events, are asked
// about less often: from the 50th look on, which is after a second, at every 3rd.
const (
	patientAfter = 50
	patientEvery = 3
)

// The states of a wait, in its lowest bits; the rest is a number that differs for each wait.
const (
	stateNone uint64 = iota
	stateWaiting
	stateBusy
	stateGone
	stateStep
)

// wait is what the watch knows about a flight that waits.
type wait struct {
	state atomic.Uint64
	turn  uint64 // of the flight: the number of the wait under way
	seen  uint64 // of the watch: the state at its last look
	looks uint64 // of the watch: how often it has seen that
}

// begin says that the flight is going to wait. What the watch will need must be in place.
func (w *wait) begin() {
	w.turn += stateStep
	w.state.Store(w.turn | stateWaiting)
}

// end says that the flight does not wait any more, and reports whether the client is gone.
func (w *wait) end() (gone bool) {
	for !w.state.CompareAndSwap(w.turn|stateWaiting, w.turn) {
		if w.state.Load() == w.turn|stateGone {
			w.state.Store(w.turn)
			return true
		}
		runtime.Gosched() // the watch is busy with us
	}
	return false
}

// hold makes a waiting flight stay until release or give, and reports whether it still waits.
func (w *wait) hold(state uint64) bool {
	return w.state.CompareAndSwap(state, state-stateWaiting+stateBusy)
}

// release lets go of a flight.
func (w *wait) release(state uint64) { w.state.Store(state) }

// give lets go of a flight that has been woken because its client is gone.
func (w *wait) give(state uint64) { w.state.Store(state - stateWaiting + stateGone) }

// watch keeps the flights and looks after them.
type watch struct {
	shards []watchShard
	bell   bell
	// Below is the property of run.
	candidates []candidate
	fds        []pollFD
	owners     []candidate
	grab       func(fd uintptr)
	grabbed    uintptr
}

// watchShard keeps the flights of some client connections. It fills a cache line.
type watchShard struct {
	mu     sync.Mutex
	active []*flight
	free   []*flight
	_      [64 - 8 - 24 - 24]byte
}

// candidate is a flight that has been waiting for a whole tick.
type candidate struct {
	flight *flight
	state  uint64
}

// keepFree is how many unused flights a shard keeps.
const keepFree = 64

// init prepares an empty watch.
func (w *watch) init() {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < 16 {
		n *= 2
	}
	w.shards = make([]watchShard, n)
	w.bell.init()
	w.grab = func(fd uintptr) { w.grabbed = fd }
}

// begin returns an empty flight for a client connection.
func (w *watch) begin(serial uint64) *flight {
	shard := &w.shards[serial%uint64(len(w.shards))]
	shard.mu.Lock()
	var s *flight
	if n := len(shard.free); n > 0 {
		s = shard.free[n-1]
		shard.free = shard.free[:n-1]
	} else {
		s = newFlight(shard, &w.bell)
	}
	s.place = len(shard.active)
	shard.active = append(shard.active, s)
	shard.mu.Unlock()
	return s
}

// end takes a flight back.
func (w *watch) end(s *flight) {
	s.reset()
	shard := s.shard
	shard.mu.Lock()
	last := len(shard.active) - 1
	moved := shard.active[last]
	shard.active[s.place] = moved
	moved.place = s.place
	shard.active[last] = nil
	shard.active = shard.active[:last]
	if len(shard.free) < keepFree {
		shard.free = append(shard.free, s)
	}
	shard.mu.Unlock()
}

// run looks until stop.
func (w *watch) run(stop <-chan struct{}) {
	timer := time.NewTimer(idleTick)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-w.bell.heard:
			w.answer()
			continue
		case <-timer.C:
		}
		if w.look() {
			timer.Reset(watchTick)
		} else {
			timer.Reset(idleTick)
		}
	}
}

// look looks at all flights once and reports whether there are any.
func (w *watch) look() (busy bool) {
	w.candidates = w.candidates[:0]
	for i := range w.shards {
		shard := &w.shards[i]
		shard.mu.Lock()
		for _, s := range shard.active {
			state := s.wait.state.Load()
			if state != s.wait.seen {
				s.wait.seen, s.wait.looks = state, 0
				continue
			}
			s.wait.looks++
			if state%stateStep == stateWaiting && (s.wait.looks < patientAfter || s.wait.looks%patientEvery == 0) {
				w.candidates = append(w.candidates, candidate{s, state})
			}
		}
		busy = busy || len(shard.active) > 0
		shard.mu.Unlock()
	}
	for list := w.candidates; len(list) > 0; {
		n := min(len(list), maxPoll)
		w.ask(list[:n])
		list = list[n:]
	}
	clear(w.candidates)
	clear(w.owners)
	return busy
}

// maxPoll is how many clients are asked about with one call.
const maxPoll = 1024

// ask finds out which clients are gone and wakes their flights. The descriptors are only borrowed for a
// moment, and may belong to somebody else by the time of the answer; so those that seem gone are asked about once
// more while they are held.
func (w *watch) ask(list []candidate) {
	w.fds, w.owners = w.fds[:0], w.owners[:0]
	for _, c := range list {
		if !c.flight.wait.hold(c.state) {
			continue
		}
		if g, ok := c.flight.x.Stream.(wire.Goner); ok && g.Gone() {
			w.wake(c)
			continue
		}
		if raw := c.flight.raw; raw != nil {
			if raw.Control(w.grab) != nil {
				w.wake(c)
				continue
			}
			w.fds = append(w.fds, newPollFD(w.grabbed))
			w.owners = append(w.owners, c)
		}
		c.flight.wait.release(c.state)
	}
	if len(w.fds) == 0 || pollNow(w.fds) == 0 {
		return
	}
	for i := range w.fds {
		if !w.fds[i].gone() {
			continue
		}
		c := w.owners[i]
		if !c.flight.wait.hold(c.state) {
			continue
		}
		if goneNow(c.flight.raw) {
			w.wake(c)
			continue
		}
		c.flight.wait.release(c.state)
	}
}

// wake tells a flight that is held that its client is gone.
func (w *watch) wake(c candidate) {
	c.flight.cut()
	c.flight.wait.give(c.state)
}

// goneNow asks about one client while its descriptor cannot change hands.
func goneNow(raw syscall.RawConn) bool {
	gone := false
	err := raw.Control(func(fd uintptr) {
		one := []pollFD{newPollFD(fd)}
		gone = pollNow(one) > 0 && one[0].gone()
	})
	return gone || err != nil
}

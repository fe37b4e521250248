package observe

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// A request must not wait for the log's sink, so lines go into memory and one goroutine writes them. The
// memory is cut into shards, each with a lock of its own, since one lock would be taken by all cores for
// every request; a line is composed right into its shard, where no copy is needed. Whoever finds a shard
// locked takes the next one: the lock is held for the half microsecond that composing takes.
//
// The writer sleeps until a line comes into an empty log, then waits a little for more, swaps each shard's
// buffer for an empty one and writes it whole. While it is stuck in a write the shards fill up, and then
// lines are dropped and counted. Lines of different shards may change places within that time.

// LogOptions bound the memory of an AccessLog. The zero value has good defaults.
type LogOptions struct {
	// Shards is how many buffers there are; 0 for one for each core.
	Shards int
	// ShardBytes is the size at which a shard drops lines; 0 for 1 MiB. Twice as much may be in memory.
	ShardBytes int
	// Delay is how long a line may wait for others; 0 for 100 ms. A shard that is a quarter full does not wait.
	Delay time.Duration
	// CloseTimeout is how long Flush and Close wait for a sink that does not take anything; 0 for 5 s.
	CloseTimeout time.Duration
}

// ErrLogStuck says that the sink of an access log took nothing within CloseTimeout.
var ErrLogStuck = errors.New("access log: sink is stuck")

// ErrLogClosed says that an access log was closed before.
var ErrLogClosed = errors.New("access log: closed")

// AccessLog writes one line for each exchange. Each Write to its sink is one or more whole lines.
type AccessLog struct {
	sink    io.Writer
	options LogOptions
	shards  []shard

	// pending says that the writer knows there is something to write.
	pending atomic.Bool
	wake    chan struct{}
	// full asks the writer not to wait for more.
	full  chan struct{}
	flush chan chan error
	stop  chan struct{}
	once  sync.Once
	done  chan struct{}

	dropped atomic.Uint64
}

// shard is one buffer. The padding keeps two of them off the same cache line.
type shard struct {
	mu    sync.Mutex
	lines []byte
	count uint64
	// last is set at the end: what comes later is dropped.
	last bool
	_    [64]byte
}

// NewAccessLog returns a log that writes to w. It must be closed.
func NewAccessLog(w io.Writer, o LogOptions) *AccessLog {
	if o.Shards <= 0 {
		o.Shards = runtime.GOMAXPROCS(0)
	}
	if o.ShardBytes <= 0 {
		o.ShardBytes = 1 << 20
	}
	if o.Delay <= 0 {
		o.Delay = 100 * time.Millisecond
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	l := &AccessLog{
		sink: w, options: o, shards: make([]shard, o.Shards),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
		flush: make(chan chan error), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l
}

// Log writes the line for a finished exchange, unless f leaves it out. It never waits for the sink: lines
// that find no room are dropped and counted. A nil log or format writes nothing.
func (l *AccessLog) Log(x *filter.Exchange, f *LogFormat) {
	if l == nil || f == nil || !f.wants(x) {
		return
	}
	serial := uint64(0)
	if x.Conn != nil {
		serial = x.Conn.Serial
	}
	s := l.lock(serial)
	if s.last || len(s.lines) >= l.options.ShardBytes {
		s.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	s.lines = f.append(s.lines, x)
	l.unlock(s)
}

// Line writes a line that was composed elsewhere, its end included, as Log does. serial is the number of the connection.
func (l *AccessLog) Line(serial uint64, line []byte) {
	s := l.lock(serial)
	if s.last || len(s.lines) >= l.options.ShardBytes {
		s.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	s.lines = append(s.lines, line...)
	l.unlock(s)
}

// unlock counts the line that was added to a shard, unlocks it and sees to it that it is written.
func (l *AccessLog) unlock(s *shard) {
	s.count++
	size := len(s.lines)
	s.mu.Unlock()
	if size >= l.options.ShardBytes/4 {
		notify(l.full)
	}
	if !l.pending.Load() && l.pending.CompareAndSwap(false, true) {
		notify(l.wake)
	}
}

// lock locks a shard: the connection's, or the next that nobody holds.
func (l *AccessLog) lock(serial uint64) *shard {
	n := len(l.shards)
	first := int(serial % uint64(n))
	for i := range n {
		if s := &l.shards[(first+i)%n]; s.mu.TryLock() {
			return s
		}
	}
	s := &l.shards[first]
	s.mu.Lock()
	return s
}

// notify leaves word in a channel of one place.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run is the writer.
func (l *AccessLog) run() {
	defer close(l.done)
	spare := make([]byte, 0, l.options.ShardBytes/4)
	delay := time.NewTimer(l.options.Delay)
	delay.Stop()
	for {
		select {
		case <-l.wake:
			delay.Reset(l.options.Delay)
			select {
			case <-delay.C:
			case <-l.full:
			case answer := <-l.flush:
				answer <- l.write(&spare, false)
				continue
			case <-l.stop:
				l.write(&spare, true)
				return
			}
			l.write(&spare, false)
		case answer := <-l.flush:
			answer <- l.write(&spare, false)
		case <-l.stop:
			l.write(&spare, true)
			return
		}
	}
}

// write writes out all shards. Lines that the sink does not take count as dropped.
func (l *AccessLog) write(spare *[]byte, last bool) error {
	l.pending.Store(false)
	var failed error
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		lines, count := s.lines, s.count
		s.lines, s.count, s.last = (*spare)[:0], 0, last
		s.mu.Unlock()
		if len(lines) > 0 {
			if _, err := l.sink.Write(lines); err != nil {
				l.dropped.Add(count)
				failed = err
			}
		}
		if cap(lines) > 2*l.options.ShardBytes {
			lines = make([]byte, 0, l.options.ShardBytes)
		}
		*spare = lines
	}
	return failed
}

// Flush waits until everything logged before was written, and returns the sink's error if there was one.
func (l *AccessLog) Flush() error {
	answer := make(chan error, 1)
	limit := time.NewTimer(l.options.CloseTimeout)
	defer limit.Stop()
	select {
	case l.flush <- answer:
	case <-l.done:
		return ErrLogClosed
	case <-limit.C:
		return ErrLogStuck
	}
	select {
	case err := <-answer:
		return err
	case <-limit.C:
		return ErrLogStuck
	}
}

// Close writes what is left and stops the writer; the sink stays open. Lines logged afterwards are dropped.
func (l *AccessLog) Close() error {
	l.once.Do(func() { close(l.stop) })
	limit := time.NewTimer(l.options.CloseTimeout)
	defer limit.Stop()
	select {
	case <-l.done:
		return nil
	case <-limit.C:
		return ErrLogStuck
	}
}

// Dropped returns how many lines were dropped.
func (l *AccessLog) Dropped() uint64 { return l.dropped.Load() }

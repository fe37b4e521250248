package http2

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// Whoever has frames to send appends them to one buffer under the lock of the connection. Who finds nobody
// writing writes, without the lock; what others append meanwhile leaves with the next write, and they do not wait.
//
// Two surprises. Before it writes, a stream steps aside once if others are under way (runtime.Gosched): those that
// are ready to run then add their frames, and dozens of small responses leave in one write, one TLS record.
// And nobody writes for others more than twice: a stream whose response is complete must not be held up by a long
// download beside it, nor may the reader, who opens the windows. A goroutine takes over until there is a pause.

const (
	// outputLimit is how much is queued before streams have to wait, in bytes. Frames that answer the client's own are
	// bounded by calm.
	outputLimit = 64 << 10
	// turns is how many writes somebody does before a goroutine takes over.
	turns = 2
)

// outputBuffer is memory for frames.
type outputBuffer struct{ data []byte }

// output is what is to be sent, and who sends it. The lock of the connection guards it.
type output struct {
	mu      *sync.Mutex // of the connection
	nc      net.Conn
	owner   outputOwner
	buf     []byte
	spare   []byte
	writing bool
	failed  bool
	idle    *sync.Cond // writing has become false; made when somebody waits
	armed   int64
}

// outputOwner is the connection that an output belongs to. All its methods are called with the lock.
type outputOwner interface {
	// writingLocked is told that bytes are about to be written, and returns how long that may take in nanoseconds; 0 for
	// no limit.
	writingLocked(bytes int) (timeout int64)
	// roomLocked is told that there is room for frames again.
	roomLocked()
	// brokenLocked is told that writing has failed.
	brokenLocked()
	// pausedLocked is told that nobody writes any more.
	pausedLocked()
}

// take returns the buffer to append to.
func (o *output) take() []byte {
	if o.buf == nil {
		o.buf = borrowOutput()
	}
	return o.buf
}

// borrowOutput returns an empty buffer.
func borrowOutput() []byte {
	b := outputs.Get().(*outputBuffer)
	data := b.data
	b.data = nil
	holders.Put(b)
	if data == nil {
		data = make([]byte, 0, firstOutput)
	}
	return data[:0]
}

// holders are outputBuffers without memory, so that returning a buffer does not allocate.
var holders = sync.Pool{New: func() any { return new(outputBuffer) }}

// returnOutput gives a buffer back.
func returnOutput(data []byte) {
	if data == nil || cap(data) > 4*outputLimit {
		return
	}
	b := holders.Get().(*outputBuffer)
	b.data = data
	outputs.Put(b)
}

// release gives all memory back.
func (o *output) release() {
	returnOutput(o.buf)
	returnOutput(o.spare)
	o.buf, o.spare = nil, nil
}

// wait waits until nobody is writing.
func (o *output) wait() {
	if o.idle == nil {
		o.idle = sync.NewCond(o.mu)
	}
	o.idle.Wait()
}

// flushLocked sends what is queued, or sees to it that somebody does. It lets go of the lock meanwhile. crowded says
// that others, who may have something to add, are under way.
func (o *output) flushLocked(crowded bool) {
	if o.writing || len(o.buf) == 0 {
		return
	}
	o.writing = true
	if crowded {
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
	}
	for range turns {
		if !o.writeLocked() {
			o.pauseLocked()
			return
		}
	}
	go o.writeOn()
}

// writeOn writes until there is nothing left.
func (o *output) writeOn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writeLocked() {
	}
	o.pauseLocked()
}

// writeLocked does one write and reports whether there is more.
func (o *output) writeLocked() bool {
	p := o.buf
	o.buf, o.spare = o.spare[:0], nil
	if o.buf == nil {
		o.buf = borrowOutput()
	}
	timeout := o.owner.writingLocked(len(p))
	o.mu.Unlock()
	err := o.arm(timeout)
	if err == nil {
		_, err = o.nc.Write(p)
	}
	o.mu.Lock()
	o.spare = p[:0]
	if err != nil {
		o.failed = true
		o.buf = o.buf[:0]
		o.owner.brokenLocked()
		return false
	}
	o.owner.roomLocked()
	return len(o.buf) > 0
}

// arm limits how long a write may take. The deadline is moved only when it has come close.
func (o *output) arm(timeout int64) error {
	if timeout <= 0 {
		return nil
	}
	now := clock()
	if left := o.armed - now; left >= timeout && left <= timeout+slack(timeout) {
		return nil
	}
	o.armed = now + timeout + slack(timeout)
	return o.nc.SetWriteDeadline(epoch.Add(time.Duration(o.armed)))
}

// pauseLocked ends a turn of writing.
func (o *output) pauseLocked() {
	o.writing = false
	if o.idle != nil {
		o.idle.Broadcast()
	}
	o.owner.pausedLocked()
}

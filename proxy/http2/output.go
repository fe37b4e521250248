package http2

import (
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

// output is what is to be sent.
type output struct {
	buf     []byte
	spare   []byte
	writing bool
	failed  bool
	idle    *sync.Cond // writing has become false; made when somebody waits
	armed   int64
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
func (o *output) wait(mu *sync.Mutex) {
	if o.idle == nil {
		o.idle = sync.NewCond(mu)
	}
	o.idle.Wait()
}

// flushLocked sends what is queued, or sees to it that somebody does. It lets go of the lock meanwhile.
func (c *conn) flushLocked() {
	if c.out.writing || len(c.out.buf) == 0 {
		return
	}
	c.out.writing = true
	if c.running > 1 {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	for range turns {
		if !c.writeLocked() {
			c.wroteLocked()
			return
		}
	}
	go c.writeOn()
}

// writeOn writes until there is nothing left.
func (c *conn) writeOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writeLocked() {
	}
	c.wroteLocked()
}

// writeLocked does one write and reports whether there is more.
func (c *conn) writeLocked() bool {
	o := &c.out
	p := o.buf
	o.buf, o.spare = o.spare[:0], nil
	if o.buf == nil {
		o.buf = borrowOutput()
	}
	c.calm.sent += int64(len(p))
	timeout := int64(c.limits.WriteTimeout)
	c.mu.Unlock()
	err := c.armWrite(timeout)
	if err == nil {
		_, err = c.nc.Write(p)
	}
	c.mu.Lock()
	o.spare = p[:0]
	if err != nil {
		o.failed = true
		o.buf = o.buf[:0]
		c.dropLocked()
		c.cut() // wakes the reader
		return false
	}
	c.wakeBlockedLocked()
	return len(o.buf) > 0
}

// armWrite limits how long a write may take. The deadline is moved only when it has come close.
func (c *conn) armWrite(timeout int64) error {
	if timeout <= 0 {
		return nil
	}
	now := clock()
	if left := c.out.armed - now; left >= timeout && left <= timeout+slack(timeout) {
		return nil
	}
	c.out.armed = now + timeout + slack(timeout)
	return c.nc.SetWriteDeadline(epoch.Add(time.Duration(c.out.armed)))
}

// wroteLocked ends a turn of writing.
func (c *conn) wroteLocked() {
	o := &c.out
	o.writing = false
	if o.idle != nil {
		o.idle.Broadcast()
	}
	if c.running == 0 {
		if len(o.buf) == 0 {
			o.release()
		}
	}
	c.restLocked()
	c.overWakeLocked()
}

// restLocked tells the watcher that the connection waits, once every response has left.
func (c *conn) restLocked() {
	if c.running > 0 || !c.watched || c.out.writing || len(c.out.buf) > 0 || c.dead {
		return
	}
	c.watched = false
	if w := c.info.Watch; w != nil && !w.Idle() {
		c.leaveLocked()
		if len(c.out.buf) > 0 { // the answer is a frame or two
			c.flushLocked()
		}
	}
}

package http2

// What a connection to a client does around its writes: see output.

var _ outputOwner = (*conn)(nil)

// flushLocked sends what is queued, or sees to it that somebody does. It lets go of the lock meanwhile.
func (c *conn) flushLocked() { c.out.flushLocked(c.running > 1) }

// writingLocked implements outputOwner: bytes that are sent pay for the client's frames.
func (c *conn) writingLocked(bytes int) (timeout int64) {
	c.calm.sent += int64(bytes)
	return int64(c.limits.WriteTimeout)
}

// roomLocked implements outputOwner.
func (c *conn) roomLocked() { c.wakeBlockedLocked() }

// brokenLocked implements outputOwner.
func (c *conn) brokenLocked() {
	c.dropLocked()
	c.cut() // wakes the reader
}

// pausedLocked implements outputOwner.
func (c *conn) pausedLocked() {
	c.restLocked()
	c.overWakeLocked()
}

// restLocked gives memory back and tells the watcher that the connection waits, once every response has left.
func (c *conn) restLocked() {
	if c.running > 0 || c.out.writing || len(c.out.buf) > 0 || c.dead {
		return
	}
	if c.out.release(); !c.watched {
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

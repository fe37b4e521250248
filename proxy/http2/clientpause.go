package http2

// What a connection to an upstream does around its writes: see output.

var _ outputOwner = (*ClientConn)(nil)

// writingLocked implements outputOwner.
func (c *ClientConn) writingLocked(bytes int) (timeout int64) {
	c.calm.sent += int64(bytes)
	return int64(clientWrite)
}

// roomLocked implements outputOwner.
func (c *ClientConn) roomLocked() { c.wakeBlockedLocked() }

// brokenLocked implements outputOwner.
func (c *ClientConn) brokenLocked() {
	c.dropLocked(errUnwritable)
	c.cut()
}

// pausedLocked implements outputOwner.
func (c *ClientConn) pausedLocked() {
	if c.places == 0 && len(c.out.buf) == 0 {
		c.out.release()
	}
}

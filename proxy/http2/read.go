package http2

import "time"

// readPreface reads what clients begin with.
func (c *conn) readPreface() bool {
	if !c.need(len(preface)) {
		return false
	}
	if string(c.in.buf[c.in.pos:c.in.pos+len(preface)]) != preface {
		c.die(codeProtocol)
		return false
	}
	c.in.pos += len(preface)
	return true
}

// Read implements source.
func (c *conn) Read(p []byte) (int, error) { return c.nc.Read(p) }

// readFrame reads the next frame. It is false at the end of the connection.
func (c *conn) readFrame() (f frame, code errCode, ok bool) { return c.in.frame(c) }

// need makes sure that n bytes are in the buffer, and reports whether they are.
func (c *conn) need(n int) bool { return c.in.need(c, n) }

// await implements source: it prepares for a read that may have to wait: what was queued leaves, and deadlines are armed. It is false if
// the connection is over.
func (c *conn) await() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
	if c.dead || c.out.failed {
		return false
	}
	if c.overLocked() {
		c.polite = true
		return false
	}
	now := clock()
	if c.in.pos == c.in.end && c.head.stream == 0 {
		c.in.partial = 0
	} else if c.in.partial == 0 {
		c.in.partial = now
	}
	timeout := int64(c.limits.IdleTimeout)
	if c.requests == 0 {
		timeout = int64(c.limits.HeadTimeout)
	}
	due := c.idleSince + timeout
	if c.running > 0 {
		due = now + timeout
	}
	if c.in.partial != 0 && c.limits.HeadTimeout > 0 {
		due = min(due, c.in.partial+int64(c.limits.HeadTimeout))
	}
	if timeout <= 0 && c.in.partial == 0 {
		return true
	}
	if now >= due {
		c.byeLocked(codeNone)
		return false
	}
	if c.in.armed < due || c.in.armed > due+slack(timeout) {
		c.in.armed = due + slack(timeout)/2
		return c.nc.SetReadDeadline(epoch.Add(time.Duration(c.in.armed))) == nil
	}
	return true
}

// byeLocked ends a connection that has had its time.
func (c *conn) byeLocked(code errCode) {
	c.out.buf = appendGoAway(c.out.take(), c.last, code)
	c.dropLocked()
	c.flushLocked()
	c.polite = true
}

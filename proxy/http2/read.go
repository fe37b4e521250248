package http2

import (
	"errors"
	"os"
	"time"
)

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

// readFrame reads the next frame. It is false at the end of the connection.
func (c *conn) readFrame() (f frame, code errCode, ok bool) {
	if !c.need(headerSize) {
		return f, 0, false
	}
	h := c.in.buf[c.in.pos:]
	n := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f.kind, f.flags = frameType(h[3]), h[4]
	f.stream = (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & (1<<31 - 1)
	if n > maxPayload {
		return f, codeFrameSize, true
	}
	if !c.need(headerSize + n) {
		return f, 0, false
	}
	f.payload = c.in.buf[c.in.pos+headerSize : c.in.pos+headerSize+n]
	c.in.pos += headerSize + n
	return f, codeNone, true
}

// need makes sure that n bytes are in the buffer, and reports whether they are.
func (c *conn) need(n int) bool {
	for c.in.end-c.in.pos < n {
		p := c.in.room(n)
		if !c.await() {
			return false
		}
		m, err := c.nc.Read(p)
		if err != nil && m == 0 {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.in.armed = 0
				continue // await knows whether it is time
			}
			return false
		}
		c.in.got(m)
	}
	return true
}

// await prepares for a read that may have to wait: what was queued leaves, and deadlines are armed. It is false if
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

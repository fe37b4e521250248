package http2

import "time"

// A connection ends in two steps (RFC 9113 section 6.8). The first GOAWAY names the highest stream there could be: the
// client stops opening streams, but those it has just opened are still served. When it has answered a PING sent
// behind that GOAWAY, or after a second, the second one names the last stream that was accepted; when the streams up to it
// are complete, the connection is closed.

// leaving is how far the end of a connection is.
type leaving uint8

const (
	_ leaving = iota // it stays
	// wanted: as soon as the client has sent a request.
	wanted
	// noticed: the first GOAWAY was sent.
	noticed
	// final: the second one was.
	final
)

// lastCall is how long the client has to learn of the first GOAWAY.
const lastCall = time.Second

// leavePing is the payload of the PING behind the first GOAWAY.
var leavePing = [8]byte{'y', 'e', 't', 't', 'b', 'y', 'e', 0}

// leaveLocked begins the end of the connection.
func (c *conn) leaveLocked() {
	switch {
	case c.dead || c.leaving >= noticed:
		return
	case c.requests == 0:
		c.leaving = wanted
		return
	}
	c.leaving = noticed
	c.out.buf = appendGoAway(c.out.take(), 1<<31-1, codeNone)
	c.out.buf = appendPing(c.out.buf, 0, leavePing[:])
	time.AfterFunc(lastCall, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.dead {
			return // its buffers belong to somebody else by now
		}
		c.leftLocked()
		c.flushLocked()
	})
}

// leftLocked is the second step.
func (c *conn) leftLocked() {
	if c.dead || c.leaving != noticed {
		return
	}
	c.leaving = final
	c.out.buf = appendGoAway(c.out.take(), c.last, codeNone)
	c.overWakeLocked()
	c.tunnelsLocked()
}

// overLocked reports whether all that is left is to close the connection.
func (c *conn) overLocked() bool {
	return c.leaving == final && c.running == 0 && !c.out.writing && len(c.out.buf) == 0
}

// overWakeLocked makes the reader look whether the connection is over.
func (c *conn) overWakeLocked() {
	if c.leaving == final && c.running == 0 {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // of a connection that is closed already: nobody to wake
	}
}

// janitor looks after streams that wait for their client.
type janitor struct {
	timer *time.Timer
	armed bool
}

// stop ends it.
func (j *janitor) stop() {
	if j.timer != nil {
		j.timer.Stop()
	}
}

// guardLocked sees to it that a stream which begins to wait does not wait for ever.
func (c *conn) guardLocked() {
	if c.janitor.armed || c.dead {
		return
	}
	c.janitor.armed = true
	every := 5 * time.Second
	for _, t := range [...]time.Duration{c.limits.BodyTimeout, c.limits.WriteTimeout} {
		if t > 0 {
			every = max(min(every, t/8), 5*time.Millisecond)
		}
	}
	if c.janitor.timer == nil {
		c.janitor.timer = time.AfterFunc(every, c.inspect)
		return
	}
	c.janitor.timer.Reset(every)
}

// inspect ends streams that have waited too long.
func (c *conn) inspect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.janitor.armed = false
	if c.dead {
		return
	}
	now, waiting := clock(), false
	body, write := int64(c.limits.BodyTimeout), int64(c.limits.WriteTimeout)
	for _, s := range c.streams {
		if s.readSince != 0 && body > 0 && now-s.readSince >= body {
			s.failBodyLocked(errBodyTimeout)
		}
		if s.writeSince != 0 && write > 0 && now-s.writeSince >= write {
			s.resetLocked(codeCancel, errStalled)
			s.gone.Store(true)
		}
		waiting = waiting || s.readSince != 0 || s.writeSince != 0
	}
	if waiting {
		c.guardLocked()
	}
	c.flushLocked()
}

package http2

import (
	"errors"
	"time"
)

// One timer serves all streams of a connection: it is set to the first of their deadlines and looks for the next one when it
// rings. Since a deadline is nearly always later than those before, hardly any request moves it.

// alivePing is the payload of the PING that asks whether the upstream is there.
var alivePing = [8]byte{'y', 'e', 't', 't', 'p', 'i', 'n', 'g'}

// errSilent says that the upstream did not answer a PING.
var errSilent = errors.New("read response: upstream is silent")

// reminder is that timer.
type reminder struct {
	timer *time.Timer
	at    int64 // 0 if it is not set
	// pinged is when the upstream was asked whether it is there.
	pinged int64
}

const (
	// pingAfter is for how long nothing must have come, with requests under way, until the upstream is asked whether it is
	// there; pingWait is how long it has to show it.
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
	// pingEvery is how often it is asked at most: gRPC servers end connections that ask more often (their default is once in
	// five minutes), and time-outs of requests catch what is left.
	pingEvery = 5*time.Minute + 10*time.Second
)

// stop switches the reminder off.
func (a *reminder) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// remindLocked sees to it that ring is called at a moment.
func (c *ClientConn) remindLocked(at int64) {
	a := &c.reminder
	if a.at != 0 && a.at <= at || c.dead {
		return
	}
	a.at = at
	left := max(time.Duration(at-clock()), 0)
	if a.timer == nil {
		a.timer = time.AfterFunc(left, c.ring)
		return
	}
	a.timer.Reset(left)
}

// ring ends the waits that have taken too long.
func (c *ClientConn) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reminder.at = 0
	if c.dead {
		return
	}
	now := clock()
	next := int64(0)
	look := func(due int64, expired *bool) bool {
		switch {
		case due == 0:
		case now >= due:
			*expired = true
			return true
		case next == 0 || due < next:
			next = due
		}
		return false
	}
	for _, s := range c.streams {
		if look(s.readDue, &s.readExpired) {
			s.readDue = 0
			s.canRead.Signal()
		}
		if look(s.writeDue, &s.writeExpired) {
			s.writeDue = 0
			s.canWrite.Signal()
		}
	}
	if due := c.probeLocked(now); due != 0 && (next == 0 || due < next) {
		next = due
	}
	if next != 0 {
		c.remindLocked(next)
	}
	c.out.flushLocked(false)
}

// probeLocked asks an upstream that has been silent for long, and gives up one that does not answer. It returns when to look
// again, 0 for not until the next request.
func (c *ClientConn) probeLocked(now int64) (next int64) {
	if c.places == 0 {
		return 0
	}
	a, heard := &c.reminder, c.heard.Load()
	if heard < a.pinged { // it owes us an answer
		if due := a.pinged + int64(pingWait); now < due {
			return due
		}
		c.dropLocked(errSilent)
		c.cut()
		return 0
	}
	due := max(heard, c.since) + int64(pingAfter)
	if a.pinged != 0 {
		due = max(due, a.pinged+int64(pingEvery))
	}
	if now < due {
		return due
	}
	a.pinged = now
	c.out.buf = appendPing(c.out.take(), 0, alivePing[:])
	return now + int64(pingWait)
}

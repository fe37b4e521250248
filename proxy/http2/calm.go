package http2

import "time"

// Frames that cost the client nothing and us something are paid for out of a budget: SETTINGS, PING, PRIORITY, empty DATA,
// WINDOW_UPDATE, CONTINUATION, unknown ones. It is refilled by what makes such frames reasonable: time, requests, and bytes that
// we sent (which is what a client opens windows for). Streams that end before their response does have a budget of
// their own, whoever ended them (CVE-2023-44487, CVE-2025-8671): responses that become complete refill it.
//
// A client that has used up a budget is told to calm down and loses the connection.

const (
	// calmFrames is the budget of frames, and calmRate how many come back in a second.
	calmFrames = 4000
	calmRate   = 100
	// calmRequest is how many frames a request pays for, calmBytes how many bytes sent pay for one.
	calmRequest = 8
	calmBytes   = 1 << 10
	// calmResets is the budget of streams that end early, and calmResetRate how many come back in a second.
	calmResets    = 500
	calmResetRate = 20
)

// calm is how much nonsense a client may still do. The lock of the connection guards it.
type calm struct {
	frames, resets int64
	framesAt       int64 // when frames was refilled
	resetsAt       int64
	sent, paid     int64 // bytes sent, and those that have paid for frames
}

// init fills the budgets.
func (c *calm) init(now int64) {
	*c = calm{frames: calmFrames, resets: calmResets, framesAt: now, resetsAt: now}
}

// frame pays for a frame. It is false if there is nothing left to pay with.
func (c *calm) frame() bool {
	if c.frames--; c.frames >= 0 {
		return true
	}
	now := clock()
	refill := (now-c.framesAt)*calmRate/int64(time.Second) + (c.sent-c.paid)/calmBytes
	c.framesAt, c.paid = now, c.sent
	c.frames = min(calmFrames, refill) - 1
	return c.frames >= 0
}

// request says that the client has done something useful.
func (c *calm) request() { c.frames = min(calmFrames, c.frames+calmRequest) }

// reset pays for a stream that ended early.
func (c *calm) reset() bool {
	if c.resets--; c.resets >= 0 {
		return true
	}
	now := clock()
	c.resets = min(calmResets, (now-c.resetsAt)*calmResetRate/int64(time.Second)) - 1
	c.resetsAt = now
	return c.resets >= 0
}

// complete says that a response reached its end.
func (c *calm) complete() { c.resets = min(calmResets, c.resets+1) }

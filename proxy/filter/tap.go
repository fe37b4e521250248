package filter

import "sync/atomic"

// BodyTap sees the body of a request as the forwarder reads it.
type BodyTap interface {
	// Tap is handed each part of the body once and in order, however many endpoints are tried; end says that the body is
	// whole now. A request without a body gives one call without bytes. p is neither kept nor changed. Calls may come from
	// another goroutine than the exchange's, but never two at a time, and all have returned before a Finisher is called. Tap
	// must not wait for anything: the request does.
	Tap(p []byte, end bool)
}

// Copies counts the copies of requests that mirrors were to get. It is safe for concurrent use.
type Copies struct {
	// Answered had an answer, which was thrown away. Failed had none. Dropped were never sent, since there were too many
	// at a time, or since the body was too long or did not come to its end.
	Answered, Failed, Dropped atomic.Uint64
}

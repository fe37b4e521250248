package wire

import "errors"

// BodyError says that the body of a request cannot be read to its end through the fault of whoever sends
// it. Nothing after it is read from the connection, which the engine closes after the answer.
type BodyError struct {
	// Status is what to answer if no answer has begun: 400 for a malformed body, 408 for one that came too
	// slowly, 431 for trailers over the limits, 499 for a client that is gone (nobody to answer).
	Status int
	// Reason says in a few words what was wrong.
	Reason string
}

// Error returns the reason.
func (e *BodyError) Error() string { return "read request body: " + e.Reason }

// ErrInterrupted is what Read returns after Interrupt.
var ErrInterrupted = errors.New("read request body: interrupted")

// Interrupter is implemented by streams whose Read can be ended without ending the exchange: an upstream
// has answered although the request body is still coming, so nobody wants the rest of it.
type Interrupter interface {
	// Interrupt makes a Read that is blocked in another goroutine, and every later one, return
	// ErrInterrupted. The response can still be written; what becomes of the rest of the body is the
	// engine's affair.
	Interrupt()
}

// Resumer is implemented by streams whose Interrupt can be taken back: another upstream will want the rest of the body.
type Resumer interface {
	// Resume makes Read go on where it was before Interrupt.
	Resume()
}

// Goner is implemented by streams that learn by themselves that their client has given them up, such as
// one of many on a connection that stays. The forwarder asks while an exchange waits for its upstream.
type Goner interface {
	// Gone reports whether nobody wants the response any more. It may be called from any goroutine and does not
	// wait.
	Gone() bool
}

// Alarm is how a stream tells at once that its client has given it up. It belongs to whoever waits on behalf of the client,
// and may ring when that has long gone on to something else.
type Alarm struct {
	// Ring is called from any goroutine, with locks of the engine held: it does not wait and asks the stream nothing.
	Ring func()
}

// Alarmer is implemented by streams that can tell by an Alarm what Goner would answer.
type Alarmer interface {
	Goner
	// SetAlarm says what to ring when the client gives the stream up, which may have happened before.
	SetAlarm(a *Alarm)
}

// Roomer is implemented by streams whose client says how much of a response it takes, such as one of many on a connection.
type Roomer interface {
	// Room returns how many bytes of a body would leave without waiting. Only who writes the response may ask.
	Room() int
}

// BodyPeeker is implemented by streams that know whether more of the request body, or its end, is there
// without waiting: a short body of unknown length that has come as a whole can then be sent upstream at once, and
// again if need be.
type BodyPeeker interface {
	// Buffered reports whether the next Read will not wait.
	Buffered() bool
}

// BodyViewer is implemented by streams that can hand out a short body of known length, which has come together with the
// head, without copying it.
type BodyViewer interface {
	// View returns the body as a view that is valid until the exchange is over, and counts it as read. It
	// reports false, and changes nothing, if not all of the body is there.
	View() ([]byte, bool)
}

package wire

import (
	"errors"
	"strconv"
)

// Errors of requests to upstreams, whatever protocol carries them, beside those of the connection itself. After all of them
// the try is over.
var (
	// ErrStale says that a connection which was used before turned out closed, or not silent, before anything was
	// sent. Another connection may do.
	ErrStale = errors.New("write request: idle connection is dead")
	// ErrRequest is wrapped by every error about a request that cannot be written as it is: a target with white
	// space, more or fewer bytes of body than announced. Nothing is wrong with the upstream.
	ErrRequest = errors.New("write request")
	// ErrRefused says that the upstream has not begun with a request that was sent: it may be sent again, elsewhere,
	// whatever its method (RFC 9113 section 8.7).
	ErrRefused = errors.New("read response: the upstream did not begin with the request")
	// ErrHeadTooLarge says that the head of a response is longer than allowed.
	ErrHeadTooLarge = errors.New("read response: head too large")
	// ErrMalformed is wrapped by every error about a response that breaks the rules, bodies cut short
	// included.
	ErrMalformed = errors.New("read response: malformed")
)

// ResetError says that the other side has ended a stream that was not complete. It is the error code of RFC 9113 section 7.
type ResetError uint32

// The error codes that mean something to whoever is behind an engine.
const (
	// ResetInternal: something went wrong.
	ResetInternal ResetError = 2
	// ResetCancel: nobody wants the rest.
	ResetCancel ResetError = 8
)

// Error names the code by its number.
func (e ResetError) Error() string {
	return "stream was reset with code " + strconv.FormatUint(uint64(e), 10)
}

// Resetter is implemented by streams that can tell their client why they end.
type Resetter interface {
	// Reset is Abort with a code.
	Reset(code ResetError)
}

package wire

import (
	"errors"
	"net/http"
)

// Mistakes of whoever writes a response. Engines end the connection or reset the stream, so that the client sees them too.
var (
	ErrHeadAgain   = errors.New("write response: head was written before")
	ErrNoHead      = errors.New("write response: no head")
	ErrInterimHead = errors.New("write response: interim status in a final head")
	ErrTooLong     = errors.New("write response: more bytes than its length")
	ErrTooShort    = errors.New("write response: fewer bytes than its length")
)

// Extent is how far the body of a response goes, and what is left of it. Every engine asks it, whatever it frames bodies by. The zero
// value is that of a response without a head.
type Extent struct {
	// Began says that the final head was written.
	Began bool
	// None says that there is no body: what is written is dropped.
	None bool
	// Bounded says that the body goes on for Left bytes.
	Bounded bool
	Left    int64
}

// Begin judges the final head of an answer to method, and returns what its Content-Length is to say; Unknown for no such field. 204
// and 304 have no body, an answer to HEAD has that of another method's length (RFC 9110 sections 6.4.1 and 8.6).
func (e *Extent) Begin(method string, r *Response) (length int64, err error) {
	switch {
	case e.Began:
		return 0, ErrHeadAgain
	case r.Status < 200:
		return 0, ErrInterimHead
	}
	e.Began, length = true, max(r.Length, Unknown)
	switch {
	case r.Status == http.StatusNoContent, r.Status == http.StatusNotModified && !r.HasLength:
		e.None, length = true, Unknown
	case r.Status == http.StatusNotModified, method == http.MethodHead:
		e.None = true
	default:
		e.Bounded, e.Left = length >= 0, length
	}
	return length, nil
}

// Take counts n bytes of the body that are about to be sent. It is false if there is nothing to send of them.
func (e *Extent) Take(n int) (send bool, err error) {
	switch {
	case !e.Began:
		return false, ErrNoHead
	case e.None || n == 0:
		return false, nil
	case e.Bounded && int64(n) > e.Left:
		return false, ErrTooLong
	}
	e.Left -= int64(n)
	return true, nil
}

// End judges the end of the response.
func (e *Extent) End() error {
	switch {
	case !e.Began:
		return ErrNoHead
	case e.Bounded && e.Left != 0:
		return ErrTooShort
	}
	return nil
}

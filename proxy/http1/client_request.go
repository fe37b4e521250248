package http1

import (
	"fmt"
	"strconv"

	"github.com/yettproxy/yett/proxy/wire"
)

// Ways for a request to be impossible to write.
var (
	errTarget        = fmt.Errorf("%w: malformed target", wire.ErrRequest)
	errLengthUnknown = fmt.Errorf("%w: HTTP/1.0 needs the length of the body", wire.ErrRequest)
	errBodyTooLong   = fmt.Errorf("%w: more bytes of body than announced", wire.ErrRequest)
	errBodyTooShort  = fmt.Errorf("%w: fewer bytes of body than announced", wire.ErrRequest)
)

// WriteRequest begins a request. It is only buffered: WriteBody, FinishRequest or Flush send it. The
// fields are written as given, less Host and those that frame the message or belong to the connection, which follow from
// r.Authority, r.Length and r.Upgrade. With http10 it is an HTTP/1.0 request, whose length must be known.
func (c *ClientConn) WriteRequest(r *wire.Request, http10 bool) error {
	if !wire.CleanTarget(r.Target) || !wire.IsToken(r.Method) {
		return errTarget
	}
	if http10 && r.Length == wire.Unknown {
		return errLengthUnknown
	}
	if c.out == nil {
		c.outBuf = smallBuffers.Get().(*smallBuffer)
		c.out = c.outBuf[:0]
	}
	c.sent, c.finished, c.deferred, c.upgrading = 0, false, false, r.Upgrade && !http10
	c.rest = nil
	c.chunkedRq, c.leftRq = r.Length == wire.Unknown, max(r.Length, 0)
	c.reused = c.state == stateComplete
	c.state, c.interim = stateHead, 0
	c.trailers.Reset()

	b := append(c.out[:0], r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	if http10 {
		b = append(b, " HTTP/1.0\r\nConnection: close\r\nHost: "...)
	} else {
		b = append(b, " HTTP/1.1\r\nHost: "...)
	}
	start := len(b)
	b = append(b, r.Authority...)
	if at := nextControl(b, start); at < len(b) {
		wire.BlankControls(b[at:])
	}
	b = append(b, "\r\n"...)
	b = appendFields(b, r.Fields.All(), wire.Framing|1<<wire.Host)
	switch {
	case r.Length > 0 || r.Length == 0 && (r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, "\r\n"...)
	case c.chunkedRq:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case c.upgrading:
		b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case c.last && !http10:
		b = append(b, "Connection: close\r\n"...)
	case c.persist && !http10:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	c.out = append(b, "\r\n"...)
	return nil
}

// LastRequest makes the next WriteRequest tell the upstream that the connection ends with it. To be called
// before WriteRequest.
func (c *ClientConn) LastRequest() { c.last = true }

// Persist says whether requests tell the upstream that the connection stays open. HTTP/1.1 takes that for granted, but
// there are upstreams that do not.
func (c *ClientConn) Persist(tell bool) { c.persist = tell }

// WriteBody sends bytes of the request body; small ones are buffered until FinishRequest or Flush. More
// bytes than the request's Length are an error. p is not kept.
func (c *ClientConn) WriteBody(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if !c.chunkedRq {
		if int64(len(p)) > c.leftRq {
			return errBodyTooLong
		}
		c.leftRq -= int64(len(p))
		return c.emit(p)
	}
	c.out = strconv.AppendUint(c.out, uint64(len(p)), 16)
	c.out = append(c.out, "\r\n"...)
	if err := c.emit(p); err != nil {
		return err
	}
	c.out = append(c.out, "\r\n"...)
	return nil
}

// emit sends or gathers bytes of the body.
func (c *ClientConn) emit(p []byte) error {
	if len(c.out)+len(p)+chunkRoom <= cap(c.out) {
		c.out = append(c.out, p...)
		return nil
	}
	return c.send(c.out, p)
}

// FinishRequest ends the request body and sends what is buffered; trailers may be nil and are dropped if
// the body is not chunked. It is an error if fewer bytes than the request's Length were written.
func (c *ClientConn) FinishRequest(trailers *wire.Fields) error {
	if err := c.endRequest(trailers); err != nil {
		return err
	}
	err := c.Flush()
	c.dropOut()
	return err
}

// FinishWithRead is WriteBody of the rest of the body and FinishRequest, for the common case that nothing of the
// request was sent yet and the same goroutine calls ReadResponse next: the request may be sent by that call, as
// one piece, which saves asking the kernel for a response that cannot have come yet. Errors of sending then come from
// ReadResponse, and Sent tells as always whether the upstream can have seen anything. p must stay as it is until
// ReadResponse returns.
func (c *ClientConn) FinishWithRead(p []byte) error {
	whole := c.sent == 0 && c.raw != nil
	if whole && !c.chunkedRq && len(c.out)+len(p)+chunkRoom > cap(c.out) && int64(len(p)) == c.leftRq {
		c.leftRq, c.rest = 0, p
	} else if err := c.WriteBody(p); err != nil {
		return err
	}
	if !whole || c.sent > 0 {
		return c.FinishRequest(nil)
	}
	if err := c.endRequest(nil); err != nil {
		return err
	}
	c.deferred = true
	return nil
}

// endRequest writes the end of the body.
func (c *ClientConn) endRequest(trailers *wire.Fields) error {
	if c.finished {
		return nil
	}
	switch {
	case c.chunkedRq:
		c.out = append(c.out, "0\r\n"...)
		if trailers != nil {
			c.out = appendFields(c.out, trailers.All(), 0)
		}
		c.out = append(c.out, "\r\n"...)
	case c.leftRq > 0:
		return errBodyTooShort
	}
	c.finished = true
	return nil
}

// Flush sends everything buffered.
func (c *ClientConn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	return c.send(c.out, c.rest)
}

// send sends two pieces and forgets what was buffered.
func (c *ClientConn) send(p, q []byte) error {
	if c.sent == 0 && c.reused && !c.idle() {
		return wire.ErrStale
	}
	n, err := c.writeAll(p, q)
	c.sent += int64(n)
	c.out, c.rest = c.out[:0], nil
	if c.deferred { // another goroutine that reads the response looks at it: do not write for nothing
		c.deferred = false
	}
	return err
}

// dropOut gives the buffer of the request back.
func (c *ClientConn) dropOut() {
	if c.outBuf != nil {
		smallBuffers.Put(c.outBuf)
		c.out, c.outBuf = nil, nil
	}
}

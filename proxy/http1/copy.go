package http1

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// Large bodies between two plain TCP sockets are moved by the kernel (splice, through net.TCPConn.ReadFrom)
// and never seen here. It pays from some dozens of kilobytes on; a connection whose last response went that way reads no more than the
// next one's head at first, which makes 100 KB cost 0.94 of what they did. A piece at a time is moved, so that the
// time-outs stay what they are: limits on how long nothing happens. Since bytes that are in the kernel's pipe when
// a time-out strikes are lost, the deadline of a piece is generous, and a pair that is slow with one goes on by copying.

const (
	// spliceFrom is the rest of a body from which on it is moved by the kernel, in bytes.
	spliceFrom = 64 << 10
	// splicePiece is how much is moved at a time, in bytes.
	splicePiece = 256 << 10
	// spliceSlow is how long a piece may take before the rest is copied.
	spliceSlow = time.Second
)

// CopyBody copies the rest of the response body to dst, flushing whenever the upstream pauses, and moves
// large bodies between plain TCP sockets without copying them. It returns the bytes copied and which side failed; it
// does not finish dst.
func (c *ClientConn) CopyBody(dst wire.Stream) (n int64, readErr, writeErr error) {
	fast := true
	for {
		if s, ok := dst.(*stream); ok && fast && c.kind == kindLength && c.pos == c.end && c.left >= spliceFrom {
			var m int64
			m, fast, readErr, writeErr = c.splice(s)
			n += m
			if readErr != nil || writeErr != nil {
				return n, readErr, writeErr
			}
			continue
		}
		p, err := c.Next()
		if err == io.EOF {
			return n, nil, nil
		}
		if err != nil {
			return n, err, nil
		}
		m, err := dst.Write(p)
		n += int64(m)
		if err == nil && !c.Buffered() {
			if c.to != nil {
				c.dropIn() // the client may let us wait
			}
			err = dst.Flush()
		}
		if err != nil {
			return n, nil, err
		}
	}
}

// splice moves one piece of the body. It is false if the rest should be copied.
func (c *ClientConn) splice(s *stream) (n int64, fast bool, readErr, writeErr error) {
	from, to := c.plainTCP(), s.c.plainTCP()
	if from == nil || to == nil || s.out.mode != modeLength || s.out.Left < c.left {
		return 0, false, nil, nil
	}
	if err := s.Flush(); err != nil {
		return 0, false, nil, err
	}
	begin := clock()
	if err := c.armPiece(&c.read, from.SetReadDeadline, begin); err != nil {
		return 0, false, err, nil
	}
	if err := c.armPiece(&s.c.write, to.SetWriteDeadline, begin); err != nil {
		return 0, false, nil, err
	}
	piece := io.LimitedReader{R: from, N: min(c.left, splicePiece)}
	n, err := to.ReadFrom(&piece)
	c.bulk = true
	c.left -= n
	s.out.Left -= n
	s.out.total += n
	s.out.body += n
	switch {
	case err != nil:
		c.failed(err)
		if s.out.fail(err); c.atFault(err) {
			return n, false, err, nil
		}
		return n, false, nil, err
	case piece.N > 0:
		return n, false, c.failed(errBodyCut), nil
	case c.left == 0:
		c.state = stateComplete
	}
	return n, clock()-begin < int64(spliceSlow), nil, nil
}

// atFault reports whether it is the upstream because of which a piece was not moved. The error does not
// say so, but the socket does: one that still has bytes waits for the client to take some.
func (c *ClientConn) atFault(err error) bool {
	quiet := c.idle()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return quiet
	}
	return !quiet && c.peeked != nil
}

// armPiece arms the deadline of a piece: twice what a single wait may take.
func (c *ClientConn) armPiece(t *timer, set func(time.Time) error, now int64) error {
	if t.timeout == 0 {
		if t.armed == 0 {
			return nil
		}
		t.armed = 0
		return set(time.Time{})
	}
	if left := t.armed - now; left >= t.timeout && left <= 3*t.timeout {
		return nil
	}
	t.armed = now + 2*t.timeout
	return set(deadline(t.armed))
}

package http2

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// tunnel is a stream as a connection. Bytes travel in DATA frames, up to the windows of each side; an end travels as END_STREAM, and
// Close before both sides have ended resets the stream (RFC 8441 section 4). The time-outs of bodies and responses do not hold for
// it: whoever has it sets deadlines. Read belongs to one goroutine, Write and CloseWrite to one, Close to any.
type tunnel struct {
	s *stream
	c *conn
	// total and body are what was sent before the stream became a tunnel.
	total, body int64

	// The lock of the connection guards what follows.
	in, out alarm
	ended   bool // END_STREAM was sent
	closed  bool
}

var _ net.Conn = (*tunnel)(nil)

// alarm is a deadline.
type alarm struct {
	at    int64 // by clock; 0 for never
	timer *time.Timer
}

// passed reports whether the deadline has come.
func (a *alarm) passed() bool { return a.at != 0 && clock() >= a.at }

// setLocked moves the deadline. Who waits on wakes is woken now, and when it has come.
func (a *alarm) setLocked(c *conn, t time.Time, wakes *sync.Cond) {
	a.at = 0
	if !t.IsZero() {
		a.at = max(int64(t.Sub(epoch)), 1)
	}
	wakes.Broadcast()
	switch {
	case a.at == 0:
		a.stop()
	case a.timer == nil:
		// The stream may serve others by then; whoever waits there looks again and goes on waiting.
		a.timer = time.AfterFunc(time.Duration(a.at-clock()), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			wakes.Broadcast()
		})
	default:
		a.timer.Reset(time.Duration(a.at - clock()))
	}
}

// stop ends the timer.
func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// Read implements net.Conn.
func (t *tunnel) Read(p []byte) (int, error) {
	c, b := t.c, &t.s.body
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case t.closed:
			return 0, net.ErrClosed
		case t.in.passed():
			return 0, os.ErrDeadlineExceeded
		case b.err != nil && b.err != io.EOF:
			return 0, b.err
		case len(p) == 0:
			return 0, nil
		case b.data.size > 0:
			n := b.data.take(p)
			t.s.grantLocked(int64(n))
			c.grantLocked(int64(n))
			c.flushLocked()
			return n, nil
		case b.err != nil:
			return 0, io.EOF
		case !t.s.open:
			return 0, errAborted
		}
		b.canRead.Wait()
	}
}

// Write implements net.Conn.
func (t *tunnel) Write(p []byte) (int, error) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t.closed || t.ended:
		return 0, net.ErrClosed
	case !t.s.open:
		return 0, t.s.closedLocked()
	case len(p) == 0:
		return 0, nil
	}
	before := t.s.out.body
	if err := t.s.dataLocked(p, false); err != nil {
		return int(t.s.out.body - before), err
	}
	c.flushLocked()
	return len(p), nil
}

// CloseWrite tells the client that nothing more comes.
func (t *tunnel) CloseWrite() error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.closed || t.ended || !t.s.open {
		return net.ErrClosed
	}
	t.ended = true
	c.out.buf = appendHeader(c.out.take(), 0, frameData, flagEndStream, t.s.id)
	c.flushLocked()
	return nil
}

// Close implements net.Conn.
func (t *tunnel) Close() error {
	c, s := t.c, t.s
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	t.closed = true
	t.in.stop()
	t.out.stop()
	if t.ended && s.body.err == io.EOF {
		c.calm.complete()
		s.forgetLocked()
	} else {
		s.resetLocked(codeCancel, errAborted)
	}
	s.canWrite.Broadcast()
	s.body.canRead.Broadcast()
	c.flushLocked()
	return nil
}

// LocalAddr implements net.Conn.
func (t *tunnel) LocalAddr() net.Addr { return t.c.nc.LocalAddr() }

// RemoteAddr implements net.Conn.
func (t *tunnel) RemoteAddr() net.Addr { return t.c.nc.RemoteAddr() }

// SetDeadline implements net.Conn.
func (t *tunnel) SetDeadline(at time.Time) error {
	if err := t.SetReadDeadline(at); err != nil {
		return err
	}
	return t.SetWriteDeadline(at)
}

// SetReadDeadline implements net.Conn.
func (t *tunnel) SetReadDeadline(at time.Time) error { return t.set(&t.in, at, &t.s.body.canRead) }

// SetWriteDeadline implements net.Conn.
func (t *tunnel) SetWriteDeadline(at time.Time) error { return t.set(&t.out, at, &t.s.canWrite) }

// set moves a deadline.
func (t *tunnel) set(a *alarm, at time.Time, wakes *sync.Cond) error {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	a.setLocked(t.c, at, wakes)
	return nil
}

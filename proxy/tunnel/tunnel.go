package tunnel

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A direction reads in one of three ways. From a plain TCP connection it is pumped within one wait of the poller, which is one read and
// one write a message (pump.go). If it turns out to be a bulk transfer between two of them, the kernel moves it (splice.go). TLS,
// and streams of HTTP/2, are read in the ordinary way.
//
// Deadlines are set once a timeout, not once a read: a read that times out looks when anything has moved last, in any direction,
// and waits for the rest. A side that stops reading blocks a write; the tunnel then falls silent, and the other direction or the
// deadline of that write ends it. What is no plain TCP connection has none, since TLS cannot go on after a write that has timed out:
// there a guard closes both connections.

// bufferSize is how much of a direction is in memory at once.
const bufferSize = 8 << 10

// buffers is memory and nothing else.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

const (
	// lookAgain is how long a read waits at most before it looks by itself: a reset that has come together with the last bytes is
	// told by nobody else (socket.ReadMore).
	lookAgain = 10 * time.Second
	// forever is the idle time of tunnels that have none.
	forever = 100 * 365 * 24 * time.Hour
)

// errIdle ends a tunnel in which nothing has moved for too long.
var errIdle = errors.New("move bytes: tunnel is idle")

// Side is one of the two connections, and what was read of it already.
type Side struct {
	Conn net.Conn
	Read []byte
}

// Tunnel is two connections that are joined.
type Tunnel struct {
	// Idle is how long nothing may move; 0 for no limit.
	Idle time.Duration
	// In and Out, unless they are nil, count bytes to the server and to the client while they move: a metric must not wait for the end of
	// a connection that lasts for days.
	In, Out *atomic.Uint64

	began time.Time
	last  atomic.Int64 // when anything moved, in nanoseconds since began
	// bursts is how many directions are in the hands of the kernel.
	bursts atomic.Int32
}

// Join moves bytes both ways to the end and closes both connections. It returns how many went to the server and how many to
// the client.
func (t *Tunnel) Join(client, server Side) (in, out int64) {
	t.began = time.Now()
	if t.Idle <= 0 {
		t.Idle = forever
	}
	up := newDirection(t, server.Conn, client.Conn, t.In)
	down := newDirection(t, client.Conn, server.Conn, t.Out)
	if t.Idle < forever && (up.toRaw == nil || down.toRaw == nil) {
		defer t.guard(client.Conn, server.Conn).Stop()
	}
	var other sync.WaitGroup
	other.Go(func() { up.run(client.Read) })
	down.run(server.Read)
	other.Wait()
	_ = client.Conn.Close()
	_ = server.Conn.Close()
	return up.total, down.total
}

// guard closes both connections when nothing has moved for too long. Who writes to a side that has stopped reading hears of it by
// nothing else if no read is waiting: the other side has stopped, too, or has ended.
func (t *Tunnel) guard(a, b net.Conn) *time.Timer {
	var timer *time.Timer
	timer = time.AfterFunc(forever, func() { // not before timer is set
		if d := t.left(); d > 0 {
			timer.Reset(d)
			return
		}
		_ = a.Close()
		_ = b.Close()
	})
	timer.Reset(t.Idle)
	return timer
}

// stir notes that something has moved.
func (t *Tunnel) stir() { t.last.Store(int64(time.Since(t.began))) }

// left returns how much longer nothing may move. Nothing is known of a burst before it is over: as long as one is under way no
// side counts as idle.
func (t *Tunnel) left() time.Duration {
	d := t.Idle - (time.Since(t.began) - time.Duration(t.last.Load()))
	if t.bursts.Load() > 0 {
		d = max(d, t.Idle/8)
	}
	return d
}

// direction is one way through a tunnel. It belongs to its goroutine.
type direction struct {
	t        *Tunnel
	to, from net.Conn
	// toRaw and fromRaw are nil for what is no plain TCP connection.
	toRaw, fromRaw syscall.RawConn
	count          *atomic.Uint64
	total          int64
	pump           pump
}

// newDirection returns a direction that has not begun.
func newDirection(t *Tunnel, to, from net.Conn, count *atomic.Uint64) *direction {
	d := &direction{t: t, to: to, from: from, toRaw: rawTCP(to), fromRaw: rawTCP(from), count: count}
	d.pump.init(d)
	return d
}

// run moves the bytes of a direction to its end, and passes that on. Whatever fails, the other direction is of no use any more.
func (d *direction) run(early []byte) {
	if err := d.move(early); err == nil {
		if half, ok := d.to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			return
		}
	}
	_ = d.from.Close()
	_ = d.to.Close()
}

// move moves bytes until the end of from, for which it returns nil.
func (d *direction) move(early []byte) error {
	_ = d.to.SetWriteDeadline(time.Time{}) // of the request that this connection was
	d.armWrite()
	if err := d.write(early); err != nil {
		return err
	}
	for {
		d.armRead()
		var err error
		if d.fromRaw != nil {
			err = d.pump.run()
		} else {
			err = d.read()
		}
		if err == errBulk {
			var ended bool
			if ended, err = d.splice(); ended {
				return nil
			}
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case !os.IsTimeout(err):
			return err
		case d.t.left() <= 0:
			return errIdle
		}
	}
}

// read copies until reading fails, with a time-out or an end, or writing does.
func (d *direction) read() error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, err := d.from.Read(buffer[:])
		if n > 0 {
			d.t.stir()
			if err := d.write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// write writes all of b. A receiver that is slow has time as long as anything moves. Its error is no time-out, which would be
// taken for one of reading.
func (d *direction) write(b []byte) error {
	for len(b) > 0 {
		n, slow, err := d.pump.write(b)
		if b = b[n:]; n > 0 {
			d.moved(int64(n))
			if slow {
				d.t.stir()
			}
		}
		switch {
		case err == nil:
		case !os.IsTimeout(err):
			return err
		case d.toRaw == nil || d.t.left() <= 0:
			return errIdle
		default:
			d.armWrite()
		}
	}
	return nil
}

// moved counts bytes.
func (d *direction) moved(n int64) {
	d.total += n
	if d.count != nil {
		d.count.Add(uint64(n))
	}
}

// armRead limits the next read.
func (d *direction) armRead() {
	_ = d.from.SetReadDeadline(time.Now().Add(min(d.t.left(), lookAgain)))
}

// armWrite limits the next writes, if what has timed out can be gone on with: that of TLS cannot.
func (d *direction) armWrite() {
	if d.toRaw != nil {
		_ = d.to.SetWriteDeadline(time.Now().Add(d.t.left()))
	}
}

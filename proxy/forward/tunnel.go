package forward

// Upgraded connections: bytes both ways until one side fails, both have ended, or nothing has come from
// either for the read timeout. Deadlines are set once a timeout, not once a read: a read that times out looks when
// there was a byte last, in any direction, and waits for the rest.
//
// From a plain TCP connection a direction is pumped within one wait of the poller (pump.go); TLS is read in the
// ordinary way.

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
)

// tunnelBuffer is how much of a direction is in memory at once. A thousand idle tunnels hold two each.
const tunnelBuffer = 8 << 10

// tunnelBuffers is memory and nothing else.
var tunnelBuffers = sync.Pool{New: func() any { return new([tunnelBuffer]byte) }}

// tunnel takes over both connections after 101 was written.
func (s *flight) tunnel(a *filter.Attempt, start int64) {
	x := s.x
	if x.Stream.Flush() != nil {
		s.abandon(a, start)
		return
	}
	client, early, err := x.Stream.Hijack()
	if err != nil {
		s.abandon(a, start)
		return
	}
	server, reply := s.conn.(*conn).Take() // nobody else switches protocols
	s.conn = nil
	t := &tunnel{idle: s.plan.Policy.Read}
	t.last.Store(upstream.Now())
	var up sync.WaitGroup
	up.Go(func() { x.TunnelIn = t.copy(server, client, early) })
	x.TunnelOut = t.copy(client, server, reply)
	up.Wait()
	_ = client.Close()
	_ = server.Close()
	a.Bytes = x.TunnelOut
	a.Total = time.Duration(upstream.Now() - start)
}

// tunnel is two connections that are joined.
type tunnel struct {
	idle time.Duration
	last atomic.Int64 // when there was a byte last
}

// copy moves bytes in one direction to its end and returns how many.
func (t *tunnel) copy(to, from net.Conn, early []byte) (n int64) {
	defer func() {
		// An end is passed on; anything else ends the other direction, too.
		if c, ok := to.(interface{ CloseWrite() error }); !ok || c.CloseWrite() != nil {
			_ = to.Close()
		}
	}()
	_ = to.SetWriteDeadline(time.Time{})
	// A side that stops reading blocks the write; the tunnel then falls silent and the other direction,
	// or this one's reader on the other side, ends it.
	m, err := to.Write(early)
	if n = int64(m); err != nil {
		_ = from.Close()
		return n
	}
	p := newPump(t, to, from)
	for {
		t.arm(from)
		if p == nil {
			err = t.read(to, from, &n)
		} else {
			err = p.run(&n)
		}
		switch {
		case err == io.EOF:
			return n
		case err == errTo:
			_ = from.Close()
			return n
		case !os.IsTimeout(err) || t.left() <= 0:
			_ = from.Close()
			_ = to.Close()
			return n
		}
	}
}

// errTo says that the side that is written to has failed.
var errTo = errors.New("write to tunnel")

// read copies until reading fails, with a time-out or an end.
func (t *tunnel) read(to, from net.Conn, n *int64) error {
	buffer := tunnelBuffers.Get().(*[tunnelBuffer]byte)
	defer tunnelBuffers.Put(buffer)
	for {
		m, err := from.Read(buffer[:])
		if m > 0 {
			t.last.Store(upstream.Now())
			w, err := to.Write(buffer[:m])
			*n += int64(w)
			if err != nil {
				return errTo
			}
		}
		if err != nil {
			return err
		}
	}
}

// left returns how much longer the tunnel may stay silent.
func (t *tunnel) left() time.Duration {
	if t.idle <= 0 {
		return time.Hour
	}
	return t.idle - time.Duration(upstream.Now()-t.last.Load())
}

// lookAgain is how long a read waits at most before it looks by itself: a reset that has come together with the last
// bytes is told by nobody else (socket.ReadMore).
const lookAgain = 10 * time.Second

// arm limits the next read.
func (t *tunnel) arm(from net.Conn) {
	_ = from.SetReadDeadline(time.Now().Add(min(t.left(), lookAgain)))
}

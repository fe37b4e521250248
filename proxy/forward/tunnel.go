package forward

// Upgraded connections: bytes both ways until one side fails, both have ended, or nothing has come from
// either for the read timeout. Deadlines are set once a timeout, not once a read: a read that times out looks when
// there was a byte last, in any direction, and waits for the rest.

import (
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
	server, reply := s.conn.Take()
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
	buffer := tunnelBuffers.Get().(*[tunnelBuffer]byte)
	defer tunnelBuffers.Put(buffer)
	// A side that stops reading blocks the write; the tunnel then falls silent and the other direction,
	// or this one's reader on the other side, ends it.
	if m, err := to.Write(early); err != nil {
		_ = from.Close()
		return int64(m)
	}
	n = int64(len(early))
	t.arm(from, t.left())
	for {
		m, err := from.Read(buffer[:])
		if m > 0 {
			t.last.Store(upstream.Now())
			w, writeErr := to.Write(buffer[:m])
			n += int64(w)
			if writeErr != nil {
				_ = from.Close()
				return n
			}
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return n
		case os.IsTimeout(err) && t.left() > 0:
			t.arm(from, t.left())
		default:
			_ = from.Close()
			_ = to.Close()
			return n
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

// arm limits the next read.
func (t *tunnel) arm(from net.Conn, d time.Duration) {
	if t.idle <= 0 {
		_ = from.SetReadDeadline(time.Time{})
		return
	}
	_ = from.SetReadDeadline(time.Now().Add(d))
}

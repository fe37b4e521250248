package stream

// Bytes go both ways until one side fails, both have ended, or neither has sent anything for the idle time. An end is passed
// on alone (half-close), since protocols such as that of rsync end one direction long before the other.
//
// A direction begins with reads and writes through a buffer. When it fills the buffer several times in a row it is a bulk
// transfer, and the kernel moves what comes next from socket to socket, a burst at a time, until the sender pauses: a
// connection that waits must not hold pipes, which are two file descriptors each. The surprise is what splice cannot tell: nothing is
// known of a burst before it is over. So while one is under way neither side counts as idle, and it has limits of its own.

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/upstream"
)

const (
	// bufferSize is how much of a direction is in memory at once, as in nginx (proxy_buffer_size).
	bufferSize = 16 << 10
	// busyReads is how many reads in a row must fill the buffer before the kernel is asked to move bytes.
	busyReads = 4
	// burst is how much it moves at once.
	burst = 256 << 10
	// burstPause is the longest that a burst waits for more, and burstTime how long it may take beyond the idle time: a
	// receiver slower than 1 KiB a second is cut.
	burstPause = 2 * time.Second
	burstTime  = burst / 1024 * time.Second
)

// buffers is memory and nothing else.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// relay is two connections that are joined.
type relay struct {
	idle time.Duration
	last atomic.Int64 // when there was a byte last
	// bursts is how many directions are in the hands of the kernel.
	bursts atomic.Int32
	// in and out are counted while they move: a metric must not wait for the end of a connection that lasts for days.
	in, out *atomic.Uint64
}

// join moves bytes both ways to the end and closes both connections. It returns how many went to the server and how
// many to the client.
func (r *relay) join(client, server *net.TCPConn) (up, down int64) {
	r.last.Store(upstream.Now())
	var other sync.WaitGroup
	other.Go(func() { up = r.copy(server, client, r.in) })
	down = r.copy(client, server, r.out)
	other.Wait()
	_ = client.Close()
	_ = server.Close()
	return up, down
}

// copy moves the bytes of one direction and returns how many there were.
func (r *relay) copy(to, from *net.TCPConn, count *atomic.Uint64) (total int64) {
	err := r.move(to, from, func(n int64) {
		if n > 0 {
			total += n
			count.Add(uint64(n))
			r.last.Store(upstream.Now())
		}
	})
	if err == nil {
		if to.CloseWrite() == nil {
			return total
		}
	}
	// Whatever failed, the other direction is of no use any more.
	_ = from.Close()
	_ = to.Close()
	return total
}

// errIdle ends a relay that has been silent for too long.
var errIdle = errors.New("idle")

// move moves bytes until the end of from, for which it returns nil.
func (r *relay) move(to, from *net.TCPConn, moved func(int64)) error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	full := 0
	r.arm(from, to, r.left())
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			r.last.Store(upstream.Now())
			if w, err := r.write(to, buffer[:n]); err != nil {
				moved(int64(w))
				return err
			}
			moved(int64(n))
		}
		switch {
		case err == io.EOF:
			return nil
		case os.IsTimeout(err) && (r.left() > 0 || r.bursts.Load() > 0):
			r.arm(from, to, max(r.left(), r.idle/8))
		case os.IsTimeout(err):
			return errIdle
		case err != nil:
			return err
		}
		if full++; n < len(buffer) {
			full = 0
		}
		if full >= busyReads {
			full = 0
			if ended, err := r.splice(to, from, moved); ended || err != nil {
				return err
			}
		}
	}
}

// write writes all of b. A receiver that is slow has time as long as anything moves.
func (r *relay) write(to *net.TCPConn, b []byte) (n int, err error) {
	for {
		w, err := to.Write(b[n:])
		if n += w; w > 0 {
			r.last.Store(upstream.Now())
		}
		if err == nil || !os.IsTimeout(err) || r.left() <= 0 {
			return n, err
		}
		_ = to.SetWriteDeadline(time.Now().Add(r.left()))
	}
}

// errSlow ends a relay whose receiver takes next to nothing.
var errSlow = errors.New("receiver is too slow")

// splice lets the kernel move bytes until from has fallen silent, and reports whether from has ended.
func (r *relay) splice(to, from *net.TCPConn, moved func(int64)) (ended bool, err error) {
	r.bursts.Add(1)
	defer r.bursts.Add(-1)
	for {
		begin := time.Now()
		_ = from.SetReadDeadline(begin.Add(burstPause))
		_ = to.SetWriteDeadline(begin.Add(r.idle + burstTime))
		limit := io.LimitedReader{R: from, N: burst}
		n, err := to.ReadFrom(&limit)
		moved(n)
		switch {
		case os.IsTimeout(err) && time.Since(begin) >= r.idle+burstTime:
			return false, errSlow // what was on its way is lost
		case os.IsTimeout(err): // nothing came, and nothing is on its way
			r.last.Store(upstream.Now())
			r.arm(from, to, r.idle)
			return false, nil
		case err != nil:
			return false, err
		case limit.N > 0:
			return true, nil
		}
	}
}

// left returns how much longer both sides may stay silent.
func (r *relay) left() time.Duration { return r.idle - time.Duration(upstream.Now()-r.last.Load()) }

// arm limits the next read and the next writes.
func (r *relay) arm(from, to *net.TCPConn, d time.Duration) {
	now := time.Now()
	_ = from.SetReadDeadline(now.Add(d))
	_ = to.SetWriteDeadline(now.Add(max(d, r.idle)))
}

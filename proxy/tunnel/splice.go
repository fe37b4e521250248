package tunnel

// A direction that fills its buffer several times in a row is a bulk transfer, and the kernel moves what comes next from
// socket to socket, a burst at a time, until the sender pauses: a connection that waits must not hold pipes, which are two file
// descriptors each. The surprise is what splice cannot tell: nothing is known of a burst before it is over. So while one is under way
// neither side counts as idle, and it has limits of its own.

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

const (
	// burst is how much the kernel moves at once, in bytes.
	burst = 256 << 10
	// burstPause is the longest that a burst waits for more, and burstTime how long it may take beyond the idle time: a
	// receiver slower than 1 KiB a second is cut.
	burstPause = 2 * time.Second
	burstTime  = burst / 1024 * time.Second
)

// errSlow ends a tunnel whose receiver takes next to nothing.
var errSlow = errors.New("move bytes: receiver is too slow")

// splice lets the kernel move bytes until from has fallen silent, and reports whether from has ended.
func (d *direction) splice() (ended bool, err error) {
	t, to := d.t, d.to.(*net.TCPConn)
	t.bursts.Add(1)
	defer t.bursts.Add(-1)
	defer d.armWrite()
	limit := t.Idle + burstTime
	for {
		begin := time.Now()
		_ = d.from.SetReadDeadline(begin.Add(burstPause))
		_ = to.SetWriteDeadline(begin.Add(limit))
		piece := io.LimitedReader{R: d.from, N: burst}
		n, err := to.ReadFrom(&piece)
		if d.moved(n); n > 0 {
			t.stir()
		}
		switch {
		case os.IsTimeout(err) && time.Since(begin) >= limit:
			return false, errSlow // what was on its way is lost
		case os.IsTimeout(err): // nothing came, and nothing is on its way
			t.stir()
			return false, nil
		case err != nil:
			return false, err
		case piece.N > 0:
			return true, nil
		}
	}
}

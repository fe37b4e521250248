package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/socket"
	"github.com/yettproxy/yett/proxy/wire"
)

// A link reads and writes one connection. It differs from net.Conn in three ways, all for the sake of
// what a small exchange costs:
//
//   - Memory is not held while waiting. A read may begin without a buffer: one is borrowed when bytes have
//     come. Plain TCP does this within one wait of the poller (syscall.RawConn); TLS reads its first byte into the link.
//   - Deadlines are lazy. They are armed by a read or write that has to wait, never by one that does not,
//     and only if the one still armed from earlier would come too early or too late by more than the slack.
//     A deadline that passes while nobody waits is noticed by the next operation, which arms a new one and goes on.
//   - The first write of a request can be left to the read of its response (readAfter), which saves asking the
//     kernel for bytes that cannot have come yet.
type link struct {
	conn net.Conn
	raw  syscall.RawConn // nil unless conn is plain TCP and the platform is known
	sock syscall.RawConn // the socket underneath, also of TLS; nil if there is none to be seen

	onRead, onWrite func(fd uintptr) bool // tryRead and tryWrite, bound once
	onPeek          func(fd uintptr)
	peeked          error

	read, write timer

	lender  lender // lends the buffer of the read under way; nil if dst is to be kept
	dst     []byte
	first   [2][]byte // to be written before the read under way waits
	ahead   bool      // first is still to be written
	reused  bool      // first must not be written if something has come already, an end included
	got     int
	readErr error
	tried   bool // whether the read under way got as far as tryRead

	src, src2 []byte
	put       int
	writeErr  error
	wtried    bool

	tiny   [1]byte // where a read that holds no buffer puts its first byte
	cutOff atomic.Bool
	// interrupted makes the read that is waiting, and all later ones, end at once.
	interrupted atomic.Bool
}

// lender lends memory to a read at the moment at which there is something to put into it.
type lender interface {
	// lend returns a buffer to read into.
	lend() []byte
	// reclaim takes it back: the read has to wait.
	reclaim()
}

// init prepares the link for a connection.
func (l *link) init(conn net.Conn) {
	l.conn = conn
	t := tcpOf(conn)
	if t != nil {
		l.sock = socket.Raw(t)
	}
	if net.Conn(t) == conn && l.sock != nil {
		l.raw = l.sock
		l.onRead, l.onWrite = l.tryRead, l.tryWrite
	}
	l.read.armed, l.write.armed = unknown, unknown
}

// readInto reads into p, which must not be empty.
func (l *link) readInto(p []byte) (int, error) {
	if l.raw != nil {
		l.dst, l.lender = p, nil
		return l.readRaw()
	}
	if err := l.armRead(); err != nil {
		return 0, err
	}
	if l.interrupted.Load() {
		return 0, wire.ErrInterrupted
	}
	n, err := l.conn.Read(p)
	if n > 0 {
		return n, nil
	}
	return 0, l.readFailed(err)
}

// readLent reads into a buffer that from lends once there is something to read. p is what from has lent
// already, or nil.
func (l *link) readLent(from lender, p []byte) (int, error) {
	if l.raw != nil {
		l.dst, l.lender = p, from
		return l.readRaw()
	}
	if p != nil {
		from.reclaim()
	}
	if _, err := l.readInto(l.tiny[:]); err != nil {
		return 0, err
	}
	p = from.lend()
	p[0] = l.tiny[0]
	return 1, nil
}

// readAfter writes p and q and then waits for what comes back, as readLent does. It returns how much of
// them was sent. A connection that was used before must be silent: if something has come already, nothing is
// sent and the error is wire.ErrStale. Only for plain TCP.
//
// The poller tells of news only once. That is why the socket is asked before anything is sent: whatever comes
// after the read has begun is told, so after this look there is nothing that could be missed.
func (l *link) readAfter(p, q []byte, reused bool, from lender) (sent, n int, err error) {
	l.first, l.ahead, l.reused, l.dst, l.lender = [2][]byte{p, q}, true, reused, nil, from
	n, err = l.readRaw()
	sent = len(p) + len(q) - len(l.first[0]) - len(l.first[1])
	p, q = l.first[0], l.first[1]
	if l.first, l.ahead = [2][]byte{}, false; err != errUnsent {
		return sent, n, err
	}
	m, err := l.writeAll(p, q)
	if err == nil {
		n, err = l.readLent(from, nil)
	}
	return sent + m, n, err
}

// errUnsent says that some of link.first is still to be written, in the ordinary way.
var errUnsent = errors.New("request not sent as a whole")

// readRaw does the read that dst, lender and first describe.
func (l *link) readRaw() (int, error) {
	for again := false; ; again = true {
		l.tried = false
		err := l.raw.Read(l.onRead)
		if err == nil {
			return l.got, l.readErr
		}
		err = l.readFailed(err)
		if l.tried || again || err != os.ErrDeadlineExceeded {
			return 0, err
		}
		// The deadline passed while nobody was reading.
		l.read.armed = unknown
		if err := l.armRead(); err != nil {
			return 0, err
		}
	}
}

// tryRead is what the poller calls whenever there may be something to read. It returns false to wait.
func (l *link) tryRead(fd uintptr) bool {
	l.tried = true
	l.got, l.readErr = 0, nil
	if l.ahead {
		return l.tryFirst(fd)
	}
	if l.dst == nil {
		l.dst = l.lender.lend()
	}
	n, err := socket.Read(fd, l.dst)
	switch {
	case err == syscall.EAGAIN:
		if l.lender != nil {
			l.lender.reclaim()
			l.dst = nil
		}
		return !l.park()
	case err != nil:
		l.readErr = err
	case n == 0:
		l.readErr = io.EOF
	}
	l.got = n
	return true
}

// tryFirst writes first and begins to wait.
func (l *link) tryFirst(fd uintptr) bool {
	if _, err := socket.Peek(fd); err != syscall.EAGAIN {
		l.readErr = errUnsent
		if l.reused {
			l.readErr = wire.ErrStale
		}
		return true
	}
	n, err := socket.Writev(fd, l.first[0], l.first[1])
	if err != nil && err != syscall.EAGAIN {
		l.readErr = err
		return true
	}
	n = max(n, 0)
	m := min(n, len(l.first[0]))
	l.first[0], l.first[1] = l.first[0][m:], l.first[1][n-m:]
	if len(l.first[0])+len(l.first[1]) > 0 {
		l.readErr = errUnsent
		return true
	}
	l.ahead = false
	return !l.park()
}

// park prepares the read under way for waiting. It returns false if it must not wait.
func (l *link) park() bool {
	if l.readErr = l.armRead(); l.readErr != nil {
		return false
	}
	// Interrupt sets the flag before it moves the deadline, so either it is seen here, or the deadline
	// is moved after it was armed above.
	if l.interrupted.Load() {
		l.readErr = wire.ErrInterrupted
		return false
	}
	return true
}

// readFailed simplifies the error of a read, so that callers can compare it.
func (l *link) readFailed(err error) error {
	switch {
	case err == nil:
		return io.ErrNoProgress
	case errors.Is(err, os.ErrDeadlineExceeded):
		if l.interrupted.Load() {
			return wire.ErrInterrupted
		}
		return os.ErrDeadlineExceeded
	}
	return err
}

// interrupt makes a read that waits, and all later ones, return wire.ErrInterrupted. Any goroutine may
// call it.
func (l *link) interrupt() {
	l.interrupted.Store(true)
	l.conn.SetReadDeadline(time.Unix(1, 0)) // of a connection that is closed already: nothing to wake
}

// resume undoes interrupt.
func (l *link) resume() {
	if l.interrupted.Load() {
		l.interrupted.Store(false)
		l.read.armed = unknown
	}
}

// tcpOf returns the TCP connection under conn, or nil if that cannot be seen.
func tcpOf(conn net.Conn) *net.TCPConn {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	t, _ := conn.(*net.TCPConn)
	return t
}

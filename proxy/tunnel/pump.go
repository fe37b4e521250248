package tunnel

// Reading from a plain TCP connection, with as few system calls as a message can have: one read and one write.
//
// The poller tells of news once, and forgets what it has told when a read begins. An ordinary read must therefore find the
// socket empty before it may wait, which is a system call in vain for every message. Here all messages are moved within
// one read as the poller sees it, so that it never forgets anything, and the kernel says with each read whether
// there is more (socket.ReadMore), the end included.
//
// A buffer is only held while there are bytes to move: thousands of idle tunnels hold none.

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/yettproxy/yett/proxy/socket"
)

// busyReads is how many reads in a row must fill the buffer before the kernel is asked to move bytes.
const busyReads = 8

// errBulk says that the kernel should move what comes next.
var errBulk = errors.New("bulk transfer")

// pump moves the bytes of a direction.
type pump struct {
	d       *direction
	onRead  func(fd uintptr) bool
	onWrite func(fd uintptr) bool

	fate error // why reading is over
	full int   // reads in a row that have filled the buffer

	out    []byte // what is being written
	slow   bool   // there was no room for it
	broken error  // why writing failed
}

// init prepares a pump.
func (p *pump) init(d *direction) {
	p.d = d
	if d.fromRaw != nil {
		p.onRead = p.move
		// Without an answer from the kernel every message costs one more read, which is all.
		_ = d.fromRaw.Control(func(fd uintptr) { _ = socket.TellMore(fd) })
	}
	if d.toRaw != nil {
		p.onWrite = p.put
	}
}

// rawTCP returns the raw connection of a plain TCP connection, or nil.
func rawTCP(c net.Conn) syscall.RawConn {
	if t, ok := c.(*net.TCPConn); ok {
		return socket.Raw(t)
	}
	return nil
}

// run moves bytes until reading fails, with a time-out or an end, writing does, or there is so much that others should (errBulk).
func (p *pump) run() error {
	p.fate, p.full = nil, 0
	if err := p.d.fromRaw.Read(p.onRead); err != nil {
		return err
	}
	return p.fate
}

// move is called by the poller when there may be something to read. It returns false to wait for more.
func (p *pump) move(fd uintptr) bool {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, more, err := socket.ReadMore(fd, buffer[:])
		switch {
		case err == syscall.EAGAIN:
			p.full = 0
			return false
		case err != nil:
			p.fate = err
			return true
		case n == 0:
			p.fate = io.EOF
			return true
		}
		p.d.t.stir()
		if p.fate = p.d.write(buffer[:n]); p.fate != nil {
			return true
		}
		if p.full++; n < len(buffer) {
			p.full = 0
		}
		if p.full >= busyReads && p.d.toRaw != nil {
			p.fate = errBulk
			return true
		}
		if more == 0 {
			return false
		}
	}
}

// write writes b, or what there is time for, and returns how much that was. slow says that it had to wait.
func (p *pump) write(b []byte) (n int, slow bool, err error) {
	if p.onWrite == nil {
		n, err = p.d.to.Write(b)
		return n, true, err
	}
	p.out, p.slow, p.broken = b, false, nil
	err = p.d.toRaw.Write(p.onWrite)
	n = len(b) - len(p.out)
	p.out = nil
	if err == nil {
		err = p.broken
	}
	return n, p.slow, err
}

// put is called by the poller when there may be room. It returns false to wait for some.
func (p *pump) put(fd uintptr) bool {
	for len(p.out) > 0 {
		n, err := socket.Write(fd, p.out)
		if err == syscall.EAGAIN {
			p.slow = true
			return false
		}
		if err != nil {
			p.broken = err
			return true
		}
		p.out = p.out[n:]
	}
	return true
}

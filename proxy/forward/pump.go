package forward

// One direction of a tunnel from a plain TCP connection, with as few system calls as a message can have: one read and
// one write.
//
// The poller tells of news once, and forgets what it has told when a read begins. An ordinary read must therefore find the
// socket empty before it may wait, which is a system call in vain for every message. Here all messages are moved within
// one read as the poller sees it, so that it never forgets anything, and the kernel says with each read whether
// there is more (socket.ReadMore), the end included.
//
// A buffer is only held while there are bytes to move: thousands of idle tunnels hold none.

import (
	"io"
	"net"
	"syscall"

	"github.com/yettproxy/yett/proxy/socket"
	"github.com/yettproxy/yett/proxy/upstream"
)

// pump moves bytes in one direction. It belongs to the goroutine of its direction.
type pump struct {
	tunnel  *tunnel
	to      net.Conn
	from    syscall.RawConn
	toRaw   syscall.RawConn // nil if to is no plain TCP connection
	onRead  func(fd uintptr) bool
	onWrite func(fd uintptr) bool

	n    *int64
	out  []byte // what is being written
	fate error
}

// newPump returns the pump of a direction, or nil if from is no plain TCP connection.
func newPump(t *tunnel, to, from net.Conn) *pump {
	raw := rawTCP(from)
	if raw == nil {
		return nil
	}
	p := &pump{tunnel: t, to: to, from: raw, toRaw: rawTCP(to)}
	p.onRead, p.onWrite = p.move, p.write
	// Without an answer from the kernel every message costs one more read, which is all.
	_ = raw.Control(func(fd uintptr) { _ = socket.TellMore(fd) })
	return p
}

// rawTCP returns the raw connection of a plain TCP connection, or nil.
func rawTCP(c net.Conn) syscall.RawConn {
	if t, ok := c.(*net.TCPConn); ok {
		return socket.Raw(t)
	}
	return nil
}

// run moves bytes, which it counts in n, until reading fails, with a time-out or an end, or writing does (errTo).
func (p *pump) run(n *int64) error {
	p.n, p.fate = n, nil
	if err := p.from.Read(p.onRead); err != nil {
		return err
	}
	return p.fate
}

// move is called by the poller when there may be something to read. It returns false to wait for more.
func (p *pump) move(fd uintptr) bool {
	buffer := tunnelBuffers.Get().(*[tunnelBuffer]byte)
	defer tunnelBuffers.Put(buffer)
	for {
		n, more, err := socket.ReadMore(fd, buffer[:])
		switch {
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			p.fate = err
			return true
		case n == 0:
			p.fate = io.EOF
			return true
		}
		p.tunnel.last.Store(upstream.Now())
		if !p.send(buffer[:n]) {
			p.fate = errTo
			return true
		}
		if more == 0 {
			return false
		}
	}
}

// send writes all of b, and reports whether that went well.
func (p *pump) send(b []byte) bool {
	if p.toRaw == nil {
		m, err := p.to.Write(b)
		*p.n += int64(m)
		return err == nil
	}
	p.out = b
	err := p.toRaw.Write(p.onWrite)
	*p.n += int64(len(b) - len(p.out))
	whole := len(p.out) == 0
	p.out = nil
	return err == nil && whole
}

// write is called by the poller when there may be room. It returns false to wait for some.
func (p *pump) write(fd uintptr) bool {
	for len(p.out) > 0 {
		n, err := socket.Write(fd, p.out)
		if err != nil {
			return err != syscall.EAGAIN
		}
		p.out = p.out[n:]
	}
	return true
}

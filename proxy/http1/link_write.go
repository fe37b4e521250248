package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/yettproxy/yett/proxy/socket"
)

// writeAll writes p and then q, which may be empty, if possible with one system call. It returns how many bytes
// the connection took.
func (l *link) writeAll(p, q []byte) (int, error) {
	if l.raw != nil {
		return l.writeRaw(p, q)
	}
	if err := l.armWrite(); err != nil {
		return 0, err
	}
	n, err := 0, error(nil)
	if len(p) > 0 {
		n, err = l.conn.Write(p)
	}
	if err == nil && len(q) > 0 {
		var m int
		m, err = l.conn.Write(q)
		n += m
	}
	return n, err
}

// writeRaw is writeAll for plain TCP.
func (l *link) writeRaw(p, q []byte) (int, error) {
	l.src, l.src2, l.put = p, q, 0
	for again := false; ; again = true {
		l.wtried = false
		err := l.raw.Write(l.onWrite)
		if err == nil {
			err = l.writeErr
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			err = os.ErrDeadlineExceeded
			if !l.wtried && !again { // the deadline passed while nobody was writing
				l.write.armed = unknown
				if err = l.armWrite(); err == nil {
					continue
				}
			}
		}
		l.src, l.src2 = nil, nil
		return l.put, err
	}
}

// tryWrite is what the poller calls whenever there may be room to write. It returns false to wait.
func (l *link) tryWrite(fd uintptr) bool {
	l.wtried = true
	l.writeErr = nil
	for len(l.src) > 0 || len(l.src2) > 0 {
		n, err := socket.Writev(fd, l.src, l.src2)
		if err == syscall.EAGAIN {
			l.writeErr = l.armWrite()
			return l.writeErr != nil
		}
		if err != nil {
			l.writeErr = err
			return true
		}
		if n == 0 {
			l.writeErr = io.ErrUnexpectedEOF
			return true
		}
		l.put += n
		if m := min(n, len(l.src)); m > 0 {
			l.src = l.src[m:]
			n -= m
		}
		l.src2 = l.src2[n:]
	}
	return true
}

// cut closes the connection such that the other side notices that something is missing: without TLS's
// good-bye, and with a reset if reset is set, for bodies that end with the connection. Any goroutine may
// call it; a blocked read or write ends.
func (l *link) cut(reset bool) {
	if l.cutOff.Swap(true) {
		return
	}
	if t := tcpOf(l.conn); t != nil {
		if reset {
			t.SetLinger(0)
		}
		t.Close()
		return
	}
	if t, ok := l.conn.(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	l.conn.Close()
}

// closeWrite tells the other side that nothing more comes, and reports whether the connection can do
// so.
func (l *link) closeWrite() bool {
	if t, ok := l.conn.(*tls.Conn); ok && t.CloseWrite() != nil {
		return false
	}
	t := tcpOf(l.conn)
	return t != nil && t.CloseWrite() == nil
}

// idle reports, without waiting, whether the connection is open and nothing has come.
func (l *link) idle() bool {
	if l.sock == nil {
		return true // it cannot be told
	}
	if l.onPeek == nil {
		l.onPeek = l.peek
	}
	return l.sock.Control(l.onPeek) == nil && l.peeked == syscall.EAGAIN
}

// peek is what idle does with the socket.
func (l *link) peek(fd uintptr) { _, l.peeked = socket.Peek(fd) }

// plainTCP returns the connection if bodies can be moved between it and another without copying.
func (l *link) plainTCP() *net.TCPConn {
	t, _ := l.conn.(*net.TCPConn)
	return t
}

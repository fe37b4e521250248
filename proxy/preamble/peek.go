package preamble

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peekBuffers is memory and nothing else. A connection that waits for more holds none.
var peekBuffers = sync.Pool{New: func() any { return new([maxHello]byte) }}

// errNoSocket is a connection that cannot be looked at without reading.
var errNoSocket = errors.New("not a socket")

// TakeProxy reads a PROXY header off the beginning of a connection, and not a byte more. It waits for it until the limit
// has passed. After an error the connection is good for nothing but being closed.
func TakeProxy(conn net.Conn, limit time.Duration) (Header, error) {
	var header Header
	length := 0
	err := peek(conn, limit, func(b []byte) (done bool, err error) {
		header, length, err = ParseProxy(b)
		return length > 0, err
	})
	if err != nil {
		return Header{}, err
	}
	buffer := peekBuffers.Get().(*[maxHello]byte)
	defer peekBuffers.Put(buffer)
	if _, err := io.ReadFull(conn, buffer[:length]); err != nil { // it is there, so this does not wait
		return Header{}, fmt.Errorf("read PROXY header: %w", err)
	}
	return header, nil
}

// PeekName returns the server name of the ClientHello that a connection begins with, as the client wrote it, and leaves
// everything where it is. It waits for the whole hello until the limit has passed. The name is "" where there is none, or no
// hello: then TLS is to go on by itself.
func PeekName(conn net.Conn, limit time.Duration) (name string, err error) {
	err = peek(conn, limit, func(b []byte) (done bool, err error) {
		name, done, err = parseHello(b)
		if err == nil && !done && len(b) == maxHello {
			return false, ErrHelloTooLong
		}
		return done, err
	})
	if errors.Is(err, errNotHello) {
		return "", nil
	}
	return name, err
}

// peek shows look what has come on a connection, and again whenever there is more, until it is done or fails. The read
// deadline of the connection is gone afterwards.
func peek(conn net.Conn, limit time.Duration, look func([]byte) (done bool, err error)) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errNoSocket
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("look at connection: %w", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("limit waiting: %w", err)
	}
	var failed error
	err = raw.Read(func(fd uintptr) (done bool) {
		done, failed = peekOnce(int(fd), look)
		return done || failed != nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("wait for the beginning of a connection: %w", err)
	}
	return conn.SetReadDeadline(time.Time{})
}

// peekOnce shows look what there is.
func peekOnce(fd int, look func([]byte) (done bool, err error)) (done bool, err error) {
	buffer := peekBuffers.Get().(*[maxHello]byte)
	defer peekBuffers.Put(buffer)
	for {
		n, _, err := unix.Recvfrom(fd, buffer[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("look at connection: %w", err)
		case n == 0:
			return false, io.EOF
		}
		return look(buffer[:n])
	}
}

package stream

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveOne waits for a datagram and shows it to take. It holds no memory while it waits.
func receiveOne(raw syscall.RawConn, take func([]byte)) error {
	var failed error
	err := raw.Read(func(fd uintptr) (done bool) {
		buffer := datagrams.Get().(*[maxDatagram]byte)
		defer datagrams.Put(buffer)
		for {
			n, _, err := unix.Recvfrom(int(fd), buffer[:], unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EAGAIN):
				return false
			case err != nil:
				failed = fmt.Errorf("read answer: %w", err)
			default:
				take(buffer[:n])
			}
			return true
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

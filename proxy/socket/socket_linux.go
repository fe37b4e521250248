package socket

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quick is the largest read or write, in bytes, that does not tell the scheduler.
const quick = 64 << 10

// Raw returns the raw connection of a TCP connection, or nil if there is none or the platform is not known: then
// no other function of this package must be called.
func Raw(t *net.TCPConn) syscall.RawConn {
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Read reads what is there. It returns EAGAIN if that is nothing, and 0 at the end.
func Read(fd uintptr, p []byte) (int, error) {
	for {
		if raceEnabled || len(p) > quick {
			n, err := syscall.Read(int(fd), p)
			if err == syscall.EINTR {
				continue
			}
			return n, err
		}
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// TellMore makes ReadMore on a socket tell what is left (TCP_INQ, Linux 4.18). Without it ReadMore does not know.
func TellMore(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1)
}

// unknown is what ReadMore returns for more if the kernel did not say.
const unknown = -1

// inqSpace is the room for one control message with an int, in bytes.
const inqSpace = unix.SizeofCmsghdr + 8

// ReadMore is Read that also tells how many bytes are left in the socket: 0 for none, 1 or more if there are some or the
// end has come, -1 if it is not known. A reader that is told 0 can wait for the poller's next event without a
// read that finds nothing, provided that nothing has come from the poller in between (one wait of a RawConn).
// A reset is not told: it is found by the next read.
func ReadMore(fd uintptr, p []byte) (n, more int, err error) {
	if raceEnabled || len(p) > quick {
		n, err = Read(fd, p)
		return n, unknown, err
	}
	var control [inqSpace]byte
	iov := syscall.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	msg := syscall.Msghdr{Iov: &iov, Iovlen: 1, Control: &control[0]}
	for {
		msg.SetControllen(len(control))
		got, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&msg)), 0)
		switch errno {
		case 0:
			return int(got), inq(&msg, control[:]), nil
		case syscall.EINTR:
			continue
		}
		return -1, unknown, errnoError(errno)
	}
}

// inq returns what the control message of TCP_INQ says.
func inq(msg *syscall.Msghdr, control []byte) int {
	head := (*syscall.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(control)))
	if msg.Controllen < inqSpace-4 || head.Level != unix.IPPROTO_TCP || head.Type != unix.TCP_INQ {
		return unknown
	}
	return int(*(*int32)(unsafe.Pointer(&control[unix.SizeofCmsghdr])))
}

// Write writes what there is room for. It returns EAGAIN if there is none.
func Write(fd uintptr, p []byte) (int, error) {
	for {
		if raceEnabled || len(p) > quick {
			n, err := syscall.Write(int(fd), p)
			if err == syscall.EINTR {
				continue
			}
			return n, err
		}
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// Writev writes p and q with one system call, as Write does with one piece. Either may be empty.
func Writev(fd uintptr, p, q []byte) (int, error) {
	switch {
	case len(q) == 0 || raceEnabled && len(p) > 0:
		return Write(fd, p) // the rest with the next call
	case len(p) == 0:
		return Write(fd, q)
	}
	vec := [2]syscall.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	vec[0].SetLen(len(p))
	vec[1].SetLen(len(q))
	for {
		n, errno := writev(fd, &vec, len(p)+len(q) > quick)
		switch errno {
		case 0:
			return n, nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// writev makes the system call, telling the scheduler if it may take long.
func writev(fd uintptr, vec *[2]syscall.Iovec, long bool) (int, syscall.Errno) {
	if long {
		n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(vec)), uintptr(len(vec)))
		return int(n), errno
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(vec)), uintptr(len(vec)))
	return int(n), errno
}

// Peek looks at the next byte without taking it: 1 if there is one, 0 at the end, EAGAIN if nothing
// has come.
func Peek(fd uintptr) (int, error) {
	var b [1]byte
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1,
			syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// errnoError returns an errno as an error, the commonest one without the allocation that may cost.
func errnoError(errno syscall.Errno) error {
	if errno == syscall.EAGAIN {
		return errAgain
	}
	return errno
}

// errAgain is syscall.EAGAIN, boxed once.
var errAgain error = syscall.EAGAIN

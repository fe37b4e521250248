package http1

import (
	"net"
	"syscall"
	"unsafe"
)

// The sockets of package net do not block, so a small read or write returns at once and need not tell the
// scheduler about a system call: RawSyscall saves what that costs. Large ones copy for long enough that the
// scheduler should know. Under the race detector everything goes the long way, which it can see.

// quick is the largest read or write, in bytes, that does not tell the scheduler.
const quick = 64 << 10

// rawConn returns the raw connection of a TCP connection, or nil.
func rawConn(t *net.TCPConn) syscall.RawConn {
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// sysRead reads what is there. It returns EAGAIN if that is nothing, and 0 at the end.
func sysRead(fd uintptr, p []byte) (int, error) {
	for {
		if raceEnabled || len(p) > quick {
			n, err := syscall.Read(int(fd), p)
			if err == syscall.EINTR {
				continue
			}
			return n, err
		}
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// sysWrite writes what there is room for. It returns EAGAIN if there is none.
func sysWrite(fd uintptr, p []byte) (int, error) {
	for {
		if raceEnabled || len(p) > quick {
			n, err := syscall.Write(int(fd), p)
			if err == syscall.EINTR {
				continue
			}
			return n, err
		}
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// sysWritev writes p and q, neither of them empty, with one system call.
func sysWritev(fd uintptr, p, q []byte) (int, error) {
	if raceEnabled {
		return sysWrite(fd, p) // the rest with the next call
	}
	vec := [2]syscall.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	vec[0].SetLen(len(p))
	vec[1].SetLen(len(q))
	for {
		n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, errnoError(errno)
	}
}

// sysPeek looks at the next byte without taking it: 1 if there is one, 0 at the end, EAGAIN if nothing
// has come.
func sysPeek(fd uintptr) (int, error) {
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

//go:build !linux

package http1

import (
	"net"
	"syscall"
)

// Other systems go through net.Conn; nothing here is reached.

func rawConn(*net.TCPConn) syscall.RawConn           { return nil }
func sysRead(uintptr, []byte) (int, error)           { return -1, syscall.ENOSYS }
func sysWrite(uintptr, []byte) (int, error)          { return -1, syscall.ENOSYS }
func sysWritev(uintptr, []byte, []byte) (int, error) { return -1, syscall.ENOSYS }
func sysPeek(uintptr) (int, error)                   { return -1, syscall.ENOSYS }

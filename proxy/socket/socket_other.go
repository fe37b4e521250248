//go:build !linux

package socket

import (
	"net"
	"syscall"
)

// Other systems go through net.Conn: Raw returns nil, so nothing else here is reached.

// KeepAlive makes a listener keep the connections alive that it accepts.
func KeepAlive(lc *net.ListenConfig, k net.KeepAliveConfig) { lc.KeepAliveConfig = k }

func Raw(*net.TCPConn) syscall.RawConn                { return nil }
func Read(uintptr, []byte) (int, error)               { return -1, syscall.ENOSYS }
func TellMore(uintptr) error                          { return syscall.ENOSYS }
func ReadMore(uintptr, []byte) (n, more int, _ error) { return -1, -1, syscall.ENOSYS }
func Write(uintptr, []byte) (int, error)              { return -1, syscall.ENOSYS }
func Writev(uintptr, []byte, []byte) (int, error)     { return -1, syscall.ENOSYS }
func Peek(uintptr) (int, error)                       { return -1, syscall.ENOSYS }

package socket

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeepAlive makes a listener keep the connections alive that it accepts. They inherit it from the listening socket
// (tcp(7)), where package net would set four options on each.
func KeepAlive(lc *net.ListenConfig, k net.KeepAliveConfig) {
	lc.KeepAliveConfig, lc.KeepAlive = net.KeepAliveConfig{}, -1
	lc.Control = func(_, _ string, raw syscall.RawConn) error {
		var err error
		set := func(fd uintptr) {
			option := func(level, name, value int) error { return unix.SetsockoptInt(int(fd), level, name, value) }
			err = errors.Join(
				option(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
				option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(k.Idle.Seconds())),
				option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(k.Interval.Seconds())),
				option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count))
		}
		return errors.Join(raw.Control(set), err)
	}
}

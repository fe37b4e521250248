//go:build !linux

package stream

import (
	"net/netip"
	"syscall"
)

// controlSize is room for what the kernel tells with a datagram: nothing is asked of it here.
const controlSize = 0

func tellDestination(string, string, syscall.RawConn) error { return nil }
func destination([]byte) netip.Addr                         { return netip.Addr{} }
func sourceControl(netip.Addr) []byte                       { return nil }

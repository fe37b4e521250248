package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize is room for what the kernel tells with a datagram.
const controlSize = 128

// tellDestination asks the kernel to tell with each datagram which address it came to.
func tellDestination(network, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if network == "udp4" {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			return
		}
		// IPv4 datagrams on an IPv6 socket tell their address as IPv4 in IPv6.
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("ask for destination addresses: %w", err)
	}
	return nil
}

// destination finds the address that a datagram came to in what the kernel tells; invalid if it does not.
func destination(control []byte) netip.Addr {
	for len(control) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return netip.Addr{}
		}
		switch {
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			info := (*unix.Inet4Pktinfo)(unsafe.Pointer(unsafe.SliceData(data)))
			return netip.AddrFrom4(info.Spec_dst)
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			info := (*unix.Inet6Pktinfo)(unsafe.Pointer(unsafe.SliceData(data)))
			return netip.AddrFrom16(info.Addr).Unmap()
		}
		control = rest
	}
	return netip.Addr{}
}

// sourceControl returns what tells the kernel which address an answer is to leave from; nil leaves it the choice.
func sourceControl(a netip.Addr) []byte {
	switch {
	case !a.IsValid() || a.IsMulticast():
		return nil
	case a.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
}

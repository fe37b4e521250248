package preamble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a PROXY header says. Both addresses are invalid where it names none: a health check of the load
// balancer itself (LOCAL), a Unix socket, or a family that is not known.
type Header struct {
	// Source is the client, Destination what it connected to.
	Source, Destination netip.AddrPort
}

const (
	// maxProxyV1 is the longest header of version 1, its end included (section 2.1 of the specification).
	maxProxyV1 = 107
	// maxProxyHeader is the longest header that is taken, in bytes, as in nginx. Version 2 would allow 64 KiB of
	// extensions.
	maxProxyHeader = 4096
	// fixedV2 is the length of the fixed part of version 2.
	fixedV2 = 16
)

const (
	prefixV1    = "PROXY "
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Errors of ParseProxy.
var (
	// ErrNoProxyHeader is a connection that does not begin with a PROXY header: the peer does not send any.
	ErrNoProxyHeader = errors.New("no PROXY header: the connection does not begin with one")
	// ErrProxyHeader is a header that cannot be understood.
	ErrProxyHeader = errors.New("malformed PROXY header")
	// ErrProxyTooLong is a header beyond the limits: 107 bytes in version 1, 4096 in version 2.
	ErrProxyTooLong = errors.New("PROXY header is too long")
)

// ParseProxy reads the PROXY header that b begins with, and returns its length. While b may be the beginning of one
// the length is 0 and there is no error.
func ParseProxy(b []byte) (h Header, length int, err error) {
	if begins(b, signatureV2) {
		if len(b) < fixedV2 {
			return h, 0, nil
		}
		return parseV2(b)
	}
	if !begins(b, prefixV1) {
		return h, 0, ErrNoProxyHeader
	}
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n')
	switch {
	case end < 0 && len(b) >= maxProxyV1:
		return h, 0, ErrProxyTooLong
	case end < 0:
		return h, 0, nil
	case end < len(prefixV1) || b[end-1] != '\r':
		return h, 0, ErrProxyHeader
	}
	h, err = parseV1(string(b[len(prefixV1) : end-1]))
	return h, end + 1, err
}

// begins reports whether b begins with a prefix, as far as it goes.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// parseV1 reads "TCP4 192.0.2.1 192.0.2.2 56324 443". Words are separated by one space each.
func parseV1(line string) (h Header, err error) {
	family, rest, _ := strings.Cut(line, " ")
	if family == "UNKNOWN" {
		return h, nil // whatever stands behind it is to be ignored
	}
	words := strings.Split(rest, " ")
	if len(words) != 4 || family != "TCP4" && family != "TCP6" {
		return h, ErrProxyHeader
	}
	source, errSource := netip.ParseAddr(words[0])
	destination, errDestination := netip.ParseAddr(words[1])
	sourcePort, okSource := parsePort(words[2])
	destinationPort, okDestination := parsePort(words[3])
	v4 := family == "TCP4"
	if errSource != nil || errDestination != nil || !okSource || !okDestination ||
		source.Is4() != v4 || destination.Is4() != v4 || source.Zone() != "" || destination.Zone() != "" {
		return h, ErrProxyHeader
	}
	h.Source = netip.AddrPortFrom(source.Unmap(), sourcePort)
	h.Destination = netip.AddrPortFrom(destination.Unmap(), destinationPort)
	return h, nil
}

// parsePort reads a port without sign or leading zeros.
func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && text[0] != '+' && (text[0] != '0' || len(text) == 1)
}

// Parts of a header of version 2.
const (
	commandLocal, commandProxy = 0x20, 0x21
	stream4, stream6           = 0x11, 0x21
	addresses4, addresses6     = 12, 36
)

// parseV2 reads a header of which the fixed part is there. What stands behind the addresses (TLVs) is skipped.
func parseV2(b []byte) (h Header, length int, err error) {
	command, family := b[12], b[13]
	size := int(binary.BigEndian.Uint16(b[14:]))
	length = fixedV2 + size
	switch {
	case command != commandLocal && command != commandProxy:
		return h, 0, ErrProxyHeader
	case length > maxProxyHeader:
		return h, 0, ErrProxyTooLong
	case len(b) < length:
		return h, 0, nil
	case command == commandLocal:
		return h, length, nil
	}
	switch addresses := b[fixedV2:length]; {
	case family == stream4 && size >= addresses4:
		h = Header{addrPort(addresses[:4], addresses[8:]), addrPort(addresses[4:8], addresses[10:])}
	case family == stream6 && size >= addresses6:
		h = Header{addrPort(addresses[:16], addresses[32:]), addrPort(addresses[16:32], addresses[34:])}
	case family == stream4, family == stream6:
		return h, 0, ErrProxyHeader
	}
	return h, length, nil
}

// addrPort makes an address out of its bytes and those of its port.
func addrPort(address, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(address)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// AppendProxy appends the header of version 1 for a TCP connection, which is what nginx sends (proxy_protocol on). If
// the addresses are of two families, or one is invalid, both are written in the family that can hold them, or as UNKNOWN.
func AppendProxy(dst []byte, source, destination netip.AddrPort) []byte {
	from, to := source.Addr().Unmap().WithZone(""), destination.Addr().Unmap().WithZone("")
	dst = append(dst, prefixV1...)
	switch {
	case !from.IsValid() || !to.IsValid():
		return append(dst, "UNKNOWN\r\n"...)
	case from.Is4() && to.Is4():
		dst = append(dst, "TCP4 "...)
	default:
		dst = append(dst, "TCP6 "...)
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	dst = append(from.AppendTo(dst), ' ')
	dst = append(to.AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(source.Port()), 10), ' ')
	return append(strconv.AppendUint(dst, uint64(destination.Port()), 10), "\r\n"...)
}

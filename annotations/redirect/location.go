package redirect

import (
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// appendHost appends the name that the client asked for, without port: what a trusted peer says, else
// what the client wrote, else the address of the listener (HTTP/1.0 needs no Host).
func appendHost(dst []byte, x *filter.Exchange) []byte {
	host := x.ForwardedHost
	if host == "" {
		host = x.Request.Authority
	}
	if host = cutPort(host); host != "" {
		return appendURI(dst, host)
	}
	local := x.Conn.Local.Addr().Unmap().WithZone("")
	if !local.Is6() {
		return local.AppendTo(dst)
	}
	return append(local.AppendTo(append(dst, '[')), ']')
}

// cutPort returns a host without its port.
func cutPort(host string) string {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.IndexByte(host[colon:], ']') >= 0 {
		return host
	}
	return host[:colon]
}

// appendOrigin appends scheme and host; with port the listener's port, unless it is the scheme's own.
func appendOrigin(dst []byte, x *filter.Exchange, port bool) []byte {
	dst = append(append(dst, x.Scheme...), "://"...)
	dst = appendHost(dst, x)
	n := x.Conn.Local.Port()
	if !port || n == 80 && x.Scheme == "http" || n == 443 && x.Scheme == "https" {
		return dst
	}
	return strconv.AppendUint(append(dst, ':'), uint64(n), 10)
}

// appendURI appends text and percent-encodes what must not be in a field or in a URI: controls, spaces
// and everything that is not ASCII. All else stays as it is, "%" included.
func appendURI(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c <= ' ' || c >= 0x7f {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

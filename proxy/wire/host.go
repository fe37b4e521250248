package wire

import "net/netip"

// maxHost and maxLabel are the longest name and label that DNS has, in bytes (RFC 1035 section 2.3.4).
const (
	maxHost  = 253
	maxLabel = 63
)

// ParseHost returns the name that an authority ("host" or "host:port") routes to: lower case, without
// port, without trailing dot; an IPv6 literal in its canonical form, in brackets. It returns authority
// itself, or a part of it, if nothing has to change. An empty authority is the empty host. It is false for
// what is no name that DNS or a certificate could have: commas, percent signs, user information, bytes
// above 0x7f, ports above 65535. "_" is allowed, as everybody does.
func ParseHost(authority string, a *Arena) (host string, ok bool) {
	if authority == "" {
		return "", true
	}
	if authority[0] == '[' {
		return parseIPv6(authority, a)
	}
	var seen Class
	label, end := 0, len(authority)
	for i := 0; i < len(authority); i++ {
		b := authority[i]
		c := classes[b]
		if c&hostByte != 0 {
			seen |= c
			continue
		}
		if b == ':' {
			end = i
			break
		}
		if b != '.' || i == label || i-label > maxLabel {
			return "", false
		}
		label = i + 1
	}
	if end < len(authority) && !validPort(authority[end+1:]) {
		return "", false
	}
	host = authority[:end]
	if label == end && end > 0 { // the name ends with its dot
		host = host[:end-1]
	} else if end-label > maxLabel {
		return "", false
	}
	if host == "" || len(host) > maxHost {
		return "", false
	}
	if seen&upperByte == 0 {
		return host, true
	}
	return lower(host, a), true
}

// lower returns ASCII text in lower case, in a.
func lower(s string, a *Arena) string {
	out := a.Begin()
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		out = append(out, c)
	}
	return a.End(out)
}

// parseIPv6 is ParseHost for "[address]" and "[address]:port".
func parseIPv6(authority string, a *Arena) (string, bool) {
	end := 1
	for end < len(authority) && authority[end] != ']' {
		if authority[end] == '%' { // no zones: they mean nothing to anybody else
			return "", false
		}
		end++
	}
	if end == len(authority) {
		return "", false
	}
	if rest := authority[end+1:]; rest != "" && (rest[0] != ':' || !validPort(rest[1:])) {
		return "", false
	}
	addr, err := netip.ParseAddr(authority[1:end])
	if err != nil || !addr.Is6() {
		return "", false
	}
	out := append(a.Begin(), '[')
	out = addr.AppendTo(out)
	return a.End(append(out, ']')), true
}

// validPort reports whether s is a port number; it may be empty (RFC 3986 section 3.2.3).
func validPort(s string) bool {
	if len(s) > 5 {
		return false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

package upstream

// Cookie is the content of an affinity cookie, "<key>|<upstream hash>": which endpoint the client is kept
// on, and by which upstream the cookie was issued. Both are 16 hex digits. Whatever else a client
// sends is treated as no cookie at all: the text has no meaning to anybody but us.
type Cookie struct {
	// Key chooses the endpoint: a random point of the ring in balanced mode, the endpoint's own hash in
	// persistent mode.
	Key uint64
	// Owner is the Hash of the Key of the upstream that issued the cookie.
	Owner uint64
}

// cookieLen is the length of a cookie's text in bytes.
const cookieLen = 16 + 1 + 16

// ParseCookie reads the value of an affinity cookie.
func ParseCookie(value string) (Cookie, bool) {
	if len(value) != cookieLen || value[16] != '|' {
		return Cookie{}, false
	}
	key, ok := parseHex(value[:16])
	if !ok {
		return Cookie{}, false
	}
	owner, ok := parseHex(value[17:])
	return Cookie{Key: key, Owner: owner}, ok
}

// Append appends the text of the cookie to dst.
func (c Cookie) Append(dst []byte) []byte {
	dst = appendHex(dst, c.Key)
	dst = append(dst, '|')
	return appendHex(dst, c.Owner)
}

// String returns the text of the cookie.
func (c Cookie) String() string { return string(c.Append(nil)) }

// parseHex reads lower-case hex digits.
func parseHex(s string) (uint64, bool) {
	var v uint64
	for i := 0; i < len(s); i++ {
		d := s[i]
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	return v, true
}

// appendHex appends 16 lower-case hex digits.
func appendHex(dst []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for range 16 {
		dst = append(dst, digits[v>>60])
		v <<= 4
	}
	return dst
}

package variable

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/yettproxy/yett/proxy/wire"
)

// Escaping runs over every byte of every logged value. It looks for a byte that needs it, eight at a time
// as long as none is suspicious and then by table, and copies what lies between in one piece.

// unsafeIn says for each byte which escapes must touch it, one bit each.
var unsafeIn = func() (t [256]uint8) {
	for c := range 256 {
		if c < 0x20 || c > 126 || c == '"' || c == '\\' {
			t[c] |= 1 << EscapeDefault
		}
		if c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			t[c] |= 1 << EscapeJSON
		}
		if (c < 0x20 && c != '\t') || c == 0x7f {
			t[c] |= 1 << EscapeField
		}
	}
	return t
}()

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

// escape appends s to dst, escaped.
func escape(dst []byte, s string, e Escape) []byte {
	bit := uint8(1) << e
	if e == EscapeNone {
		return append(dst, s...)
	}
	start := 0
	for i := harmless(s); i < len(s); i++ {
		c := s[i]
		if unsafeIn[c]&bit == 0 {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch e {
		case EscapeDefault:
			dst = append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
		case EscapeJSON:
			if c < utf8.RuneSelf {
				dst = escapeJSON(dst, c)
				continue
			}
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r) // U+FFFD for what is not UTF-8
			i += n - 1
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

// harmless returns the length of a prefix of s, in whole words, in which no mode escapes anything. It may
// be too short: the arithmetic below has false alarms, never misses.
func harmless(s string) int {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	b := wire.Bytes(s)
	n := 0
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		// A byte minus k borrows into its high bit if it is less than k; xor makes the byte looked for 0.
		alarm := w | (w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | ((w ^ 0x7f*ones) - ones)
		if alarm&high != 0 {
			break
		}
		n += 8
	}
	return n
}

// escapeJSON appends one ASCII byte as nginx's escape=json writes it.
func escapeJSON(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
}

// unreserved says which bytes $escaped_request_uri keeps: those that encodeURIComponent keeps.
var unreserved = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-0x20] = true, true
	}
	for _, c := range "-_.~!'()*" {
		t[c] = true
	}
	return t
}()

// AppendURIComponent appends s such that it can stand in a query: everything but letters, digits and
// -_.~!'()* becomes %HH. It is what $escaped_request_uri and the rd parameter of auth-signin hold.
func AppendURIComponent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

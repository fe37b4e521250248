package wire

import "encoding/binary"

// Class is what a byte may be part of, a set of bits. The scanners of heads look every byte up once.
type Class uint8

const (
	// TokenByte marks the bytes of tokens: methods and field names (RFC 9110 section 5.6.2).
	TokenByte Class = 1 << iota
	// OddByte marks token bytes other than letters, digits, "-" and "_". nginx drops fields whose names
	// have one (ignore_invalid_headers), since gateways fold them onto other names: X.Forwarded.For.
	OddByte
	// UnderscoreByte marks "_", which CGI and many frameworks fold onto "-".
	UnderscoreByte
	// upperByte marks upper-case letters.
	upperByte
	// hostByte marks what a registered name may consist of, less the dot.
	hostByte
	// pathByte marks bytes of a raw path that need no look at all: those that stand for themselves.
	pathByte
	// queryByte marks the bytes that a raw query may have; it is forwarded byte for byte.
	queryByte
)

// classes says for each byte what it may be part of.
var classes = func() (t [256]Class) {
	for c := 0; c < 256; c++ {
		b := byte(c)
		lower, upper := b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z'
		alnum := lower || upper || b >= '0' && b <= '9'
		if alnum || b == '-' || b == '_' {
			t[c] |= TokenByte | hostByte
		}
		if upper {
			t[c] |= upperByte
		}
		if b == '_' {
			t[c] |= UnderscoreByte
		}
		switch b {
		case '!', '#', '$', '%', '&', '\'', '*', '+', '.', '^', '`', '|', '~':
			t[c] |= TokenByte | OddByte
		}
		if b > 0x20 && b != 0x7f && b != '#' {
			t[c] |= queryByte
		}
		if b > 0x20 && b < 0x7f && b != '#' && b != '?' && b != '%' && b != '\\' && b != '/' {
			t[c] |= pathByte
		}
	}
	return t
}()

// ClassOf returns what b may be part of.
func ClassOf(b byte) Class { return classes[b] }

// IsToken reports whether s is a token (RFC 9110 section 5.6.2), as methods and field names must be.
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&TokenByte == 0 {
			return false
		}
	}
	return s != ""
}

// Masks for looking at eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Controls returns a word whose lowest set bit tells the first byte of the little-endian word w that is
// a control character, TAB included; 0 if there is none. Divide its trailing zeros by 8. Bytes above the
// first may be marked by mistake.
func Controls(w uint64) uint64 {
	del := w ^ ones*0x7f
	return ((w-ones*0x20)&^w | (del-ones)&^del) & highs
}

// ValidValue reports whether s may be the value of a field: no control character but TAB (RFC 9110
// section 5.5). Bytes above 0x7f are allowed.
func ValidValue(s string) bool {
	b := Bytes(s)
	for i := 0; i < len(b); i++ {
		if i+8 <= len(b) && Controls(binary.LittleEndian.Uint64(b[i:])) == 0 {
			i += 7
			continue
		}
		if c := b[i]; (c < 0x20 && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// TrimmedValue reports whether v may be the value of a field of HTTP/2 or HTTP/3: a ValidValue without white space at its ends, which is
// malformed there (RFC 9113 section 8.2.1, RFC 9114 section 4.2).
func TrimmedValue(v string) bool {
	if v == "" {
		return true
	}
	first, last := v[0], v[len(v)-1]
	return first != ' ' && first != '\t' && last != ' ' && last != '\t' && ValidValue(v)
}

// BlankControls turns control characters other than TAB into spaces: in a head that is written they would begin a line of somebody
// else's making.
func BlankControls(b []byte) {
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			b[i] = ' '
		}
	}
}

// FieldRule is what becomes of a field because of its name.
type FieldRule uint8

const (
	// KeepField lets the field through.
	KeepField FieldRule = iota
	// DropField takes it out as if it had not been sent.
	DropField
	// RefuseField makes the whole message malformed.
	RefuseField
)

// CheckName says what becomes of a field called name: refused if it is no token; dropped if it has bytes
// that others may fold onto "-", as nginx does (S-D3 and F-07 of our conformance list). With underscores,
// names with "_" pass, unless they would fold onto a field that the proxy itself knows.
func CheckName(name string, underscores bool) FieldRule {
	var seen Class
	for i := 0; i < len(name); i++ {
		c := classes[name[i]]
		if c&TokenByte == 0 {
			return RefuseField
		}
		seen |= c
	}
	if name == "" {
		return RefuseField
	}
	return seen.Rule(name, underscores)
}

// Rule is CheckName for a scanner that has looked at the bytes already: seen holds the bits of all bytes
// of name, which is a token.
func (seen Class) Rule(name string, underscores bool) FieldRule {
	switch {
	case seen&(OddByte|UnderscoreByte) == 0:
		return KeepField
	case seen&OddByte != 0, !underscores, foldsOntoKnown(name):
		return DropField
	}
	return KeepField
}

// foldsOntoKnown reports whether name, with "-" for every "_", is that of a known field.
func foldsOntoKnown(name string) bool {
	var folded [longestName]byte
	if len(name) > len(folded) {
		return false
	}
	for i := 0; i < len(name); i++ {
		folded[i] = name[i]
		if name[i] == '_' {
			folded[i] = '-'
		}
	}
	return Lookup(View(folded[:len(name)])) != Other
}

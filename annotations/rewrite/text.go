package rewrite

// Text with captures is compiled into parts once, and put together for each request in the arena. What
// clients decide, captures and variables, is escaped on the way according to where it stands; nginx does
// the same, so the tables are its own.

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
)

// part is a piece of text: a variable if tmpl is set, a capture if group is not 0, else a literal.
type part struct {
	literal string
	group   int
	tmpl    *variable.Template
}

// compile splits text into parts. "$1" to "$9" are captures, whatever follows; other names are variables.
func compile(text string) ([]part, error) {
	var parts []part
	for text != "" {
		dollar := strings.IndexByte(text, '$')
		if dollar < 0 {
			return append(parts, part{literal: text}), nil
		}
		if dollar > 0 {
			parts = append(parts, part{literal: text[:dollar]})
			text = text[dollar:]
		}
		if len(text) > 1 && text[1] >= '1' && text[1] <= '9' {
			parts = append(parts, part{group: int(text[1] - '0')})
			text = text[2:]
			continue
		}
		n := variableLength(text)
		t, err := variable.Compile(text[:n])
		if err != nil {
			return nil, fmt.Errorf("$1 to $9 are captures: %w", err)
		}
		parts = append(parts, part{tmpl: t})
		text = text[n:]
	}
	return parts, nil
}

// variableLength returns the length of the "$name" or "${name}" that text begins with.
func variableLength(text string) int {
	n := 1
	if strings.HasPrefix(text, "${") {
		if end := strings.IndexByte(text, '}'); end > 0 {
			return end + 1
		}
		return len(text)
	}
	for n < len(text) {
		c := text[n]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		n++
	}
	return n
}

// hasGroups reports whether any part is a capture.
func hasGroups(parts []part) bool {
	for i := range parts {
		if parts[i].group != 0 {
			return true
		}
	}
	return false
}

// set is a set of bytes that are percent-encoded.
type set [256]bool

// newSet returns the set of controls, bytes that are not ASCII, and the bytes of more.
func newSet(more string) *set {
	s := new(set)
	for i := range s {
		s[i] = i < ' ' || i >= 0x7f
	}
	for i := 0; i < len(more); i++ {
		s[more[i]] = true
	}
	return s
}

// The sets of nginx's ngx_escape_uri, and what may not be in a field's value.
var (
	inPath  = newSet(" \"#%<>?\\^`{|}")
	inArgs  = newSet(" #%&+;?")
	inValue = newSet("")
	// inQuery leaves what is encoded already as it is.
	inQuery = newSet(" #")
)

// appendParts appends parts: captures with the bytes of groups encoded, variables with those of vars, literals with
// those of literals; nil for none.
func appendParts(dst []byte, parts []part, x *filter.Exchange, captures *[pattern.Groups]string, literals, groups, vars *set) []byte {
	for i := range parts {
		switch p := &parts[i]; {
		case p.tmpl != nil:
			mark := len(dst)
			dst = p.tmpl.Append(dst, x)
			dst = encodeTail(dst, mark, vars)
		case p.group != 0:
			dst = appendEncoded(dst, captures[p.group], groups)
		default:
			dst = appendEncoded(dst, p.literal, literals)
		}
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

// appendEncoded appends text with the bytes of s percent-encoded.
func appendEncoded(dst []byte, text string, s *set) []byte {
	if s == nil {
		return append(dst, text...)
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if s[c] {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// encodeTail percent-encodes the bytes of s in dst[mark:], in place and from the back.
func encodeTail(dst []byte, mark int, s *set) []byte {
	n := 0
	for _, c := range dst[mark:] {
		if s[c] {
			n++
		}
	}
	if n == 0 {
		return dst
	}
	from := len(dst) - 1
	for range 2 * n {
		dst = append(dst, 0)
	}
	to := len(dst) - 1
	for ; from < to; from-- {
		c := dst[from]
		if !s[c] {
			dst[to] = c
			to--
			continue
		}
		dst[to-2], dst[to-1], dst[to] = '%', hexDigits[c>>4], hexDigits[c&15]
		to -= 3
	}
	return dst
}

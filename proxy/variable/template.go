package variable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// Escape is how the values of variables are made safe for what they are written into.
type Escape uint8

const (
	// EscapeDefault writes \xHH for control characters, the double quote, the backslash and bytes above
	// 126, as nginx's log_format does (escape=default). Absent values are "-".
	EscapeDefault Escape = iota
	// EscapeJSON writes what is not allowed in a JSON string as JSON escapes (escape=json). Absent values
	// are "".
	EscapeJSON
	// EscapeNone writes values as they are (escape=none). Absent values are "".
	EscapeNone
	// EscapeField leaves out control characters, so that a value cannot break out of a header field: $uri
	// is decoded and may hold any byte. Absent values are "".
	EscapeField
)

// MaxTextBytes is the longest text that Compile takes, in bytes.
const MaxTextBytes = 64 << 10

// Errors that Compile returns, wrapped with where and what.
var (
	// ErrTooLong is a text beyond MaxTextBytes.
	ErrTooLong = errors.New("text is too long")
	// ErrSyntax is a "$" without a name behind it, or a "${" without its "}".
	ErrSyntax = errors.New("invalid variable name")
	// ErrUnknown is a variable that does not exist.
	ErrUnknown = errors.New("unknown variable")
)

// Template is text with variables, compiled. It is immutable and safe for concurrent use.
type Template struct {
	source   string
	ops      []op
	constant bool
	value    string
}

// op is one step of a template: a literal, or a variable.
type op struct {
	kind kind
	code code
	// field says which field a $http_NAME or its like means.
	field fieldName
	// text is the literal, or the NAME of $arg_NAME and $cookie_NAME.
	text string
	// clock caches the date for $time_local and $time_iso8601.
	clock *clock
}

// Compile compiles text with "$name" and "${name}". A "$" that no name follows and unknown variables are
// errors, as in nginx; there is no way to write a literal "$".
func Compile(text string) (*Template, error) {
	if len(text) > MaxTextBytes {
		return nil, fmt.Errorf("compile template of %d bytes: %w", len(text), ErrTooLong)
	}
	t := &Template{source: text}
	for rest := text; rest != ""; {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			t.literal(rest)
			break
		}
		t.literal(rest[:i])
		name, after, ok := cutName(rest[i+1:])
		if !ok {
			return nil, fmt.Errorf("compile template %q: %w at %q", short(text), ErrSyntax, short(rest[i:]))
		}
		o, ok := lookup(strings.ToLower(name))
		if !ok {
			return nil, fmt.Errorf("compile template %q: %w %q%s", short(text), ErrUnknown, "$"+name, hint(name))
		}
		if o.kind == kindLiteral {
			t.literal(o.text)
		} else {
			t.ops = append(t.ops, o)
		}
		rest = after
	}
	switch {
	case len(t.ops) == 0:
		t.constant = true
	case len(t.ops) == 1 && t.ops[0].kind == kindLiteral:
		t.constant, t.value = true, t.ops[0].text
	}
	return t, nil
}

// literal appends s to the last operation if that is a literal, or as one of its own.
func (t *Template) literal(s string) {
	if s == "" {
		return
	}
	if n := len(t.ops); n > 0 && t.ops[n-1].kind == kindLiteral {
		t.ops[n-1].text += s
		return
	}
	t.ops = append(t.ops, op{kind: kindLiteral, text: s})
}

// cutName takes the name off the text behind a "$".
func cutName(s string) (name, rest string, ok bool) {
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end < 0 || nameLength(s[1:end]) != end-1 || end == 1 {
			return "", "", false
		}
		return s[1:end], s[end+1:], true
	}
	n := nameLength(s)
	return s[:n], s[n:], n > 0
}

// nameLength is the length of the longest name that s begins with.
func nameLength(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return i
		}
	}
	return len(s)
}

// short cuts text for an error message.
func short(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// String returns the text that the template was compiled from.
func (t *Template) String() string { return t.source }

// Constant returns the text if it is the same for every exchange.
func (t *Template) Constant() (string, bool) { return t.value, t.constant }

// Append appends the text to dst: values as they are, absent ones as "". Values may hold any byte.
func (t *Template) Append(dst []byte, x *filter.Exchange) []byte {
	return t.AppendEscaped(dst, x, EscapeNone)
}

// AppendEscaped appends the text to dst with its values escaped; literal parts never are, as in nginx.
func (t *Template) AppendEscaped(dst []byte, x *filter.Exchange, e Escape) []byte {
	for i := range t.ops {
		o := &t.ops[i]
		if o.kind == kindLiteral {
			dst = append(dst, o.text...)
			continue
		}
		var found bool
		if dst, found = o.append(dst, x, e); !found && e == EscapeDefault {
			dst = append(dst, '-')
		}
	}
	return dst
}

// Text returns the text, composed in x.Arena and valid as long as the exchange.
func (t *Template) Text(x *filter.Exchange) string { return t.text(x, EscapeNone) }

// FieldText is Text without control characters: fit to be the value of a header field.
func (t *Template) FieldText(x *filter.Exchange) string { return t.text(x, EscapeField) }

func (t *Template) text(x *filter.Exchange, e Escape) string {
	if t.constant {
		return t.value
	}
	return x.Arena.End(t.AppendEscaped(x.Arena.Begin(), x, e))
}

package variable

import (
	"github.com/yettproxy/yett/proxy/filter"
)

// Escape is how the values of variables are made safe for what they are written into.
type Escape uint8

const (
	// EscapeDefault writes \xHH for control characters, the double quote, the backslash and bytes above
	// 126, as nginx's log_format does (escape=default).
	EscapeDefault Escape = iota
	// EscapeJSON writes what is not allowed in a JSON string as JSON escapes (escape=json).
	EscapeJSON
	// EscapeNone writes values as they are (escape=none).
	EscapeNone
)

// Template is text with variables, compiled. It is immutable and safe for concurrent use.
type Template struct {
	source string
}

// Compile compiles text with "$name" and "${name}". An unknown variable is an error that names it.
func Compile(text string) (*Template, error) { return &Template{source: text}, nil }

// String returns the text that the template was compiled from.
func (t *Template) String() string { return t.source }

// Constant returns the text if it has no variables.
func (t *Template) Constant() (string, bool) { return t.source, true }

// Append appends the text to dst, absent values as "".
func (t *Template) Append(dst []byte, x *filter.Exchange) []byte { return append(dst, t.source...) }

// AppendEscaped appends the text to dst for a log: values are escaped, absent ones are "-" (except with
// EscapeJSON, where they are "", as in nginx).
func (t *Template) AppendEscaped(dst []byte, x *filter.Exchange, e Escape) []byte {
	return append(dst, t.source...)
}

// Text returns the text, composed in x.Arena and valid as long as the exchange.
func (t *Template) Text(x *filter.Exchange) string { return t.source }

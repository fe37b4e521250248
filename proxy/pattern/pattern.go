package pattern

import (
	"errors"
	"regexp"
)

// MaxLength is the longest expression that Compile accepts, in bytes.
const MaxLength = 4096

// ErrTooLong says that an expression is longer than MaxLength.
var ErrTooLong = errors.New("regular expression is too long")

// Pattern is a compiled regular expression. It is immutable and safe for concurrent use.
type Pattern struct {
	expr string
	re   *regexp.Regexp
}

// Compile compiles an expression as nginx's PCRE understands it. fold makes it case-insensitive.
func Compile(expr string, fold bool) (*Pattern, error) {
	if len(expr) > MaxLength {
		return nil, ErrTooLong
	}
	flagged := expr
	if fold {
		flagged = "(?i)" + expr
	}
	re, err := regexp.Compile(flagged)
	if err != nil {
		return nil, err
	}
	return &Pattern{expr: expr, re: re}, nil
}

// String returns the expression that the pattern was compiled from.
func (p *Pattern) String() string { return p.expr }

// Match reports whether the pattern is found anywhere in s. A search that runs into its time limit counts
// as not found.
func (p *Pattern) Match(s string) bool { return p.re.MatchString(s) }

// Captures finds the pattern in s and sets dst[0] to what matched and dst[1] to dst[9] to its groups; ""
// for a group that took no part. The strings are parts of s. It reports false, and leaves dst alone, if
// the pattern is not found.
func (p *Pattern) Captures(s string, dst *[10]string) bool {
	m := p.re.FindStringSubmatchIndex(s)
	if m == nil {
		return false
	}
	for i := range dst {
		dst[i] = ""
		if 2*i+1 < len(m) && m[2*i] >= 0 {
			dst[i] = s[m[2*i]:m[2*i+1]]
		}
	}
	return true
}

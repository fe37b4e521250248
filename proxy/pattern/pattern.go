package pattern

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/dlclark/regexp2/v2"
)

// MaxLength is the longest expression that Compile accepts, in bytes.
const MaxLength = 4096

// Groups is how many captures there are: the whole match ($0) and nine groups ($1 to $9), as many as
// nginx has.
const Groups = 10

// Pattern is a compiled regular expression. It is immutable and safe for concurrent use.
type Pattern struct {
	expr string
	fold bool
	// lead is what every match begins with, at the beginning of the text; lower case if fold. Most searches
	// end with it: in a host with many regex paths all but one or two paths begin otherwise.
	lead string
	// whole says that lead is all there is to match.
	whole bool

	// One of prog and slow is set, unless whole. std is regexp's program, made when it is first needed.
	prog *program
	slow *regexp2.Regexp
	std  func() *regexp.Regexp
}

// Compile compiles an expression as nginx's PCRE understands it. fold makes it case-insensitive. Errors
// are of type *Error.
//
// Differences from PCRE: "$" matches only at the very end, not before a last line feed; a character is
// one of UTF-8, not a byte; what neither engine has (recursion, \K, verbs) is refused.
func Compile(expr string, fold bool) (*Pattern, error) {
	if len(expr) > MaxLength {
		return nil, &Error{Expr: expr, Offset: -1, Reason: "longer than 4096 bytes", Advice: "shorten it or split the path"}
	}
	if text, ok := strings.CutPrefix(expr, "^"); ok && isLiteral(text) {
		p := Literal(text, fold)
		p.expr = expr
		return p, nil
	}
	flags := syntax.Perl
	if fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(expr, flags)
	if err != nil {
		return compileSlow(expr, fold, err)
	}
	prog, err := newProgram(tree)
	if err != nil {
		return nil, describe(expr, err)
	}
	p := &Pattern{expr: expr, fold: fold, prog: prog}
	p.lead, p.whole = leadOf(tree, fold)
	if fold {
		p.lead = lower(p.lead)
	}
	if p.lead != "" {
		prog.skip(p.lead)
	}
	p.std = sync.OnceValue(func() *regexp.Regexp {
		if fold {
			return regexp.MustCompile("(?i)" + expr)
		}
		return regexp.MustCompile(expr)
	})
	return p, nil
}

// Literal returns the pattern that matches texts which begin with text.
func Literal(text string, fold bool) *Pattern {
	p := &Pattern{expr: "^" + regexp.QuoteMeta(text), fold: fold, lead: text, whole: true}
	if fold {
		p.lead = lower(text)
	}
	return p
}

// String returns the expression that the pattern was compiled from.
func (p *Pattern) String() string { return p.expr }

// Lead returns what every match begins with, at the beginning of the text; in lower case if the pattern is
// case-insensitive. It is "" if nothing is known.
func (p *Pattern) Lead() string { return p.lead }

// Bounded reports whether the pattern runs in linear time. Others need a backtracking engine, which is
// stopped after Timeout.
func (p *Pattern) Bounded() bool { return p.slow == nil }

// ErrGaveUp says that a search was stopped by a limit of the backtracking engine: nobody knows whether there is a match.
var ErrGaveUp = errors.New("the search took too long")

// Match reports whether the pattern is found anywhere in s. A search that was given up counts as not found: whatever
// guards access must use Find. It does not allocate, unless s is very long or the pattern is not Bounded.
func (p *Pattern) Match(s string) bool {
	found, _ := p.Find(s, nil)
	return found
}

// Captures finds the pattern in s and sets dst[0] to what matched and dst[1] to dst[9] to its groups; ""
// for a group that took no part. The strings are parts of s. It reports false, and leaves dst alone, if
// the pattern is not found. It allocates as little as Match.
func (p *Pattern) Captures(s string, dst *[Groups]string) bool {
	found, _ := p.Find(s, dst)
	return found
}

// Find is Captures, or Match if dst is nil, for those who must not take a search that was given up for one that found
// nothing. The error is nil or ErrGaveUp; patterns that are Bounded have none.
func (p *Pattern) Find(s string, dst *[Groups]string) (found bool, err error) {
	if !p.hasLead(s) {
		return false, nil
	}
	switch {
	case p.whole:
		if dst != nil {
			*dst = [Groups]string{s[:len(p.lead)]}
		}
		return true, nil
	case p.slow != nil:
		return findSlow(p.slow, s, dst)
	case p.prog.fits(len(s)):
		return p.prog.run(s, dst), nil
	case dst == nil:
		return p.std().MatchString(s), nil
	}
	m := p.std().FindStringSubmatchIndex(s)
	if m == nil {
		return false, nil
	}
	fill(dst, s, m)
	return true, nil
}

// fill sets dst to the parts of s between pairs of offsets; -1 stands for none.
func fill(dst *[Groups]string, s string, m []int) {
	for i := range dst {
		dst[i] = ""
		if 2*i+1 < len(m) && m[2*i] >= 0 {
			dst[i] = s[m[2*i]:m[2*i+1]]
		}
	}
}

// hasLead reports whether s can match at all.
func (p *Pattern) hasLead(s string) bool {
	if len(s) < len(p.lead) {
		return false
	}
	if !p.fold {
		return s[:len(p.lead)] == p.lead
	}
	for i := 0; i < len(p.lead); i++ {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != p.lead[i] {
			return false
		}
	}
	return true
}

// lower lowers the ASCII letters of s. nginx folds bytes, not Unicode: the Kelvin sign is no "k".
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

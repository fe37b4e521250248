package pattern

import (
	"errors"
	"regexp/syntax"
	"strconv"
	"strings"
)

// Error says why an expression does not compile and what to write instead.
type Error struct {
	// Expr is the expression; Error shows no more than its beginning.
	Expr string
	// Offset is where the mistake begins, in bytes; -1 if it has no place.
	Offset int
	// Part is the faulty part, or "".
	Part string
	// Reason says what is wrong, Advice what to write instead; Advice may be "".
	Reason, Advice string
}

// Error returns all of it in one line.
func (e *Error) Error() string {
	var b strings.Builder
	shown := e.Expr
	if len(shown) > maxShown {
		shown = shown[:maxShown] + "…"
	}
	b.WriteString("regular expression " + strconv.Quote(shown))
	if e.Offset >= 0 {
		b.WriteString(" at byte " + strconv.Itoa(e.Offset))
	}
	if e.Part != "" && e.Part != e.Expr {
		b.WriteString(" (" + strconv.Quote(e.Part) + ")")
	}
	b.WriteString(": " + e.Reason)
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// maxShown is how much of an expression an error shows, in bytes.
const maxShown = 128

// errTooComplex says that counted repetitions make a program too large.
var errTooComplex = errors.New("its repetitions unfold to more than 20000 steps")

// advice says what to write instead, for each mistake that regexp/syntax finds.
var advice = map[syntax.ErrorCode]string{
	syntax.ErrMissingParen:          `close the group with ")", or write "\(" for the character itself`,
	syntax.ErrUnexpectedParen:       `remove it, or write "\)" for the character itself`,
	syntax.ErrMissingBracket:        `close the class with "]", or write "\[" for the character itself`,
	syntax.ErrMissingRepeatArgument: `put what is to be repeated before it, or a backslash for the character itself`,
	syntax.ErrInvalidRepeatOp:       `remove one of the two operators, or put a group around the first`,
	syntax.ErrInvalidCharRange:      `write the smaller character first`,
	syntax.ErrTrailingBackslash:     `remove the last backslash, or double it`,
	syntax.ErrInvalidUTF8:           `write it in UTF-8`,
	syntax.ErrInvalidEscape:         `remove the backslash, or name the character by \x{…}`,
	syntax.ErrInvalidPerlOp:         `of groups with "(?" there are (?:…), (?i), (?=…), (?!…), (?<=…), (?<!…), (?>…) and (?<name>…)`,
	syntax.ErrInvalidNamedCapture:   `write (?<name>…) with letters, digits and underscores, each name once`,
	syntax.ErrLarge:                 `use smaller repetitions`,
	syntax.ErrNestingDepth:          `use fewer groups within groups`,
}

// describe turns an error of regexp/syntax into ours.
func describe(expr string, err error) *Error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return &Error{Expr: expr, Offset: -1, Reason: err.Error(), Advice: "use smaller repetitions"}
	}
	out := &Error{Expr: expr, Offset: -1, Part: e.Expr, Reason: e.Code.String(), Advice: advice[e.Code]}
	switch e.Code {
	case syntax.ErrMissingParen: // regexp/syntax names the whole expression
		out.Part, out.Offset = "(", unclosed(expr)
	case syntax.ErrUnexpectedParen:
		out.Part = ")"
		out.Offset = unopened(expr)
	case syntax.ErrTrailingBackslash:
		out.Part, out.Offset = `\`, len(expr)-1
	default:
		out.Offset = strings.Index(expr, e.Expr)
	}
	if out.Offset < 0 {
		out.Part = ""
	}
	return out
}

// parens calls visit for every parenthesis outside of escapes and classes.
func parens(expr string, visit func(i int, open bool)) {
	class := false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if strings.HasPrefix(expr[i+1:], "]") || strings.HasPrefix(expr[i+1:], "^]") {
				i++
			}
		case c == '(' || c == ')':
			visit(i, c == '(')
		}
	}
}

// unclosed returns where the last group begins that is never closed, or -1.
func unclosed(expr string) int {
	var open []int
	parens(expr, func(i int, opens bool) {
		if opens {
			open = append(open, i)
		} else if len(open) > 0 {
			open = open[:len(open)-1]
		}
	})
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}

// unopened returns where the first group ends that was never begun, or -1.
func unopened(expr string) int {
	depth, at := 0, -1
	parens(expr, func(i int, opens bool) {
		if opens {
			depth++
		} else if depth--; depth < 0 && at < 0 {
			at = i
		}
	})
	return at
}

// foreign are escapes of PCRE that our engines lack, or would take for the letter itself.
var foreign = map[byte]string{
	'C': `write "." for a character`,
	'h': `write "[ \t]"`,
	'H': `write "[^ \t]"`,
	'K': `put what comes before it into a group and use the next one`,
	'N': `write "."`,
	'R': `write "\r?\n"`,
	'X': `write "."`,
	'g': `write "\1" for what the first group matched`,
	'o': `name the character by \x{…}`,
	'u': `name the character by \x{…}`,
	'U': `name the character by \x{…}`,
	'l': `write the small letter`,
	'L': `write the capital letter`,
	'y': `remove the backslash`,
	'Y': `remove the backslash`,
}

// known are the letters that have the same meaning behind a backslash in PCRE and in regexp2.
const known = "aAbBcdDeEfGknpPQrsStvVwWxzZ0123456789"

// foreignEscape returns an error for the first escape that regexp2 would take for a mere letter.
func foreignEscape(expr string) error {
	for i := 0; i+1 < len(expr); i++ {
		if expr[i] != '\\' {
			continue
		}
		i++
		c := expr[i]
		if c == 'Q' {
			end := strings.Index(expr[i:], `\E`)
			if end < 0 {
				return nil
			}
			i += end + 1
			continue
		}
		if !isWord(c) || c == '_' || strings.IndexByte(known, c) >= 0 {
			continue
		}
		a, ok := foreign[c]
		if !ok {
			a = "remove the backslash"
		}
		return &Error{Expr: expr, Offset: i - 1, Part: expr[i-1 : i+1], Reason: "unknown escape", Advice: a}
	}
	return nil
}

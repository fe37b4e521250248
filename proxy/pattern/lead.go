package pattern

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// special are the characters that mean something in an expression.
const special = `\.+*?()|[]{}^$`

// isLiteral reports whether an expression stands for itself.
func isLiteral(expr string) bool {
	return !strings.ContainsAny(expr, special) && utf8.ValidString(expr)
}

// leadOf returns what every match of a parsed expression begins with at the beginning of the text, and
// whether nothing follows.
func leadOf(tree *syntax.Regexp, fold bool) (lead string, whole bool) {
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 2 || tree.Sub[0].Op != syntax.OpBeginText {
		return "", false
	}
	lit := tree.Sub[1]
	if lit.Op != syntax.OpLiteral || (lit.Flags&syntax.FoldCase != 0) != fold {
		return "", false
	}
	n := 0
	for n < len(lit.Rune) && lit.Rune[n] < utf8.RuneSelf {
		n++
	}
	return string(lit.Rune[:n]), n == len(lit.Rune) && len(tree.Sub) == 2
}

// Lead returns the literal text that everything matching expr begins with, read off the text of the
// expression without compiling it. It is for expressions that do not compile, or not with RE2. A leading
// "^" is skipped. Alternatives at the top level have no common lead: then it is "".
func Lead(expr string) string {
	var lead []byte
	expr = strings.TrimPrefix(expr, "^")
	if hasAlternatives(expr) {
		return ""
	}
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		if c == '\\' && i+1 < len(expr) && !isWord(expr[i+1]) && expr[i+1] < utf8.RuneSelf {
			i++
			c = expr[i]
		} else if strings.IndexByte(special, c) >= 0 || c >= utf8.RuneSelf {
			if strings.IndexByte("*?{+", c) >= 0 && len(lead) > 0 {
				lead = lead[:len(lead)-1] // what it repeats may be missing
			}
			break
		}
		lead = append(lead, c)
	}
	return string(lead)
}

// hasAlternatives reports whether an expression has a "|" outside of all groups. In doubt it says yes.
func hasAlternatives(expr string) bool {
	if !strings.Contains(expr, "|") {
		return false
	}
	depth := 0
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '[':
			return true // classes have rules of their own; nobody needs them to be told apart here
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth <= 0 {
				return true
			}
		}
	}
	return false
}

// isWord reports whether c is a letter, a digit or an underscore: the characters that may change their
// meaning behind a backslash (the underscore does not, but nobody escapes it).
func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_'
}

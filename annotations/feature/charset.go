package feature

// The character classes of ingress-nginx's validators, for Reader.Matching. Its users' values were written against
// them, so a value that it refuses is refused here.

// IsBasic reports whether text has only letters, digits and - . _ ~ / :
func IsBasic(text string) bool { return only(text, "") }

// IsBasicSpace is IsBasic and the space.
func IsBasicSpace(text string) bool { return only(text, " ") }

// IsExtended is IsBasic, the comma and the space.
func IsExtended(text string) bool { return only(text, ", ") }

// IsURL is IsBasic and , ? & =
func IsURL(text string) bool { return only(text, ",?&=") }

// IsURLVariable is IsURL, the space and the dollar sign of variables.
func IsURLVariable(text string) bool { return only(text, ",?&= $") }

// IsRegexp is IsBasic and what regular expressions are written with.
func IsRegexp(text string) bool { return only(text, `^$[](){}*+?|&=\`) }

// IsCapture is IsBasic and the dollar sign of $1.
func IsCapture(text string) bool { return only(text, "$") }

// IsVariable reports whether text has only letters, digits and - _ $ { }
func IsVariable(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case alphanumeric(c), c == '-', c == '_', c == '$', c == '{', c == '}':
		default:
			return false
		}
	}
	return true
}

// only reports whether every byte of text is a basic one or among more.
func only(text, more string) bool {
next:
	for i := 0; i < len(text); i++ {
		c := text[i]
		if alphanumeric(c) {
			continue
		}
		switch c {
		case '-', '.', '_', '~', '/', ':':
			continue
		}
		for j := 0; j < len(more); j++ {
			if c == more[j] {
				continue next
			}
		}
		return false
	}
	return true
}

// alphanumeric reports whether c is an ASCII letter or digit.
func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

package wire

// Cookie returns the value of the first cookie called name, in any case, and whether there is one. It
// reads all Cookie fields in order and is as lenient as nginx's $cookie_name: pairs are separated by ";" or ",",
// spaces around "=" do not count, a value ends at the next ";" only.
func (f *Fields) Cookie(name string) (string, bool) {
	for i := range f.list {
		if f.list[i].ID != Cookie {
			continue
		}
		if v, ok := cookieIn(f.list[i].Value, name); ok {
			return v, true
		}
	}
	return "", false
}

// cookieIn looks for a cookie in one field.
func cookieIn(s, name string) (string, bool) {
	for len(s) >= len(name) {
		if EqualFold(s[:len(name)], name) {
			rest := trimSpaces(s[len(name):])
			if len(rest) > 0 && rest[0] == '=' {
				rest = trimSpaces(rest[1:])
				for i := 0; i < len(rest); i++ {
					if rest[i] == ';' {
						return rest[:i], true
					}
				}
				return rest, true
			}
		}
		i := 0
		for i < len(s) && s[i] != ';' && s[i] != ',' {
			i++
		}
		if i == len(s) {
			return "", false
		}
		s = trimSpaces(s[i+1:])
	}
	return "", false
}

// trimSpaces cuts the spaces at the beginning of s.
func trimSpaces(s string) string {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	return s
}

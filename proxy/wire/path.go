package wire

import "net/http"

// The path that is matched is nginx's $uri: percent-decoded once, runs of slashes merged, then "." and
// ".." taken as a file system would. The surprise: an encoded slash or dot counts like a plain one, so
// "/a/..%2fb" is "/b" and "/%2e%2e/" is above the root. The raw path is what is forwarded.
//
// The output grows segment by segment; segment is where the current one begins, so a segment is judged
// when its slash (or the end) comes, and ".." cuts the output back to the segment before.

// NormalizePath returns the path that is matched for a raw path without query. It returns raw itself if
// nothing has to change; otherwise the text is in a. A status other than 0 is the one to answer: 400 for a
// path that does not begin with "/", goes above the root, holds NUL or a "%" without two hex digits.
func NormalizePath(raw string, a *Arena) (path string, status int) {
	if raw == "" || raw[0] != '/' {
		return "", http.StatusBadRequest
	}
	if !needsWork(raw) {
		return raw, 0
	}
	out := append(a.Begin(), '/')
	segment := 1
	for i := 1; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return "", http.StatusBadRequest
			}
			hi, lo := unhex(raw[i+1]), unhex(raw[i+2])
			if hi > 15 || lo > 15 {
				return "", http.StatusBadRequest
			}
			c = hi<<4 | lo
			i += 2
		}
		if c == 0 {
			return "", http.StatusBadRequest
		}
		if c != '/' {
			out = append(out, c)
			continue
		}
		var ok bool
		if out, segment, ok = endSegment(out, segment, true); !ok {
			return "", http.StatusBadRequest
		}
	}
	out, _, ok := endSegment(out, segment, false)
	if !ok {
		return "", http.StatusBadRequest
	}
	return a.End(out), 0
}

// endSegment judges the segment out[segment:], which a slash or the end of the path follows, and returns
// the output and where the next segment begins. It is false for "..", if there is nothing above.
func endSegment(out []byte, segment int, slash bool) ([]byte, int, bool) {
	switch s := out[segment:]; {
	case len(s) == 0:
		return out, segment, true
	case len(s) == 1 && s[0] == '.':
		return out[:segment], segment, true
	case len(s) == 2 && s[0] == '.' && s[1] == '.':
		if segment == 1 {
			return nil, 0, false
		}
		out = out[:segment-1]
		for out[len(out)-1] != '/' {
			out = out[:len(out)-1]
		}
		return out, len(out), true
	}
	if slash {
		out = append(out, '/')
	}
	return out, len(out), true
}

// needsWork reports whether a raw path that begins with "/" may differ from what is matched. It may say
// so of one that does not ("/.well-known").
func needsWork(raw string) bool {
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '%', 0:
			return true
		case '/':
			if i+1 < len(raw) && (raw[i+1] == '/' || raw[i+1] == '.') {
				return true
			}
		}
	}
	return false
}

// unhex returns the value of a hex digit, or more than 15.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

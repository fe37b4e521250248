package wire

import "net/http"

// SetTarget parses a request target (RFC 9112 section 3.2) and fills in Target, Path and Query; for the
// absolute form also Scheme, Authority and Host, which then go before the Host field. Method must be set.
// It returns 0, or the status to answer: 405 for CONNECT, since the proxy is no tunnel, and for TRACE, which
// would show the client what was added to its request; 400 for everything malformed: white space, controls, a fragment, user
// information, a "%" without two hex digits in the path, a path above the root.
//
// The query is never looked into. Bytes above 0x7f and "\" in the path, which RFC 3986 does not have, are
// percent-encoded in Target, so that no two readers of it can disagree.
func (r *Request) SetTarget(target string, a *Arena) int {
	switch {
	case r.Method == "CONNECT" || r.Method == "TRACE":
		return http.StatusMethodNotAllowed
	case target == "":
		return http.StatusBadRequest
	case target[0] == '/':
		return r.setOrigin(target, a)
	case target == "*" && r.Method == "OPTIONS":
		r.Target, r.Path, r.Query = "*", "/", ""
		return 0
	}
	return r.setAbsolute(target, a)
}

// setOrigin is SetTarget for the origin form, "/path?query".
func (r *Request) setOrigin(target string, a *Arena) int {
	i, work, encode := 0, false, false
path:
	for ; i < len(target); i++ {
		b := target[i]
		if classes[b]&pathByte != 0 {
			continue
		}
		switch {
		case b == '/':
			if i+1 < len(target) && (target[i+1] == '/' || target[i+1] == '.') {
				work = true
			}
		case b == '?':
			break path
		case b == '%':
			work = true
		case b == '\\' || b >= 0x80:
			encode = true
		default:
			return http.StatusBadRequest
		}
	}
	raw := target[:i]
	r.Target, r.Path, r.Query = target, raw, ""
	if i < len(target) {
		r.Query = target[i+1:]
		for i++; i < len(target); i++ {
			if classes[target[i]]&queryByte == 0 {
				return http.StatusBadRequest
			}
		}
	}
	if work {
		path, status := NormalizePath(raw, a)
		if status != 0 {
			return status
		}
		r.Path = path
	}
	if encode {
		r.Target = encodePath(raw, target[len(raw):], a)
	}
	return 0
}

// encodePath percent-encodes what a path must not have and appends the rest of the target as it is.
func encodePath(raw, rest string, a *Arena) string {
	const digits = "0123456789ABCDEF"
	out := a.Begin()
	for i := 0; i < len(raw); i++ {
		if b := raw[i]; b == '\\' || b >= 0x80 {
			out = append(out, '%', digits[b>>4], digits[b&15])
		} else {
			out = append(out, b)
		}
	}
	return a.End(append(out, rest...))
}

// setAbsolute is SetTarget for the absolute form, "http://host/path?query".
func (r *Request) setAbsolute(target string, a *Arena) int {
	rest := ""
	switch {
	case len(target) > 7 && EqualFold(target[:7], "http://"):
		r.Scheme, rest = "http", target[7:]
	case len(target) > 8 && EqualFold(target[:8], "https://"):
		r.Scheme, rest = "https", target[8:]
	default:
		return http.StatusBadRequest
	}
	end := 0
	for end < len(rest) && rest[end] != '/' && rest[end] != '?' && rest[end] != '#' {
		end++
	}
	host, ok := ParseHost(rest[:end], a)
	if !ok || host == "" {
		return http.StatusBadRequest
	}
	r.Authority, r.Host = rest[:end], host
	switch origin := rest[end:]; {
	case origin == "" && r.Method == "OPTIONS": // RFC 9112 section 3.2.4
		r.Target, r.Path, r.Query = "*", "/", ""
		return 0
	case origin == "":
		r.Target, r.Path, r.Query = "/", "/", ""
		return 0
	case origin[0] == '/':
		return r.setOrigin(origin, a)
	default:
		return r.setOrigin(a.Concat("/", origin), a)
	}
}

// CleanTarget reports whether a target, which may have been rewritten, can stand in the head of a request.
func CleanTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

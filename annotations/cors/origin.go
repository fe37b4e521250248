package cors

import (
	"errors"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// origin is an allowed origin, cut at the label that "*" stands for.
type origin struct {
	// prefix ends behind "://" if the origin is a wildcard, else it is all of it.
	prefix, suffix string
	wildcard       bool
}

// errOrigin says what an origin looks like.
var errOrigin = errors.New("write scheme://host or scheme://host:port, such as https://*.example.com, or null; without a path or a slash at the end")

// parseOrigin reads "null" or scheme://[*.]host[:port].
func parseOrigin(text string) (origin, error) {
	if text == "null" {
		return origin{prefix: text}, nil
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return origin{}, errOrigin
	}
	for i := 0; i < len(scheme); i++ {
		// RFC 3986 section 3.1; browser extensions have schemes such as moz-extension.
		if c := scheme[i]; !isAlphanumeric(c) && c != '+' && c != '-' && c != '.' {
			return origin{}, errOrigin
		}
	}
	host, port, hasPort := strings.Cut(rest, ":")
	host, wildcard := strings.CutPrefix(host, "*.")
	if host == "" || hasPort && port == "" {
		return origin{}, errOrigin
	}
	for i := 0; i < len(host); i++ {
		if c := host[i]; !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return origin{}, errOrigin
		}
	}
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return origin{}, errOrigin
		}
	}
	if !wildcard {
		return origin{prefix: text}, nil
	}
	prefix := text[:len(scheme)+len("://")]
	return origin{prefix: prefix, suffix: text[len(prefix)+1:], wildcard: true}, nil
}

// matches reports whether a request's origin is this one. Case does not count; "*" is one label.
func (o *origin) matches(text string) bool {
	if !o.wildcard {
		return wire.EqualFold(text, o.prefix)
	}
	n := len(text) - len(o.suffix)
	if n <= len(o.prefix) || !wire.EqualFold(text[:len(o.prefix)], o.prefix) || !wire.EqualFold(text[n:], o.suffix) {
		return false
	}
	for i := len(o.prefix); i < n; i++ {
		if c := text[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

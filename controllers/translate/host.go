package translate

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

// maxHost is the longest host name in bytes (RFC 1035 section 2.3.4).
const maxHost = 253

// parseHost returns a host of a rule in the form in which requests are compared: lower case, without a dot
// at its end. Kubernetes allows exact names and a wildcard for the first label; underscores are let pass,
// since ingress-nginx serves them.
func parseHost(text string) (host, fault string) {
	host = strings.TrimSuffix(text, ".")
	switch {
	case len(host) > maxHost:
		return "", "longer than 253 characters"
	case host == "":
		return "", "not a host name"
	}
	rest, wildcard := strings.CutPrefix(host, "*.")
	if wildcard && rest == "" {
		return "", "a wildcard stands for one label, such as in *.example.com"
	}
	lower := true
	label := 0
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '.':
			if label == 0 {
				return "", "it has an empty label"
			}
			label = 0
			continue
		case c >= 'A' && c <= 'Z':
			lower = false
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '*':
			return "", "a wildcard can only be the whole first label, such as in *.example.com"
		case c == ':':
			return "", "a host has no port: leave it out"
		case c >= 0x80:
			return "", "not ASCII: write the punycode form (xn--…)"
		default:
			return "", "not a host name"
		}
		if label++; label > 63 {
			return "", "a label is longer than 63 characters"
		}
	}
	if label == 0 {
		return "", "it has an empty label"
	}
	if !lower {
		host = strings.ToLower(host)
	}
	return host, ""
}

// neverMatches returns why no request can match a literal path, or "". Requests are compared decoded and
// normalised.
func neverMatches(path string) string {
	switch {
	case strings.Contains(path, "//"):
		return "never matches: repeated slashes of a request are merged before it is compared"
	case hasDotSegment(path):
		return "never matches: . and .. of a request are resolved before it is compared"
	case strings.Contains(path, "%"):
		return "never matches: requests are compared percent-decoded: write the character itself"
	case strings.ContainsAny(path, "?#"):
		return "never matches: a query is not part of the path"
	}
	return ""
}

// hasDotSegment reports whether a part of a path between slashes is "." or "..".
func hasDotSegment(path string) bool {
	for rest := path; ; {
		i := strings.Index(rest, "/.")
		if i < 0 {
			return false
		}
		rest = rest[i+2:]
		if tail := strings.TrimPrefix(rest, "."); tail == "" || tail[0] == '/' {
			return true
		}
	}
}

// looksLikePattern reports whether a literal path was probably meant as a regular expression.
func looksLikePattern(path string) bool { return strings.ContainsAny(path, `*()[]{}|^$\`) }

// shownQuoted returns a value in quotes, cut and cleaned for a message.
func shownQuoted(v string) string { return `"` + shown(v) + `"` }

// shown returns a value cut and cleaned for a message.
func shown(v string) string { return strings.ToValidUTF8(feature.Shown(v), "�") }

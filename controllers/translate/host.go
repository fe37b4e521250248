package translate

import (
	"regexp"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/wire"
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

// mismatch returns why requests do not match a literal path that reads as if they did, or "". They are compared decoded and
// normalised, the path as it stands, which is nginx's way: there a request for /%61 meets a location /a, and a location /%61 is met by
// one for /%2561 alone. Hence the path is not normalised: its Ingress would take requests from another one that it left to it so far.
func mismatch(path string) string {
	switch {
	case strings.Contains(path, "//"):
		return "never matches: repeated slashes of a request are merged before it is compared"
	case hasDotSegment(path):
		return "never matches: . and .. of a request are resolved before it is compared"
	case escape.MatchString(path):
		const why = "matches no request for it: requests are percent-decoded before they are compared, as in ingress-nginx"
		if decoded, status := wire.NormalizePath(path, new(wire.Arena)); status == 0 && mismatch(decoded) == "" {
			return why + ": write " + shownQuoted(decoded)
		}
		return why
	case strings.ContainsAny(path, "?#"):
		return "never matches: a query is not part of the path"
	}
	return ""
}

// escape finds the percent-encoding of a byte. A lone percent sign stands for itself.
var escape = regexp.MustCompile("%[0-9a-fA-F]{2}")

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

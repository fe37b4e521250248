package jwt

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// skew is how far the issuer's clock may be off.
	skew = time.Minute
	// maxTime is the last second of the year 9999. Whoever names a later one has counted milliseconds.
	maxTime = 253402300799
)

// claims are what a token says about whoever holds it.
type claims map[string]any

// readClaims reads the claims of a token.
func readClaims(payload string) (claims, error) {
	text, ok := decode(payload)
	if !ok {
		return nil, errToken
	}
	c, err := readObject(text)
	if err != nil {
		return nil, errToken
	}
	return c, nil
}

// check looks at the claims of RFC 7519 section 4.1: from the issuer, for one of the audiences if any are named, begun and not ended. It
// returns when the token ends, which it must: one that never does could never be taken back.
func (c claims) check(issuer string, audiences []string, now time.Time) (end time.Time, err error) {
	if iss, _ := c["iss"].(string); iss != issuer {
		return end, errToken
	}
	if !c.meantFor(audiences) {
		return end, errToken
	}
	if sub, has := c["sub"]; has {
		if _, ok := sub.(string); !ok {
			return end, errToken
		}
	}
	end, ok := c.instant("exp")
	if end = end.Add(skew); !ok || !now.Before(end) {
		return end, errToken
	}
	if _, has := c["nbf"]; has {
		if begin, ok := c.instant("nbf"); !ok || now.Before(begin.Add(-skew)) {
			return end, errToken
		}
	}
	return end, nil
}

// meantFor reports whether the audience, one or several, is well written and has one of these; any will do for none.
func (c claims) meantFor(audiences []string) bool {
	aud, has := c["aud"]
	if !has {
		return len(audiences) == 0
	}
	list, ok := aud.([]any)
	if !ok {
		list = []any{aud}
	}
	found := len(audiences) == 0
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return false
		}
		found = found || slices.Contains(audiences, text)
	}
	return found
}

// instant reads a NumericDate: seconds, perhaps with a fraction, which does not count.
func (c claims) instant(name string) (time.Time, bool) {
	n, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := n.Float64()
	if err != nil || seconds < 0 || seconds > maxTime {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// find returns a claim by its name; or, if there is none of that name, one in an object by the names on the way, joined by dots.
func (c claims) find(path string) any {
	if v, ok := c[path]; ok {
		return v
	}
	for i := 0; i < len(path); i++ {
		if path[i] == '.' {
			if below, ok := c[path[:i]].(map[string]any); ok {
				if v := claims(below).find(path[i+1:]); v != nil {
					return v
				}
			}
		}
	}
	return nil
}

// text returns a claim as the value of a field: a text, a number, true or false, or a list of those with commas between. It is "" for all else, and
// for what a Service could take for something other than the issuer wrote: control characters, spaces at the ends, commas within a list.
func (c claims) text(path string) string {
	value := c.find(path)
	list, ok := value.([]any)
	if !ok {
		text, _ := scalar(value)
		return presentable(text)
	}
	parts := make([]string, len(list))
	for i, v := range list {
		if parts[i], ok = scalar(v); !ok || parts[i] == "" || presentable(parts[i]) == "" || strings.IndexByte(parts[i], ',') >= 0 {
			return ""
		}
	}
	return presentable(strings.Join(parts, ","))
}

// presentable returns a text that can be the value of a field as it is, or "".
func presentable(text string) string {
	if !wire.TrimmedValue(text) {
		return ""
	}
	return text
}

// scalar returns a text, a number or a truth value as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

// spaced are the claims whose text is a list with spaces between (RFC 8693 section 4.2, and what issuers call it).
var spaced = []string{"scope", "scp", "permission"}

// meets reports whether a claim is, or as a list holds, one of the values of a requirement.
func (c claims) meets(r Requirement) bool {
	value := c.find(r.Claim)
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, v := range list {
		text, ok := scalar(v)
		if !ok {
			continue
		}
		if slices.Contains(r.Values, text) {
			return true
		}
		if slices.Contains(spaced, r.Claim) && slices.ContainsFunc(strings.Split(text, " "), func(s string) bool { return slices.Contains(r.Values, s) }) {
			return true
		}
	}
	return false
}

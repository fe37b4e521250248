package basicauth

import (
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// maxAnswerBytes is the longest Authorization field that is looked at.
const maxAnswerBytes = 16 << 10

// answer is what a client says to a challenge (RFC 7616 section 3.4). Its texts are valid as long as the exchange.
type answer struct {
	username, realm, nonce, uri, response, cnonce, nc string
	count                                             uint32
}

// digestAnswer reads the answer that a request carries. Several Authorization fields are none, as is one that leaves out, repeats or
// changes what was asked for: the algorithm MD5 and the protection "auth".
func digestAnswer(x *filter.Exchange) (a answer, ok bool) {
	var value string
	for i := range x.Request.Fields.Len() {
		f := x.Request.Fields.At(i)
		if f.ID != wire.Authorization {
			continue
		}
		if ok {
			return answer{}, false
		}
		value, ok = f.Value, true
	}
	const scheme = "digest "
	if len(value) <= len(scheme) || len(value) > maxAnswerBytes || !wire.EqualFold(value[:len(scheme)], scheme) {
		return answer{}, false
	}
	return parseAnswer(value[len(scheme):], &x.Arena)
}

// The parameters of an answer, a bit for each.
const (
	hasUsername = 1 << iota
	hasRealm
	hasNonce
	hasURI
	hasResponse
	hasCnonce
	hasCount
	hasQop
	hasAlgorithm

	required = hasUsername | hasRealm | hasNonce | hasURI | hasResponse | hasCnonce | hasCount | hasQop
)

// parseAnswer reads what stands behind "Digest".
func parseAnswer(text string, arena *wire.Arena) (a answer, ok bool) {
	seen := 0
	for {
		text = strings.TrimLeft(text, " \t,")
		if text == "" {
			break
		}
		var name, value string
		if name, value, text, ok = cutParameter(text, arena); !ok {
			return answer{}, false
		}
		bit, good := a.enter(name, value)
		if !good || seen&bit != 0 {
			return answer{}, false
		}
		seen |= bit
	}
	return a, seen&required == required
}

// enter enters a parameter, and returns its bit, or 0 for one that does not matter.
func (a *answer) enter(name, value string) (bit int, ok bool) {
	switch {
	case wire.EqualFold(name, "username"):
		a.username = value
		return hasUsername, true
	case wire.EqualFold(name, "realm"):
		a.realm = value
		return hasRealm, true
	case wire.EqualFold(name, "nonce"):
		a.nonce = value
		return hasNonce, true
	case wire.EqualFold(name, "uri"):
		a.uri = value
		return hasURI, true
	case wire.EqualFold(name, "response"):
		a.response = value
		return hasResponse, len(value) == ha1Bytes
	case wire.EqualFold(name, "cnonce"):
		a.cnonce = value
		return hasCnonce, value != ""
	case wire.EqualFold(name, "nc"):
		n, err := strconv.ParseUint(value, 16, 32)
		a.nc, a.count = value, uint32(n)
		return hasCount, err == nil && len(value) == 8 && n > 0
	case wire.EqualFold(name, "qop"):
		return hasQop, value == "auth"
	case wire.EqualFold(name, "algorithm"):
		return hasAlgorithm, wire.EqualFold(value, "MD5")
	case wire.EqualFold(name, "userhash"):
		return 0, wire.EqualFold(value, "false")
	}
	return 0, true
}

// cutParameter cuts a name, "=" and a token or a quoted-string off the start of text; behind it comes a comma or the end.
func cutParameter(text string, arena *wire.Arena) (name, value, rest string, ok bool) {
	name, rest, ok = strings.Cut(text, "=")
	name = strings.TrimRight(name, " \t")
	if !ok || !wire.IsToken(name) {
		return "", "", "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	if strings.HasPrefix(rest, `"`) {
		value, rest, ok = cutQuoted(rest[1:], arena)
	} else {
		end := strings.IndexAny(rest, ", \t")
		if end < 0 {
			end = len(rest)
		}
		value, rest = rest[:end], rest[end:]
		ok = wire.IsToken(value)
	}
	rest = strings.TrimLeft(rest, " \t")
	return name, value, rest, ok && (rest == "" || rest[0] == ',')
}

// cutQuoted cuts off a quoted-string whose first quote is gone already.
func cutQuoted(text string, arena *wire.Arena) (value, rest string, ok bool) {
	end := strings.IndexAny(text, `"\`)
	switch {
	case end < 0:
		return "", "", false
	case text[end] == '"':
		return text[:end], text[end+1:], true
	}
	b := append(arena.Begin(), text[:end]...)
	for i := end; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return arena.End(b), text[i+1:], true
		case c == '\\':
			if i++; i == len(text) {
				return "", "", false
			}
			b = append(b, text[i])
		default:
			b = append(b, c)
		}
	}
	return "", "", false
}

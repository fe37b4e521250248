package proxyredirect

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
)

const (
	redirectFrom = "proxy-redirect-from"
	redirectTo   = "proxy-redirect-to"
	cookieDomain = "proxy-cookie-domain"
	cookiePath   = "proxy-cookie-path"
)

// Family is the rewriting of Location, Refresh and Set-Cookie.
var Family = feature.Family{
	Name: "proxyredirect",
	Doc:  "What is changed in Location, Refresh and Set-Cookie of responses.",
	Keys: []feature.Key{
		{
			Name: redirectFrom, Global: redirectFrom, Type: "URL prefix, off or default", Default: "off", Risk: feature.Medium,
			Doc:  "The prefix of Location and Refresh that is replaced by proxy-redirect-to.",
			Note: "default, which in nginx replaces a name that only nginx itself uses for the endpoints, changes nothing. " + wider,
		},
		{
			Name: redirectTo, Global: redirectTo, Type: "URL prefix or off", Default: "off", Risk: feature.Medium,
			Doc:  "What stands there instead.",
			Note: wider,
		},
		{
			Name: cookieDomain, Global: cookieDomain, Type: `off, or "from to"`, Default: "off", Risk: feature.Medium,
			Doc:  "Replaces a Domain in Set-Cookie by another.",
			Note: wider,
		},
		{
			Name: cookiePath, Global: cookiePath, Type: `off, or "from to"`, Default: "off", Risk: feature.Medium,
			Doc:  "Replaces the beginning of a Path in Set-Cookie by another.",
			Note: wider,
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		from := in.Matching(redirectFrom, isFrom, "one word: a prefix, or a regular expression behind ~ or ~*")
		to := in.Matching(redirectTo, isTo, "one word, with variables that there are")
		if from != "off" && from != "default" && to != "off" {
			out.Policy.RedirectFrom, out.Policy.RedirectTo = from, to
		}
		out.Policy.CookieDomain = pair(in, cookieDomain)
		out.Policy.CookiePath = pair(in, cookiePath)
	},
}

// wider says what all keys of the family share.
const wider = "Regular expressions (~, ~*) with $1 to $9, and variables, work as in ingress-nginx without annotation validation."

// pair reads "off" as "" and two words as "from to".
func pair(in *feature.Reader, name string) string {
	v := in.Matching(name, isPair, `off, or two words "from to"; from may be a regular expression behind ~ or ~*`)
	if v == "off" {
		return ""
	}
	return strings.Join(strings.Fields(v), " ")
}

// isPair reports whether a value is "off" or two words that can be compiled.
func isPair(v string) bool {
	words := strings.Fields(v)
	return v == "off" || len(words) == 2 && isFrom(words[0]) && isTo(words[1])
}

// maxWord is the longest word that is looked at, in bytes.
const maxWord = 4096

// isWord reports whether a value has only printable characters and no space, which nginx would take for the end of it.
func isWord(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] <= ' ' || v[i] == 0x7f {
			return false
		}
	}
	return v != "" && len(v) <= maxWord
}

// isFrom reports whether a value can be looked for: a word, or a regular expression that compiles.
func isFrom(v string) bool {
	expr, ok := strings.CutPrefix(v, "~")
	if !isWord(v) || !ok {
		return isWord(v)
	}
	expr, fold := strings.CutPrefix(expr, "*")
	_, err := pattern.Compile(expr, fold)
	return err == nil
}

// isTo reports whether a value can stand for what was found: a word whose variables there are. $1 to $9 are captures.
func isTo(v string) bool {
	if !isWord(v) {
		return false
	}
	text := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '$' && i+1 < len(v) && v[i+1] >= '1' && v[i+1] <= '9' {
			i++
			continue
		}
		text = append(text, v[i])
	}
	_, err := variable.Compile(string(text))
	return err == nil
}

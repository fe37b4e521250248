package proxyredirect

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
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
			Doc: "The prefix of Location and Refresh that is replaced by proxy-redirect-to.",
			Note: "default, which in nginx replaces a name that only nginx itself uses for the endpoints, changes nothing. " +
				"Regular expressions are not taken.",
		},
		{
			Name: redirectTo, Global: redirectTo, Type: "URL prefix or off", Default: "off", Risk: feature.Medium,
			Doc: "What stands there instead.",
		},
		{
			Name: cookieDomain, Global: cookieDomain, Type: `off, or "from to"`, Default: "off", Risk: feature.Medium,
			Doc: "Replaces a Domain in Set-Cookie by another.",
		},
		{
			Name: cookiePath, Global: cookiePath, Type: `off, or "from to"`, Default: "off", Risk: feature.Medium,
			Doc: "Replaces the beginning of a Path in Set-Cookie by another.",
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		from := in.Matching(redirectFrom, isPrefix, "a URL without variables")
		to := in.Matching(redirectTo, isPrefix, "a URL without variables")
		if from != "off" && from != "default" && to != "off" {
			out.Policy.RedirectFrom, out.Policy.RedirectTo = from, to
		}
		out.Policy.CookieDomain = pair(in, cookieDomain)
		out.Policy.CookiePath = pair(in, cookiePath)
	},
}

// isPrefix reports whether a value is one word of the characters that URLs have.
func isPrefix(v string) bool { return feature.IsURL(v) && !strings.HasPrefix(v, "~") }

// pair reads "off" as "" and two words as "from to".
func pair(in *feature.Reader, name string) string {
	v := in.Matching(name, isPair, `off, or two words "from to" without variables and regular expressions`)
	if v == "off" {
		return ""
	}
	return strings.Join(strings.Fields(v), " ")
}

// isPair reports whether a value is "off" or two words.
func isPair(v string) bool {
	if v == "off" {
		return true
	}
	if words := strings.Fields(v); len(words) != 2 || strings.HasPrefix(words[0], "~") {
		return false
	}
	return feature.IsURL(strings.ReplaceAll(v, " ", ""))
}

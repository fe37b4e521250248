package cors

import (
	"math"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

// Family declares cross-origin resource sharing. Its fields are set last, so that nothing else can change them.
var Family = feature.Family{
	Name:  "cors",
	Doc:   "Lets scripts from other origins use what an Ingress serves (cross-origin resource sharing).",
	Order: -20,
	Keys: []feature.Key{
		{
			Name: "enable-cors", Type: "bool", Default: "false",
			Doc: "Adds the Access-Control fields to responses and answers preflight requests with 204.",
		},
		{
			Name: "cors-allow-origin", Type: "list of origins, null or *", Default: "*", Risk: feature.Medium,
			Doc: "The origins that are allowed, as scheme://host or scheme://host:port; the host may begin with *. for exactly one label.",
			Note: "Origins that cannot be understood are left out of the list one by one; only if none remains all origins are allowed. " +
				"The whole origin is compared, not its end. Responses that depend on the origin say so in Vary.",
		},
		{
			Name: "cors-allow-methods", Type: "list of methods", Default: "GET, PUT, POST, DELETE, PATCH, OPTIONS", Risk: feature.Medium,
			Doc: "The value of Access-Control-Allow-Methods.",
		},
		{
			Name: "cors-allow-headers", Type: "list of header names", Risk: feature.Medium,
			Default: "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
			Doc:     "The value of Access-Control-Allow-Headers.",
		},
		{
			Name: "cors-expose-headers", Type: "list of header names, or *", Risk: feature.Medium,
			Doc: "The value of Access-Control-Expose-Headers, if any.",
		},
		{
			Name: "cors-allow-credentials", Type: "bool", Default: "true",
			Doc: "Adds Access-Control-Allow-Credentials: true.",
		},
		{
			Name: "cors-max-age", Type: "seconds", Default: "1728000",
			Doc: "The value of Access-Control-Max-Age: how long browsers may keep the answer to a preflight.",
		},
	},
	Apply: apply,
}

// apply reads what other origins may do.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.Bool("enable-cors") {
		return
	}
	out.AddFilter(Spec{
		Origins:     origins(in),
		Methods:     in.Matching("cors-allow-methods", isMethods, "a list of methods such as GET, POST"),
		Headers:     in.Matching("cors-allow-headers", isNames, "a list of header names separated by commas"),
		Expose:      in.Matching("cors-expose-headers", isNamesOrAll, "a list of header names separated by commas, or *"),
		Credentials: in.Bool("cors-allow-credentials"),
		MaxAge:      in.Int("cors-max-age", math.MinInt32, math.MaxInt32),
	})
}

// origins returns the allowed origins, joined by commas, or "*".
func origins(in *feature.Reader) string {
	var list []string
	for _, o := range in.List("cors-allow-origin") {
		if o == "*" {
			return "*"
		}
		if _, err := parseOrigin(o); err != nil {
			in.Warn("cors-allow-origin", "origin %q: %v", feature.Shown(o), err)
			continue
		}
		list = append(list, o)
	}
	if len(list) == 0 {
		in.Refuse("cors-allow-origin", "no origin in it can be understood, so all are allowed, as in ingress-nginx")
		return "*"
	}
	return strings.Join(list, ",")
}

// isMethods reports whether text is a list of methods, spaced as people like.
func isMethods(text string) bool {
	return each(text, func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' })
}

// isNames reports whether text is a list of field names.
func isNames(text string) bool {
	return each(text, func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	})
}

// isNamesOrAll is isNames with "*" as a name.
func isNamesOrAll(text string) bool { return isNames(strings.ReplaceAll(text, "*", "a")) }

// each reports whether every byte of text is allowed, a comma or a space.
func each(text string, allowed func(byte) bool) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c != ',' && c != ' ' && !allowed(c) {
			return false
		}
	}
	return true
}

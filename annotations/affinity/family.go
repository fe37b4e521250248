package affinity

import (
	"strconv"

	"github.com/yettproxy/yett/annotations/feature"
)

// Family declares cookie affinity.
var Family = feature.Family{
	Name: "affinity",
	Doc:  "Keeps clients on the endpoint they got first, by a cookie.",
	Keys: []feature.Key{
		{
			Name: "affinity", Type: "cookie",
			Doc: "Turns affinity on. It goes before upstream-hash-by and load-balance.",
		},
		{
			Name: "affinity-mode", Type: "balanced or persistent", Default: "balanced", Risk: feature.Medium,
			Doc: "balanced moves some clients when endpoints are added, persistent none as long as their endpoint is there.",
		},
		{
			Name: "affinity-canary-behavior", Type: "sticky or legacy", Default: "sticky",
			Doc: "On a canary: sticky keeps its clients with it by the cookie of the main Ingress, legacy leaves them to the rules.",
		},
		{
			Name: "session-cookie-name", Type: "cookie name", Default: "INGRESSCOOKIE", Risk: feature.Medium,
			Doc: "The name of the cookie.",
		},
		{
			Name: "session-cookie-path", Type: "path", Risk: feature.Medium,
			Doc: "The Path of the cookie; without it the path of the rule, which says little if it is a regular expression.",
		},
		{
			Name: "session-cookie-domain", Type: "host name", Risk: feature.Medium,
			Doc: "The Domain of the cookie.",
		},
		{
			Name: "session-cookie-expires", Type: "seconds", Risk: feature.Medium,
			Doc: "Expires of the cookie, so many seconds after it was issued.",
		},
		{
			Name: "session-cookie-max-age", Type: "seconds", Risk: feature.Medium,
			Doc: "Max-Age of the cookie.",
		},
		{
			Name: "session-cookie-samesite", Type: "None, Lax or Strict",
			Doc:  "SameSite of the cookie.",
			Note: "Written as None, Lax or Strict however it is spelled.",
		},
		{
			Name: "session-cookie-conditional-samesite-none", Type: "bool", Default: "false",
			Doc: "Leaves SameSite=None out for browsers that are known to misunderstand it.",
		},
		{
			Name: "session-cookie-secure", Type: "bool", Default: "false",
			Doc: "Marks the cookie as Secure always, not only on https.",
		},
		{
			Name: "session-cookie-partitioned", Type: "bool", Default: "false",
			Doc:  "Marks the cookie as Partitioned: inside frames of other sites browsers keep one for each such site.",
			Note: "Only together with Secure, without which browsers refuse the cookie.",
		},
		{
			Name: "session-cookie-change-on-failure", Type: "bool", Default: "false",
			Doc: "Moves the client to another endpoint when its own fails, and rewrites the cookie.",
		},
	},
	Apply: apply,
}

// apply reads affinity. affinity-canary-behavior counts on a canary even without affinity.
func apply(in *feature.Reader, out *feature.Intent) {
	a := &out.Balance.Affinity
	a.Legacy = in.Enum("affinity-canary-behavior", "sticky", "legacy") == "legacy"
	if in.Enum("affinity", "cookie") == "" {
		return
	}
	const basic = "only letters, digits and - . _ ~ / :"
	a.Name = in.Matching("session-cookie-name", feature.IsBasic, basic)
	a.Persistent = in.Enum("affinity-mode", "balanced", "persistent") == "persistent"
	a.Path = in.Matching("session-cookie-path", feature.IsURL, "only letters, digits and - . _ ~ / : , ? & =")
	a.Domain = in.Matching("session-cookie-domain", feature.IsBasic, basic)
	a.Expires = in.Matching("session-cookie-expires", isSeconds, "a whole number of seconds without unit")
	a.MaxAge = in.Matching("session-cookie-max-age", isSeconds, "a whole number of seconds without unit")
	a.SameSite = in.Enum("session-cookie-samesite", "None", "Lax", "Strict")
	a.ConditionalNone = in.Bool("session-cookie-conditional-samesite-none")
	a.Secure = in.Bool("session-cookie-secure")
	a.Partitioned = in.Bool("session-cookie-partitioned")
	a.ChangeOnFailure = in.Bool("session-cookie-change-on-failure")
}

// isSeconds reports whether text is a number of seconds that fits into 32 bits, which is what browsers
// take. Negative ones make a cookie that is dead at once.
func isSeconds(text string) bool {
	if text == "" || text[0] == '+' {
		return false
	}
	_, err := strconv.ParseInt(text, 10, 32)
	return err == nil
}

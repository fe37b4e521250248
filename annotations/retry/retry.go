package retry

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

const (
	conditions    = "proxy-next-upstream"
	timeLimit     = "proxy-next-upstream-timeout"
	tries         = "proxy-next-upstream-tries"
	nonIdempotent = "retry-non-idempotent"
)

// Family is when, how often and how long other endpoints are tried.
var Family = feature.Family{
	Name: "retry",
	Doc:  "When another endpoint is tried.",
	Keys: []feature.Key{
		{
			Name: conditions, Global: conditions, Default: "error timeout", Risk: feature.Medium,
			Type: "list of error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, http_429, " +
				"non_idempotent, off",
			Doc: "The failures after which the request goes to the next endpoint. POST, LOCK and PATCH are not repeated once " +
				"bytes were sent, unless non_idempotent is listed.",
		},
		{
			Name: timeLimit, Global: timeLimit, Type: "seconds", Default: "0",
			Doc: "The limit for all tries together; 0 for none.",
		},
		{
			Name: tries, Global: tries, Type: "number", Default: "3",
			Doc:  "The number of tries, the first included; 0 for as many as there are endpoints.",
			Note: "8 is the most, also where nginx has no limit.",
		},
	},
	Settings: []feature.Key{{
		Name: nonIdempotent, Type: "bool", Default: "false",
		Doc: "Repeats POST, LOCK and PATCH too, everywhere.",
	}},
	Apply: apply,
}

// apply reads the family's keys.
func apply(in *feature.Reader, out *feature.Intent) {
	retry := ir.Retry{Timeout: in.Seconds(timeLimit), Tries: min(in.Int(tries, 0, 1000), filter.MaxAttempts)}
	on := in.Matching(conditions, func(v string) bool { _, ok := parse(v); return ok }, "a list of conditions such as error timeout http_502")
	retry.On, _ = parse(on)
	if in.Bool(nonIdempotent) && retry.On != 0 {
		retry.On |= ir.RetryNonIdempotent
	}
	if retry.On&^ir.RetryNonIdempotent == 0 {
		retry.On, retry.Tries = 0, 1
	}
	out.Policy.Retry = retry
}

// parse reads a list of conditions. "off" anywhere in it switches retries off, as in nginx.
func parse(list string) (on ir.RetryOn, ok bool) {
	off := false
	for word := range strings.FieldsSeq(list) {
		c, known := condition(word)
		if !known && word != "off" {
			return 0, false
		}
		on |= c
		off = off || word == "off"
	}
	if off {
		return 0, true
	}
	return on, list != ""
}

// condition returns the condition of a word.
func condition(word string) (ir.RetryOn, bool) {
	switch word {
	case "error":
		return ir.RetryError, true
	case "timeout":
		return ir.RetryTimeout, true
	case "invalid_header":
		return ir.RetryInvalidHeader, true
	case "http_403":
		return ir.Retry403, true
	case "http_404":
		return ir.Retry404, true
	case "http_429":
		return ir.Retry429, true
	case "http_500":
		return ir.Retry500, true
	case "http_502":
		return ir.Retry502, true
	case "http_503":
		return ir.Retry503, true
	case "http_504":
		return ir.Retry504, true
	case "non_idempotent":
		return ir.RetryNonIdempotent, true
	}
	return 0, false
}

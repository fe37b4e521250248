package canary

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// Family declares canary and canary-*.
var Family = feature.Family{
	Name: "canary",
	Doc:  "Sends a part of the requests for the same host and path to another Service.",
	Keys: []feature.Key{
		{
			Name: "canary", Type: "bool", Default: "false",
			Doc: "Makes the Ingress a canary: it owns no path of its own, but takes requests from the Ingress that has the same host, path and path type.",
		},
		{
			Name: "canary-weight", Type: "number", Default: "0",
			Doc: "The share of requests, out of canary-weight-total, that go to the canary if no header and no cookie decides.",
		},
		{
			Name: "canary-weight-total", Type: "number, 100 or more", Default: "100",
			Doc: "What canary-weight is a share of. Totals below 100 count as 100.",
		},
		{
			Name: "canary-by-header", Type: "header name", Risk: feature.Medium,
			Doc: "The request header that decides: always means the canary, never the main Service, anything else is left to the next rule.",
		},
		{
			Name: "canary-by-header-value", Type: "text", Risk: feature.Medium,
			Doc: "The value of canary-by-header that means the canary, compared exactly; always and never lose their meaning.",
		},
		{
			Name: "canary-by-header-pattern", Type: "regular expression", Risk: feature.Medium,
			Doc: "The regular expression that, found in the value of canary-by-header, means the canary; only without canary-by-header-value.",
		},
		{
			Name: "canary-by-cookie", Type: "cookie name", Risk: feature.Medium,
			Doc: "The cookie that decides if the header does not: always means the canary, never the main Service.",
		},
	},
	Apply: apply,
}

// basic is what ingress-nginx allows in most of the values.
const basic = "only letters, digits and - . _ ~ / :"

// rules are the keys that mean something only in a canary.
var rules = []string{
	"canary-weight", "canary-weight-total", "canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie",
}

// maxWeight bounds weights, so that sums of them cannot overflow.
const maxWeight = 1 << 30

// apply reads the rules of a canary. Rules without canary: "true" make ingress-nginx treat the Ingress as
// an ordinary one without a word; we say so.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.Bool("canary") {
		for _, name := range rules {
			if in.HasAnnotation(name) {
				in.Warn(name, "this Ingress is no canary, so it is served as an ordinary one: add canary: \"true\", or remove the key")
			}
		}
		return
	}
	c := &ir.Canary{
		Weight:        in.Int("canary-weight", 0, maxWeight),
		Total:         total(in),
		Header:        fieldName(in.Matching("canary-by-header", feature.IsBasic, basic)),
		HeaderValue:   in.Matching("canary-by-header-value", feature.IsBasic, basic),
		HeaderPattern: in.Matching("canary-by-header-pattern", feature.IsRegexp, "only letters, digits and what regular expressions are written with"),
		Cookie:        in.Matching("canary-by-cookie", feature.IsBasic, basic),
	}
	if c.HeaderPattern != "" {
		// The pattern stays: ingress-nginx sends what carries the header to the main Service then, and does
		// not ask cookie and weight.
		if _, err := pattern.Compile(c.HeaderPattern, false); err != nil {
			in.Refuse("canary-by-header-pattern", "requests with the header go to the main Service: %v", err)
		}
	}
	for _, name := range []string{"canary-by-header-value", "canary-by-header-pattern"} {
		if c.Header == "" && in.HasAnnotation(name) {
			in.Warn(name, "it does nothing without canary-by-header: name the header there")
		}
	}
	out.Canary = c
}

// total returns canary-weight-total; what is below 100 is ignored.
func total(in *feature.Reader) int {
	n := in.Int("canary-weight-total", 0, maxWeight)
	if n < 100 {
		in.Warn("canary-weight-total", "totals below 100 count as 100: write the weight as a share of 100 or more")
		return 100
	}
	return n
}

// fieldName returns a header name as it stands on the wire. nginx takes it for a variable's name, in
// which "_" stands for "-".
func fieldName(name string) string { return strings.ReplaceAll(name, "_", "-") }

package customerrors

import (
	"strconv"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Family declares custom-http-errors and the key that switches it off.
var Family = feature.Family{
	Name: "customerrors",
	Doc:  "Lets another Service answer instead of errors.",
	Keys: []feature.Key{
		{
			Name: "custom-http-errors", Type: "list of statuses", Global: "custom-http-errors",
			Doc: "When the Service answers with one of these statuses, or cannot be reached and 502, 503 or 504 is one of them, the Service of default-backend, " +
				"else the one of --default-backend-service, is asked for / instead, with X-Code, X-Format, X-Original-URI, X-Namespace, X-Ingress-Name, X-Service-Name and X-Service-Port. " +
				"Its answer, status included, is the client's. The annotation takes 400 to 599 and replaces the ConfigMap's list, which takes 300 to 599.",
			Note: "What Yett itself answers to protect the Service (401, 403, 413, 429 and the like) keeps its own page, so that an error page can never open what is guarded. " +
				"The request's body is not sent to the error page's Service.",
		},
		{
			Name: "disable-proxy-intercept-errors", Type: "bool", Default: "false", Global: "disable-proxy-intercept-errors",
			Doc: "Switches custom-http-errors off.",
		},
	},
	Apply: apply,
}

// apply reads the statuses.
func apply(in *feature.Reader, out *feature.Intent) {
	if in.Bool("disable-proxy-intercept-errors") {
		return
	}
	low := ir.LowestStatus
	if in.HasAnnotation("custom-http-errors") {
		low = 400
	}
	var set ir.Statuses
	for _, text := range in.List("custom-http-errors") {
		status, err := strconv.Atoi(text)
		if err != nil || status < low || status > ir.HighestStatus {
			in.Refuse("custom-http-errors", "%s is no status between %d and %d: write a list such as 404,503", feature.Shown(text), low, ir.HighestStatus)
			return
		}
		set.Add(status)
	}
	out.Errors = set
}

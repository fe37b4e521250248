package mirror

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/variable"
)

const (
	targetKey = "mirror-target"
	bodyKey   = "mirror-request-body"
	hostKey   = "mirror-host"
)

// Family declares the keys.
var Family = feature.Family{
	Name:  "mirror",
	Doc:   "Copies of requests for another service.",
	Order: 90, // nginx mirrors what everything else has let pass
	Keys: []feature.Key{
		{
			Name: targetKey, Type: "URL with variables", Default: "", Risk: feature.High,
			Doc: "Where a copy of each request goes, such as https://test.env.com$request_uri. Its answer is thrown away.",
			Note: "The client never waits for a copy. A copy is sent when the Service gets the request and its body is whole. It has the fields that the Service " +
				"gets, X-Forwarded-* and X-Original-URI included; in nginx only those that the client sent. No copy is sent of a body over 1 MiB, while an Ingress has " +
				"100 under way, or while 2000 copies or 64 MiB of bodies are under way in all; yett_mirrored_requests_total counts them. A copy may take 60 seconds. " +
				"A target without a path gets the client's URI, and $uri is the client's; in nginx both are an internal path. Certificates of targets are verified. Loopback and " +
				"link-local addresses are refused, and so are variables in the host that clients can choose.",
		},
		{
			Name: bodyKey, Type: "on or off", Default: "on",
			Doc:  "Whether the copy has the body.",
			Note: "Without it the copy has no Content-Length either; in nginx it keeps that of the body that does not come, so that the target waits for it.",
		},
		{
			Name: hostKey, Type: "host name with variables", Risk: feature.High,
			Doc: "The Host of the copy; by default the host of the target, without its port.",
		},
	},
	Apply: apply,
}

// apply adds the filter. Nothing that is wrong here keeps requests from the Service.
func apply(in *feature.Reader, out *feature.Intent) {
	target := readTarget(in)
	if target == "" {
		return
	}
	host := in.Matching(hostKey, feature.IsRegexp, "a host name, which may hold variables")
	if _, err := variable.Compile(host); err != nil {
		in.Refuse(hostKey, "%v", err)
		host = ""
	}
	out.AddFilter(Spec{Target: target, Host: host, WithoutBody: !in.OnOff(bodyKey)})
}

// readTarget returns mirror-target, or "" if there is none that copies can be sent to.
func readTarget(in *feature.Reader) string {
	text := in.String(targetKey)
	if text == "" {
		return ""
	}
	if !remote.IsText(text) {
		in.Refuse(targetKey, "it holds a character that no URL has: encode it as %%HH")
		return ""
	}
	if _, err := variable.Compile(text); err != nil {
		in.Refuse(targetKey, "%v", err)
		return ""
	}
	if err := remote.Check(text); err != nil {
		in.Refuse(targetKey, "%v", err)
		return ""
	}
	return text
}

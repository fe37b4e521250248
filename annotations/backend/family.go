package backend

import "github.com/yettproxy/yett/annotations/feature"

// Family declares what stands behind routes.
var Family = feature.Family{
	Name: "backend",
	Doc:  "Says which Service answers, and by which of its addresses.",
	Keys: []feature.Key{
		{
			Name: "service-upstream", Type: "bool", Default: "false", Global: "service-upstream",
			Doc: "Sends requests to the address of the Service instead of its endpoints, for meshes and kube-proxy to balance.",
		},
		{
			Name: "default-backend", Type: "name of a Service of the same namespace",
			Doc: "The Service that answers, by its first port, while the one of the rule has no ready endpoint.",
		},
	},
	Apply: apply,
}

// apply reads what stands behind the routes of an Ingress.
func apply(in *feature.Reader, out *feature.Intent) {
	out.ServiceUpstream = in.Bool("service-upstream")
	name := in.Matching("default-backend", isService, "the name of a Service in the namespace of the Ingress")
	if name == "" {
		return
	}
	if !in.Objects().HasService(in.Namespace(), name) {
		in.Lack("default-backend", "there is no Service %s/%s: create it", in.Namespace(), name)
		return
	}
	out.DefaultBackend = name
}

// isService reports whether text is nothing, or a DNS label as Services are named (RFC 1035).
func isService(text string) bool {
	if text == "" {
		return true
	}
	if len(text) > 63 || text[0] < 'a' || text[0] > 'z' || text[len(text)-1] == '-' {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

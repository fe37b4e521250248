package passthrough

import "github.com/yettproxy/yett/annotations/feature"

// Family declares ssl-passthrough.
var Family = feature.Family{
	Name: "passthrough",
	Doc:  "Hands TLS connections to the Service unopened.",
	Keys: []feature.Key{
		{
			Name: "ssl-passthrough", Type: "bool", Default: "false",
			Doc: "Hands TLS connections for the hosts of the Ingress, by the name in their ClientHello, to the Service of the path / unopened. " +
				"The controller must run with --enable-ssl-passthrough. All other annotations act on plain http alone then.",
			Note: "Connections go to the endpoints, not to the address of the Service. Wildcard hosts and aliases are passed through, too. An Ingress in " +
				"another namespace than the oldest of the host cannot have the host's connections.",
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) { out.Host.Passthrough = in.Bool("ssl-passthrough") },
}

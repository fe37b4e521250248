package protocol

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

const (
	backendProtocol = "backend-protocol"
	httpVersion     = "proxy-http-version"
)

// Family is the protocol towards endpoints.
var Family = feature.Family{
	Name: "protocol",
	Doc:  "What is spoken to endpoints.",
	Keys: []feature.Key{
		{
			Name: backendProtocol, Type: "HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS or FCGI", Default: "HTTP",
			Doc: "The protocol of the endpoints. AUTO_HTTP follows the scheme of the client. HTTPS checks no certificate and sends " +
				"no name unless proxy-ssl-* say so. GRPC is HTTP/2 in cleartext, GRPCS over TLS, with the same settings.",
			Note: "FCGI is not there yet: the Ingress answers 503, since HTTP/1.1 would only confuse such an endpoint. GRPC works from " +
				"clients in cleartext, too. What the proxy answers by itself has a grpc-status (503 and 502 are UNAVAILABLE, 504 is " +
				"DEADLINE_EXCEEDED, 401, 403, 404, 413 have their own), and a response that ends without one becomes UNKNOWN; grpc-timeout limits how long endpoints " +
				"may take; gRPC over HTTP/1.1 is answered with 505; GRPCS needs endpoints that agree on HTTP/2 by ALPN.",
		},
		{
			Name: httpVersion, Global: httpVersion, Type: "1.0 or 1.1", Default: "1.1",
			Doc: "The version of HTTP towards endpoints.",
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		out.Policy.Protocol = read(in)
		out.Policy.HTTP10 = in.Enum(httpVersion, "1.0", "1.1") == "1.0"
	},
}

// read reads the protocol, and denies the Ingress if we do not speak it.
func read(in *feature.Reader) ir.Protocol {
	switch in.Enum(backendProtocol, "HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI") {
	case "HTTPS":
		return ir.HTTPS
	case "AUTO_HTTP":
		return ir.AutoHTTP
	case "GRPC":
		return ir.GRPC
	case "GRPCS":
		return ir.GRPCS
	case "FCGI":
		in.Block(backendProtocol, notYet)
		return ir.FCGI
	}
	return ir.HTTP
}

const notYet = "this protocol is not there yet: the paths answer 503 rather than speak HTTP/1.1 to an endpoint that expects another protocol"

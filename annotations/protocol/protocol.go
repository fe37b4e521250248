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
				"no name unless proxy-ssl-* say so.",
			Note: "GRPC, GRPCS and FCGI are not there yet: the Ingress answers 503, since HTTP/1.1 would only confuse such an endpoint.",
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
		in.Block(backendProtocol, notYet)
		return ir.GRPC
	case "GRPCS":
		in.Block(backendProtocol, notYet)
		return ir.GRPCS
	case "FCGI":
		in.Block(backendProtocol, notYet)
		return ir.FCGI
	}
	return ir.HTTP
}

const notYet = "this protocol is not there yet: the paths answer 503 rather than speak HTTP/1.1 to an endpoint that expects another protocol"

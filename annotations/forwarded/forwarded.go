package forwarded

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

const trusted = "proxy-real-ip-cidr"

// Family is trust in what peers say about clients.
var Family = feature.Family{
	Name: "forwarded",
	Doc:  "Whom to believe about the client, and what upstreams are told about it.",
	Settings: []feature.Key{
		{
			Name: "use-forwarded-headers", Type: "bool", Default: "false",
			Doc:  "Believes X-Forwarded-For, -Proto, -Host and -Port of trusted peers; else what clients send of them is replaced.",
			Note: "X-Forwarded-Proto is believed if it says http, https or wss, which counts as https; ingress-nginx passes on whatever it says.",
		},
		{
			Name: "enable-real-ip", Type: "bool", Default: "false",
			Doc: "Believes the address alone.",
		},
		{
			Name: "compute-full-forwarded-for", Type: "bool", Default: "false",
			Doc: "Appends the peer to X-Forwarded-For instead of replacing it by the client.",
		},
		{
			Name: "forwarded-for-header", Type: "field name", Default: "X-Forwarded-For",
			Doc: "The field that names the client.",
		},
		{
			Name: trusted, Type: "CIDR list", Default: "0.0.0.0/0,::/0",
			Doc: "The peers that are trusted.",
			Note: "IPv6 peers are trusted by default too. With a part that is no network nobody is trusted, until it is mended: " +
				"falling back to the default would believe everybody.",
		},
		{
			Name: "generate-request-id", Type: "bool", Default: "true",
			Doc: "Makes an X-Request-ID where the client sent none.",
		},
		{
			Name: "proxy-add-original-uri-header", Type: "bool", Default: "false",
			Doc: "Sends X-Original-URI upstream.",
		},
		{
			Name: "use-proxy-protocol", Type: "bool", Default: "false",
			Doc: "Demands a PROXY header (version 1 or 2) at the beginning of every connection to the http and https ports, and " +
				"believes that of trusted peers about the client instead of X-Forwarded-For.",
			Note: "X-Forwarded-Proto, -Host and -Port are believed, with use-forwarded-headers, only if the address that the header " +
				"names is trusted, not its sender alone.",
		},
		{
			Name: "proxy-protocol-header-timeout", Type: "time", Default: "5s",
			Doc: "How long a PROXY header may take.",
		},
		{
			Name: "forwarded-for-proxy-protocol-header", Type: "field name", Default: "X-Forwarded-For",
			Doc: "With use-proxy-protocol, a field besides X-Forwarded-For that tells upstreams the client.",
		},
	},
	Configure: func(in *feature.Reader, out *ir.Settings) {
		t := &out.Trust
		t.UseForwardedHeaders = in.Bool("use-forwarded-headers")
		t.RealIP = in.Bool("enable-real-ip")
		t.ComputeFull = in.Bool("compute-full-forwarded-for")
		t.ForwardedForHeader = in.Matching("forwarded-for-header", isFieldName, "a field name such as X-Forwarded-For")
		t.Proxies, _ = in.Prefixes(trusted)
		t.ProxyProtocol = in.Bool("use-proxy-protocol")
		t.ProxyTimeout = in.Duration("proxy-protocol-header-timeout")
		t.ProxyHeader = in.Matching("forwarded-for-proxy-protocol-header", isFieldName, "a field name such as X-Forwarded-For")
		t.GenerateRequestID = in.Bool("generate-request-id")
		t.OriginalURI = in.Bool("proxy-add-original-uri-header")
	},
}

// isFieldName reports whether a value has only letters, digits, - and _.
func isFieldName(v string) bool {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c == '-', c == '_':
		default:
			return false
		}
	}
	return v != "" && len(v) <= 128
}

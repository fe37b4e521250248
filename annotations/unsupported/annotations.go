package unsupported

import "github.com/yettproxy/yett/annotations/feature"

// fastcgi are the keys of FastCGI.
var fastcgi = []feature.Key{
	{
		Name: "fastcgi-index", Type: "file name", Risk: feature.Medium,
		Doc: "The index file of FastCGI.", Unsupported: "FastCGI is not there yet, see backend-protocol",
	},
	{
		Name: "fastcgi-params-configmap", Type: "name of a ConfigMap", Risk: feature.Medium,
		Doc: "Parameters of FastCGI.", Unsupported: "FastCGI is not there yet, see backend-protocol",
	},
}

// telemetry are the keys of OpenTelemetry.
var telemetry = []feature.Key{
	{
		Name: "enable-opentelemetry", Type: "bool", Default: "false", Global: "enable-opentelemetry",
		Doc: "Reports a span for each request.", Unsupported: "not there yet: no spans are reported; trace headers of clients pass through",
	},
	{
		Name: "opentelemetry-trust-incoming-span", Type: "bool", Default: "true", Global: "opentelemetry-trust-incoming-span",
		Doc: "Continues the traces of clients.", Unsupported: "not there yet: trace headers of clients pass through",
	},
	{
		Name: "opentelemetry-operation-name", Type: "text", Global: "opentelemetry-operation-name", Risk: feature.Medium,
		Doc: "The name of the spans.", Unsupported: "not there yet: no spans are reported",
	},
}

// nginxOnly are keys about nginx's insides.
var nginxOnly = []feature.Key{
	{
		Name: "ssl-prefer-server-ciphers", Type: "bool", Default: "true",
		Doc: "Whose order of ciphers counts.", NoEffect: "TLS is Go's, which puts the ciphers in order by itself",
	},
	{
		Name: "http2-push-preload", Type: "bool", Default: "false",
		Doc: "Pushed what Link fields named.", NoEffect: "nginx and browsers have dropped HTTP/2 push; Link fields pass through",
	},
	{
		Name: "enable-rewrite-log", Type: "bool", Default: "false",
		Doc: "Writes rewrites to the error log.", NoEffect: "there is no such log",
	},
}

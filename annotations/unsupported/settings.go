package unsupported

import (
	"slices"

	"github.com/yettproxy/yett/annotations/feature"
)

// telemetrySettings are ConfigMap keys of OpenTelemetry.
var telemetrySettings = alike("Part of OpenTelemetry.", "OpenTelemetry is not there yet: no spans are reported", false,
	"otlp-collector-host", "otlp-collector-port", "otel-service-name", "otel-sampler", "otel-sampler-ratio",
	"otel-sampler-parent-based", "otel-max-queuesize", "otel-schedule-delay-millis", "otel-max-export-batch-size",
	"opentelemetry-config")

// logSettings are ConfigMap keys about logs that we do not write.
var logSettings = slices.Concat(
	alike("In nginx, where and how much it writes to its error log.", "Yett writes its own log to standard error, see --v", true,
		"error-log-path", "error-log-level", "debug-connections"),
	alike("Part of logging to syslog.", "not there yet: the access log goes to standard output or to access-log-path", false,
		"enable-syslog", "syslog-host", "syslog-port"),
	alike("In nginx, further parameters of the access log.", "the access log is written by Yett itself", true, "access-log-params"),
)

// otherSettings are the rest of what is not there yet.
var otherSettings = []feature.Key{
	{Name: "http2-max-field-size", Type: "size", Doc: "Dropped by nginx.", NoEffect: "see large-client-header-buffers"},
	{Name: "http2-max-header-size", Type: "size", Doc: "Dropped by nginx.", NoEffect: "see large-client-header-buffers"},
	{Name: "http2-max-requests", Type: "number", Doc: "Dropped by nginx.", NoEffect: "see keep-alive-requests"},
	{
		Name: "use-geoip2", Type: "bool", Default: "false", Doc: "Looks up the country of clients.",
		Unsupported: "not there yet: there is no country data",
	},
	{
		Name: "geoip2-autoreload-in-minutes", Type: "number", Default: "0", Doc: "In nginx, how often country data is read anew.",
		Unsupported: "not there yet: there is no country data",
	},
	{
		Name: "bind-address", Type: "list of addresses", Doc: "The addresses that are listened on.",
		Unsupported: "ignored: write the flag --bind-address",
	},
	{
		Name: "disable-ipv6", Type: "bool", Default: "false", Doc: "Listens on IPv4 alone.",
		Unsupported: "ignored: write the flag --bind-address, such as --bind-address=0.0.0.0",
	},
	{
		Name: "disable-ipv6-dns", Type: "bool", Default: "false", Doc: "In nginx, asks DNS for IPv4 addresses alone.",
		NoEffect: "names are resolved by the system's rules",
	},
	{
		Name: "proxy-ssl-location-only", Type: "bool", Default: "false", Doc: "In nginx, keeps proxy-ssl-* to the paths of their Ingress.",
		NoEffect: "proxy-ssl-* always belong to the paths of their Ingress",
	},
	{
		Name: "limit-conn-zone-variable", Type: "variable", Default: "$binary_remote_addr", Doc: "What clients are told apart by.",
		Unsupported: "not there yet: limits count by the client's address",
	},
	{
		Name: "default-type", Type: "MIME type", Default: "text/html", Doc: "In nginx, the type of responses of its own that have none.",
		NoEffect: "responses of Yett's own say what they are; those of Services pass as they are",
	},
	{
		Name: "nginx-status-ipv4-whitelist", Type: "CIDR list", Doc: "Who may ask for /nginx_status.",
		NoEffect: "there is no /nginx_status: read /metrics",
	},
	{
		Name: "nginx-status-ipv6-whitelist", Type: "CIDR list", Doc: "Who may ask for /nginx_status.",
		NoEffect: "there is no /nginx_status: read /metrics",
	},
	{
		Name: "plugins", Type: "list of Lua plugins", Doc: "In nginx, Lua code that is loaded.",
		Unsupported: "there is no Lua here: plugins are not loaded",
	},
}

// tuning returns the ConfigMap keys about nginx's processes, memory and hash tables.
func tuning() []feature.Key {
	return alike("Tuning of nginx.", "nginx's tuning: there is nothing to tune here", true,
		"worker-processes", "worker-cpu-affinity", "max-worker-connections", "max-worker-open-files", "enable-multi-accept",
		"reuse-port", "enable-aio-write", "enable-serial-reloads", "server-name-hash-max-size", "server-name-hash-bucket-size",
		"map-hash-bucket-size", "proxy-headers-hash-max-size", "proxy-headers-hash-bucket-size", "variables-hash-bucket-size",
		"variables-hash-max-size", "lua-shared-dicts", "grpc-buffer-size-kb")
}

// alike returns keys that are all answered alike: with a note, if nobody misses anything, else as not supported.
func alike(doc, reason string, noEffect bool, names ...string) []feature.Key {
	list := make([]feature.Key, 0, len(names))
	for _, name := range names {
		k := feature.Key{Name: name, Type: "as in ingress-nginx", Doc: doc}
		if noEffect {
			k.NoEffect = reason
		} else {
			k.Unsupported = reason
		}
		list = append(list, k)
	}
	return list
}

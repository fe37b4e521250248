package annotations

import "strings"

// retiredKeys are annotations and ConfigMap keys that ingress-nginx itself dropped long ago, with what took their place. They
// still stand in many manifests; ingress-nginx ignores them without a word.
var retiredKeys = map[string]string{
	"secure-backends":             `ingress-nginx dropped it: write backend-protocol: "HTTPS"`,
	"grpc-backend":                `ingress-nginx dropped it: write backend-protocol: "GRPC"`,
	"secure-verify-ca-secret":     "ingress-nginx dropped it: write proxy-ssl-secret and proxy-ssl-verify",
	"session-cookie-hash":         "ingress-nginx dropped it: nothing is needed, remove it",
	"enable-websockets":           "never needed: WebSockets work without an annotation, remove it",
	"websocket-services":          "never needed: WebSockets work without an annotation, remove it",
	"add-base-url":                "ingress-nginx dropped it: let the application know its base, or use x-forwarded-prefix",
	"base-url-scheme":             "ingress-nginx dropped it: let the application know its base, or use x-forwarded-prefix",
	"upstream-max-fails":          "ingress-nginx dropped it: see proxy-next-upstream-tries",
	"upstream-fail-timeout":       "ingress-nginx dropped it: see proxy-next-upstream-timeout",
	"enable-opentracing":          "ingress-nginx dropped OpenTracing: see enable-opentelemetry",
	"mirror-uri":                  "ingress-nginx dropped it: see mirror-target",
	"enable-influxdb":             "ingress-nginx dropped it: read the metrics from /metrics, remove it",
	"enable-vts-status":           "ingress-nginx dropped it: read the metrics from /metrics, remove it",
	"enable-sticky-sessions":      `ingress-nginx dropped it: write affinity: "cookie" at the Ingress`,
	"enable-dynamic-tls-records":  "ingress-nginx dropped it: nothing is needed, remove it",
	"enable-dynamic-certificates": "ingress-nginx dropped it: certificates are always picked up at once, remove it",
	"use-geoip":                   "ingress-nginx dropped it, and there is no country data here: remove it",
}

// retiredPrefixes are the same for whole families of keys.
var retiredPrefixes = [][2]string{
	{"vts-", "ingress-nginx dropped it: read the metrics from /metrics, remove it"},
	{"influxdb-", "ingress-nginx dropped it: read the metrics from /metrics, remove it"},
	{"lua-resty-waf", "ingress-nginx dropped it: there is no web application firewall here"},
	{"global-rate-limit", "ingress-nginx dropped it: see limit-rps, which counts per replica"},
	{"opentracing-", "ingress-nginx dropped OpenTracing: see enable-opentelemetry"},
	{"jaeger-", "ingress-nginx dropped it: see enable-opentelemetry"},
	{"zipkin-", "ingress-nginx dropped it: see enable-opentelemetry"},
	{"datadog-", "ingress-nginx dropped it: see enable-opentelemetry"},
}

// retired returns what to do about a key that ingress-nginx dropped.
func retired(name string) (advice string, ok bool) {
	if advice, ok = retiredKeys[name]; ok {
		return advice, true
	}
	for _, p := range retiredPrefixes {
		if strings.HasPrefix(name, p[0]) {
			return p[1], true
		}
	}
	return "", false
}

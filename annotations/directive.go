package annotations

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

// Names of nginx's own directives stand in many manifests as if they were keys ("proxy-buffers"). ingress-nginx reads none of them,
// and the key whose name is nearest is often another matter: they are told by what the directive does.

// directives says what to write for a directive of nginx; "" where nothing is missed without it.
var directives = map[string]string{
	"proxy-buffers": "", "proxy-buffers-size": "", "proxy-busy-buffer-size": "", "proxy-temp-file-write-size": "", "proxy-temp-path": "",
	"fastcgi-buffers": "", "fastcgi-buffer-size": "", "fastcgi-busy-buffers-size": "", "grpc-buffer-size": "", "output-buffers": "",
	"client-body-temp-path": "", "client-body-in-file-only": "", "client-body-in-single-buffer": "", "subrequest-output-buffer-size": "",
	"sendfile": "", "tcp-nodelay": "", "tcp-nopush": "", "postpone-output": "", "aio": "", "directio": "", "chunked-transfer-encoding": "",
	"server-names-hash-max-size": "", "server-names-hash-bucket-size": "", "types-hash-max-size": "",
	"worker-connections": "", "worker-rlimit-nofile": "", "open-file-cache": "", "error-log": "",

	"client-max-body-size":   "proxy-body-size",
	"max-body-size":          "proxy-body-size",
	"proxy-max-body-size":    "proxy-body-size",
	"grpc-connect-timeout":   "proxy-connect-timeout",
	"grpc-read-timeout":      "proxy-read-timeout",
	"grpc-send-timeout":      "proxy-send-timeout",
	"fastcgi-read-timeout":   "proxy-read-timeout",
	"proxy-timeout":          "proxy-read-timeout",
	"keepalive-timeout":      "keep-alive in the ConfigMap",
	"keepalive-requests":     "keep-alive-requests in the ConfigMap",
	"underscores-in-headers": "enable-underscores-in-headers in the ConfigMap",
	"set-real-ip-from":       "proxy-real-ip-cidr in the ConfigMap",
	"real-ip-header":         "forwarded-for-header in the ConfigMap",
	"ssl-verify-client":      "auth-tls-verify-client",
	"ssl-client-certificate": "auth-tls-secret",
	"proxy-ssl-certificate":  "proxy-ssl-secret",
	"auth-basic":             "auth-type, auth-secret and auth-realm",
	"auth-basic-user-file":   "auth-type, auth-secret and auth-realm",
	"auth-request":           "auth-url",
	"limit-req":              "limit-rps or limit-rpm",
	"limit-conn":             "limit-connections",
	"proxy-intercept-errors": "custom-http-errors",
	"proxy-redirect":         "proxy-redirect-from and proxy-redirect-to",
	"gzip":                   "use-gzip in the ConfigMap",
	"gzip-comp-level":        "gzip-level in the ConfigMap",
}

// directive returns what to say about the name of a directive.
func directive(name string) (p feature.Problem, ok bool) {
	instead, ok := directives[strings.ReplaceAll(strings.ToLower(name), "_", "-")]
	switch {
	case !ok:
		return p, false
	case instead == "":
		return feature.Problem{Reason: "ignored, by ingress-nginx too: this is a directive of nginx's, and nothing is needed here, remove it", Note: true}, true
	}
	return feature.Problem{Reason: "ignored, by ingress-nginx too: this is a directive of nginx's, write " + instead}, true
}

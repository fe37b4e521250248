package annotations

import (
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
)

// nginxAnnotations are all annotations of ingress-nginx 1.15, aliases included.
const nginxAnnotations = `
rewrite-target use-regex app-root ssl-redirect force-ssl-redirect preserve-trailing-slash use-port-in-redirects
from-to-www-redirect permanent-redirect permanent-redirect-code temporal-redirect temporal-redirect-code
relative-redirects server-alias default-backend custom-http-errors disable-proxy-intercept-errors satisfy
service-upstream upstream-vhost x-forwarded-prefix ssl-passthrough auth-type auth-secret auth-secret-type auth-realm
auth-url auth-signin auth-signin-redirect-param auth-method auth-response-headers auth-proxy-set-headers
auth-request-redirect auth-cache-key auth-cache-duration auth-keepalive auth-keepalive-share-vars
auth-keepalive-requests auth-keepalive-timeout auth-always-set-cookie auth-snippet enable-global-auth auth-tls-secret
auth-tls-verify-client auth-tls-verify-depth auth-tls-error-page auth-tls-pass-certificate-to-upstream auth-tls-match-cn
allowlist-source-range whitelist-source-range denylist-source-range limit-rps limit-rpm limit-burst-multiplier
limit-connections limit-rate limit-rate-after limit-allowlist limit-whitelist canary canary-weight canary-weight-total
canary-by-header canary-by-header-value canary-by-header-pattern canary-by-cookie load-balance upstream-hash-by
upstream-hash-by-subset upstream-hash-by-subset-size affinity affinity-mode affinity-canary-behavior session-cookie-name
session-cookie-path session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-samesite
session-cookie-conditional-samesite-none session-cookie-secure session-cookie-partitioned session-cookie-change-on-failure backend-protocol
proxy-body-size client-body-buffer-size proxy-connect-timeout proxy-read-timeout proxy-send-timeout proxy-next-upstream
proxy-next-upstream-timeout proxy-next-upstream-tries proxy-request-buffering proxy-buffering proxy-buffer-size
proxy-buffers-number proxy-busy-buffers-size proxy-max-temp-file-size proxy-http-version proxy-cookie-domain
proxy-cookie-path proxy-redirect-from proxy-redirect-to connection-proxy-header custom-headers proxy-ssl-secret
proxy-ssl-verify proxy-ssl-verify-depth proxy-ssl-name proxy-ssl-server-name proxy-ssl-ciphers proxy-ssl-protocols
fastcgi-index fastcgi-params-configmap mirror-target mirror-request-body mirror-host enable-cors cors-allow-origin
cors-allow-methods cors-allow-headers cors-expose-headers cors-allow-credentials cors-max-age ssl-ciphers
ssl-prefer-server-ciphers http2-push-preload enable-access-log enable-rewrite-log enable-opentelemetry
opentelemetry-trust-incoming-span opentelemetry-operation-name enable-modsecurity enable-owasp-core-rules
modsecurity-transaction-id modsecurity-snippet configuration-snippet server-snippet stream-snippet
`

// nginxSettings are all ConfigMap keys of ingress-nginx 1.15.
const nginxSettings = `
use-forwarded-headers compute-full-forwarded-for use-proxy-protocol proxy-real-ip-cidr enable-real-ip proxy-body-size
proxy-connect-timeout proxy-read-timeout proxy-send-timeout proxy-buffer-size ssl-redirect force-ssl-redirect hsts hsts-max-age
hsts-include-subdomains hsts-preload ssl-protocols ssl-ciphers log-format-upstream log-format-escape-json log-format-escape-none
allow-snippet-annotations annotations-risk-level use-gzip enable-brotli custom-http-errors whitelist-source-range server-tokens
large-client-header-buffers client-header-buffer-size keep-alive worker-processes add-headers proxy-set-headers hide-headers
global-auth-url global-auth-method global-auth-signin global-auth-signin-redirect-param global-auth-response-headers
global-auth-request-redirect global-auth-snippet global-auth-cache-key global-auth-cache-duration global-auth-always-set-cookie
no-auth-locations http-redirect-code no-tls-redirect-locations limit-req-status-code limit-conn-status-code limit-rate
limit-rate-after denylist-source-range block-cidrs block-user-agents block-referers load-balance upstream-keepalive-connections
upstream-keepalive-time upstream-keepalive-timeout upstream-keepalive-requests keep-alive-requests proxy-buffering
proxy-request-buffering proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries retry-non-idempotent
proxy-cookie-domain proxy-cookie-path proxy-redirect-from proxy-redirect-to client-body-timeout client-header-timeout
client-body-buffer-size enable-underscores-in-headers ignore-invalid-headers generate-request-id forwarded-for-header
forwarded-for-proxy-protocol-header proxy-add-original-uri-header allow-backend-server-header use-http2
http2-max-concurrent-streams http2-max-field-size http2-max-header-size http2-max-requests gzip-level gzip-min-length gzip-types
gzip-disable brotli-level brotli-min-length brotli-types enable-opentelemetry otlp-collector-host otlp-collector-port
otel-service-name otel-sampler otel-sampler-ratio otel-sampler-parent-based otel-max-queuesize otel-schedule-delay-millis
otel-max-export-batch-size opentelemetry-config opentelemetry-operation-name opentelemetry-trust-incoming-span
disable-access-log disable-http-access-log disable-stream-access-log skip-access-log-urls enable-access-log-for-default-backend
enable-auth-access-log access-log-path http-access-log-path stream-access-log-path access-log-params enable-ocsp
ssl-reject-handshake ssl-session-cache ssl-session-cache-size ssl-session-tickets ssl-session-ticket-key ssl-session-timeout
ssl-buffer-size ssl-early-data ssl-dh-param ssl-ecdh-curve strict-validate-path-type allow-cross-namespace-resources
annotation-value-word-blocklist global-allowed-response-headers service-upstream preserve-trailing-slash use-port-in-redirects
relative-redirects worker-shutdown-timeout proxy-stream-timeout proxy-stream-next-upstream proxy-stream-next-upstream-timeout
proxy-stream-next-upstream-tries proxy-stream-responses bind-address disable-ipv6 disable-ipv6-dns proxy-protocol-header-timeout
enable-modsecurity enable-owasp-modsecurity-crs modsecurity-snippet use-geoip2 geoip2-autoreload-in-minutes main-snippet http-snippet server-snippet
location-snippet stream-snippet lua-shared-dicts worker-cpu-affinity max-worker-connections max-worker-open-files
enable-multi-accept reuse-port enable-aio-write enable-serial-reloads debug-connections default-type limit-conn-zone-variable
grpc-buffer-size-kb enable-syslog syslog-host syslog-port nginx-status-ipv4-whitelist nginx-status-ipv6-whitelist
server-name-hash-max-size server-name-hash-bucket-size map-hash-bucket-size proxy-headers-hash-max-size
proxy-headers-hash-bucket-size variables-hash-bucket-size variables-hash-max-size error-log-path error-log-level
log-format-stream proxy-buffers-number proxy-busy-buffers-size proxy-max-temp-file-size proxy-http-version
disable-proxy-intercept-errors proxy-ssl-location-only plugins
`

func TestEveryAnnotationOfIngressNginxIsDeclared(t *testing.T) {
	for _, name := range strings.Fields(nginxAnnotations) {
		if all.annotations[name] == nil {
			t.Errorf("nobody declares %s", name)
		}
	}
}

func TestEveryConfigMapKeyOfIngressNginxIsDeclared(t *testing.T) {
	for _, name := range strings.Fields(nginxSettings) {
		if all.settings[name] == nil {
			t.Errorf("nobody declares %s", name)
		}
	}
}

func TestNoKeyIsDeclaredTwice(t *testing.T) {
	owner := map[string]string{}
	claim := func(family, name string) {
		if other, ok := owner[name]; ok {
			t.Errorf("%s declares %s, and so does %s", family, name, other)
		}
		owner[name] = family
	}
	for _, f := range Families() {
		for _, k := range f.Keys {
			claim(f.Name, k.Name)
			for _, alias := range k.Aliases {
				claim(f.Name, alias)
			}
		}
	}
}

func TestFamiliesThatShareASettingDeclareItAlike(t *testing.T) {
	declared := map[string]feature.Key{}
	for _, f := range Families() {
		for _, k := range f.Settings {
			if slices.ContainsFunc(f.Keys, func(a feature.Key) bool { return a.Name == k.Name }) {
				t.Errorf("%s declares %s as a key and as a setting", f.Name, k.Name)
			}
			if other, ok := declared[k.Name]; ok && (other.Type != k.Type || other.Default != k.Default) {
				t.Errorf("%s declares %s with type %q and default %q, another family with %q and %q",
					f.Name, k.Name, k.Type, k.Default, other.Type, other.Default)
			}
			declared[k.Name] = k
		}
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	known := strings.Fields(nginxSettings)
	names := strings.Fields(nginxAnnotations)
	for _, f := range Families() {
		if f.Name == "" || f.Doc == "" {
			t.Errorf("family %q has no name or no description", f.Name)
		}
		for _, k := range slices.Concat(f.Keys, f.Settings) {
			if k.Doc == "" || k.Type == "" {
				t.Errorf("%s: %s has no description or no type", f.Name, k.Name)
			}
			if !strings.HasSuffix(k.Doc, ".") || k.Note != "" && !strings.HasSuffix(k.Note, ".") {
				t.Errorf("%s: the texts of %s must end with a period", f.Name, k.Name)
			}
			if k.Unsupported != "" && k.NoEffect != "" {
				t.Errorf("%s: %s is both unsupported and without effect", f.Name, k.Name)
			}
			if k.Global != "" && !slices.Contains(known, k.Global) {
				t.Errorf("%s: %s names the ConfigMap key %s, which ingress-nginx does not have", f.Name, k.Name, k.Global)
			}
		}
		for _, k := range f.Keys {
			if k.Own && slices.Contains(names, k.Name) {
				t.Errorf("%s: %s is marked Own, but ingress-nginx has it", f.Name, k.Name)
			}
		}
	}
}

// TestDefaultsAreValid asks that what stands as the default in the reference can be written into an Ingress without
// being refused.
func TestDefaultsAreValid(t *testing.T) {
	for _, f := range Families() {
		for _, k := range f.Keys {
			if k.Default == "" {
				continue
			}
			// Some keys are refused where they mean nothing, so the others that give them a meaning stand there too.
			annotations := map[string]string{
				"canary": "true", "affinity": "cookie", "enable-cors": "true", "upstream-hash-by": "$host", "limit-rps": "1",
				"auth-url": "http://auth.test/", "auth-signin": "http://auth.test/", "auth-cache-key": "$host",
				"jwt-issuer": "https://issuer.test", "jwt-jwks-uri": "https://issuer.test/keys",
			}
			annotations[k.Name] = k.Default
			_, problems := Apply(ingress(annotations))
			for _, p := range problems {
				if p.Key == k.Name && !p.Note {
					t.Errorf("%s: the default %q of %s is refused: %s", f.Name, k.Default, k.Name, p.Reason)
				}
			}
		}
		for _, k := range f.Settings {
			if k.Default == "" {
				continue
			}
			_, problems := Configure(ingress(nil, k.Name, k.Default))
			for _, p := range problems {
				t.Errorf("%s: the default %q of %s is refused: %+v", f.Name, k.Default, k.Name, p)
			}
		}
	}
}

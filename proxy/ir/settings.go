package ir

import (
	"net/netip"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// Settings are what holds for the whole process: the controller's ConfigMap, for the most part.
type Settings struct {
	Limits   wire.Limits
	Trust    TrustSettings
	Log      LogSettings
	TLS      TLSSettings
	Headers  HeaderSettings
	Redirect RedirectSettings
	Block    BlockSettings
	Pool     PoolSettings
	Stream   StreamSettings
	// Compression says which responses are sent compressed.
	Compression CompressionSettings
	// DrainTimeout is how long requests may go on after the end was announced (worker-shutdown-timeout).
	DrainTimeout time.Duration
	// DefaultCertificate is shown where no other fits; zero for one made at start.
	DefaultCertificate CertificateRef
}

// TrustSettings say whom to believe about the client's address, scheme and host.
type TrustSettings struct {
	// UseForwardedHeaders believes X-Forwarded-* of trusted peers; RealIP only the address.
	UseForwardedHeaders, RealIP bool
	// ComputeFull appends to X-Forwarded-For instead of replacing it.
	ComputeFull bool
	// ForwardedForHeader is the field that names the client (forwarded-for-header).
	ForwardedForHeader string
	// Proxies are the peers that are believed (proxy-real-ip-cidr).
	Proxies []netip.Prefix
	// ProxyProtocol demands a PROXY header on every connection and believes that of trusted peers about the client, instead
	// of any field (use-proxy-protocol). ProxyTimeout limits the wait for it (proxy-protocol-header-timeout), and
	// ProxyHeader is a field besides X-Forwarded-For that tells upstreams the client then
	// (forwarded-for-proxy-protocol-header).
	ProxyProtocol bool
	ProxyTimeout  time.Duration
	ProxyHeader   string
	// GenerateRequestID makes an X-Request-ID where the client sent none.
	GenerateRequestID bool
	// OriginalURI sends X-Original-URI upstream (proxy-add-original-uri-header).
	OriginalURI bool
}

// CompressionSettings say which responses are sent compressed to clients that take them so (use-gzip, enable-brotli).
type CompressionSettings struct {
	Gzip, Brotli CodingSettings
	// GzipDisable is a regular expression, in any case, of user agents that get no gzip; "" for none.
	GzipDisable string
}

// CodingSettings are those of one content coding.
type CodingSettings struct {
	On bool
	// Level is from 1 to 9 for gzip and from 0 to 11 for brotli; higher is smaller and slower.
	Level int
	// MinLength is the shortest body in bytes; bodies of unknown length are compressed whatever comes.
	MinLength int64
	// Types are the media types besides text/html; "*" for all.
	Types []string
}

// LogSettings are about the access log.
type LogSettings struct {
	// Disabled writes none (disable-access-log).
	Disabled bool
	// Format is the text with variables (log-format-upstream); "" for ingress-nginx's default.
	Format string
	// EscapeJSON and EscapeNone replace nginx's default escaping.
	EscapeJSON, EscapeNone bool
	// Path is a file; "" for standard output (access-log-path, http-access-log-path).
	Path string
	// SkipURLs are request URIs that are not logged (skip-access-log-urls): whole URIs with their query, "~"
	// and a regular expression, or "~*" and one that ignores case.
	SkipURLs []string
	// DefaultBackend logs requests that no Ingress matched.
	DefaultBackend bool
}

// TLSSettings are about TLS towards clients.
type TLSSettings struct {
	// MinVersion and MaxVersion are crypto/tls version numbers; 0 for TLS 1.2 and 1.3.
	MinVersion, MaxVersion uint16
	// Ciphers is an OpenSSL cipher list for TLS 1.2; "" for the library's.
	Ciphers string
	// RejectUnknown aborts handshakes for names that no host has (ssl-reject-handshake).
	RejectUnknown bool
	// NoResumption makes every handshake a full one (ssl-session-cache and ssl-session-tickets: false).
	NoResumption bool
	// HTTP1Only speaks HTTP/1.1 alone (use-http2: false), in cleartext, too.
	HTTP1Only bool
}

// NameValue is a field to be set. Value may hold variables.
type NameValue struct{ Name, Value string }

// HeaderSettings are about fields of all requests and responses.
type HeaderSettings struct {
	// Request are set towards upstreams (proxy-set-headers), Response towards clients (add-headers).
	Request, Response []NameValue
	// Hide are removed from responses (hide-headers).
	Hide []string
	// KeepServer keeps the upstream's Server field (allow-backend-server-header).
	KeepServer bool
	// ServerTokens announces the proxy in Server (server-tokens).
	ServerTokens bool
	// HSTS is the value of Strict-Transport-Security on https, or "".
	HSTS string
}

// RedirectSettings are about redirects of the proxy's own making.
type RedirectSettings struct {
	// Code is the status of ssl and www redirects (http-redirect-code).
	Code int
	// Relative keeps Location relative (relative-redirects).
	Relative bool
	// UsePort writes the listener's port (use-port-in-redirects).
	UsePort bool
	// NoTLS are the locations whose requests are not sent to https (no-tls-redirect-locations).
	NoTLS []string
	// HTTPSPort is the port that redirects name.
	HTTPSPort int
}

// BlockSettings are about requests refused everywhere with 403.
type BlockSettings struct {
	Prefixes []netip.Prefix
	// UserAgents and Referers are exact texts, or "~" or "~*" and a regular expression.
	UserAgents, Referers []string
}

// PoolSettings are about idle connections to endpoints.
type PoolSettings struct {
	// Idle is how many idle connections each endpoint keeps (upstream-keepalive-connections).
	Idle int
	// Timeout is how long one may idle, Lifetime how old it may get, Requests how many it may carry.
	Timeout, Lifetime time.Duration
	Requests          int
}

// StreamSettings are about TCP and UDP services, and about TLS connections that are passed through. They are comparable.
type StreamSettings struct {
	// Connect limits dialing an endpoint (proxy-connect-timeout).
	Connect time.Duration
	// Idle is how long a session may be silent in both directions (proxy-stream-timeout).
	Idle time.Duration
	// Retry tries further endpoints when one cannot be reached (proxy-stream-next-upstream), RetryTries times at most, the
	// first included, and for no longer than RetryTimeout; 0 stands for no limit of either (-tries, -timeout).
	Retry        bool
	RetryTries   int
	RetryTimeout time.Duration
	// Responses is how many datagrams answer one of a client; when all have come the session is over, with 0 at once
	// (proxy-stream-responses).
	Responses int
	// LogFormat is the line that is logged for a session, "" for ingress-nginx's (log-format-stream); LogPath is a file,
	// "" for standard output (stream-access-log-path); LogDisabled writes none (disable-stream-access-log).
	LogFormat, LogPath string
	LogDisabled        bool
}

// DefaultSettings returns ingress-nginx's defaults.
func DefaultSettings() Settings {
	return Settings{
		Limits: wire.DefaultLimits(),
		Trust: TrustSettings{
			ForwardedForHeader: "X-Forwarded-For", GenerateRequestID: true,
			ProxyTimeout: 5 * time.Second, ProxyHeader: "X-Forwarded-For",
			Proxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		},
		Headers:  HeaderSettings{HSTS: "max-age=31536000; includeSubDomains"},
		Redirect: RedirectSettings{Code: 308, NoTLS: []string{"/.well-known/acme-challenge"}, HTTPSPort: 443},
		Pool:     PoolSettings{Idle: 320, Timeout: 60 * time.Second, Lifetime: time.Hour, Requests: 10000},
		Stream: StreamSettings{
			Connect: 5 * time.Second, Idle: 600 * time.Second, Retry: true, RetryTries: 3, RetryTimeout: 600 * time.Second, Responses: 1,
		},
		DrainTimeout: 240 * time.Second,
	}
}

package ir

import (
	"time"
)

// Policy is how a route's requests are forwarded. It is comparable.
type Policy struct {
	Protocol Protocol
	// TLS is how to speak TLS to the upstream; only with Protocol HTTPS, AutoHTTP or GRPCS.
	TLS UpstreamTLS
	// Connect is the limit for dialing, Read and Send for the gap between two reads and two writes.
	Connect, Read, Send time.Duration
	// Retry is when another endpoint is tried.
	Retry Retry
	// MaxBody is the longest request body in bytes, else 413; 0 for no limit.
	MaxBody int64
	// MaxResponseHead is the longest response head in bytes, else 502.
	MaxResponseHead int
	// Host replaces the Host field towards the upstream; a template of variables, or "".
	Host string
	// HTTP10 speaks HTTP/1.0 to the upstream.
	HTTP10 bool
	// Connection is the Connection field sent to the upstream, or "" for keep-alive as we see fit.
	Connection string
	// RedirectFrom and RedirectTo rewrite the prefix of Location and Refresh in responses.
	RedirectFrom, RedirectTo string
	// RelativeRedirects and PortInRedirects shape the Location of redirects that the proxy makes for this
	// route by itself, such as the one to a path's trailing slash (relative-redirects, use-port-in-redirects).
	RelativeRedirects, PortInRedirects bool
	// CookieDomain and CookiePath rewrite attributes of Set-Cookie: "from to", or "".
	CookieDomain, CookiePath string
	// Rate is the most bytes a second of a response body once RateAfter bytes are sent; 0 for no limit.
	Rate, RateAfter int64
}

// Protocol is what is spoken to the upstream.
type Protocol uint8

// The protocols of backend-protocol.
const (
	HTTP Protocol = iota
	HTTPS
	AutoHTTP
	GRPC
	GRPCS
	FCGI
)

// String returns the annotation's spelling.
func (p Protocol) String() string {
	return [...]string{"HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI"}[p]
}

// UpstreamTLS is how to speak TLS to endpoints (proxy-ssl-*). It is comparable; certificates are PEM
// text, and String does not show keys.
type UpstreamTLS struct {
	// Verify checks the endpoint's certificate against CA and Name.
	Verify bool
	Depth  int
	// SendName says whether Name is sent as SNI.
	SendName bool
	Name     string
	// CA, Certificate and Key are PEM.
	CA, Certificate, Key string
	// MinVersion and MaxVersion are crypto/tls version numbers; 0 for the library's default.
	MinVersion, MaxVersion uint16
	// Ciphers is an OpenSSL cipher list; "" or "DEFAULT" for the library's.
	Ciphers string
}

// RetryOn is a set of conditions under which another endpoint is tried (proxy-next-upstream).
type RetryOn uint16

// The conditions.
const (
	RetryError RetryOn = 1 << iota
	RetryTimeout
	RetryInvalidHeader
	Retry403
	Retry404
	Retry429
	Retry500
	Retry502
	Retry503
	Retry504
	RetryNonIdempotent
)

// Retry is when and how often another endpoint is tried.
type Retry struct {
	On RetryOn
	// Tries is how many tries there may be, the first included; 0 for as many as there are endpoints,
	// within filter.MaxAttempts.
	Tries int
	// Timeout limits all tries together; 0 for no limit.
	Timeout time.Duration
}

// DefaultPolicy returns ingress-nginx's defaults.
func DefaultPolicy() Policy {
	return Policy{
		Connect: 5 * time.Second, Read: 60 * time.Second, Send: 60 * time.Second,
		Retry:   Retry{On: RetryError | RetryTimeout, Tries: 3},
		MaxBody: 1 << 20, MaxResponseHead: 4 << 10,
	}
}

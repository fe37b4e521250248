package ir

import (
	"strconv"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Config is all that the data plane is to do.
type Config struct {
	// Hosts are the virtual hosts, sorted by name; the catch-all has the name "".
	Hosts []VirtualHost
	// Upstreams are all upstreams that routes name, sorted by key.
	Upstreams []Upstream
	// Certificates are all certificates that hosts name, sorted by reference.
	Certificates []Certificate
	// Streams are the ports that are handed to Services as they are, TCP before UDP, then by number.
	Streams []Stream
	// Settings are what holds for the whole process.
	Settings Settings
}

// VirtualHost is what answers to one host name.
type VirtualHost struct {
	// Name is lower case: exact ("a.test"), wildcard for exactly one label ("*.a.test"), or "" for the
	// catch-all.
	Name string
	// Aliases are further names: exact, wildcard, or "~" and a regular expression (server-alias).
	Aliases []string
	// Certificate names the certificate shown for Name; the zero reference means the default one.
	Certificate CertificateRef
	// TLS says that http is redirected to https: an Ingress of the host, or of the wildcard above it, has a TLS
	// section, with or without a usable certificate.
	TLS bool
	// AppRoot is where a request for exactly "/" is sent with a 302, or "" (app-root).
	AppRoot string
	// RedirectHost makes the whole host a redirect to the same URI on this name (from-to-www-redirect).
	RedirectHost string
	// RedirectCode is the status of that redirect.
	RedirectCode int
	// Passthrough is the upstream that TLS connections for the host go to unopened; zero for none (ssl-passthrough). Requests
	// in cleartext go by Routes all the same.
	Passthrough upstream.Key
	// Deny answers every request of the host with this status, if not 0: a host-wide guard could not be
	// honoured (auth-tls-*: 403).
	Deny int
	// ClientAuth is how clients are asked for certificates (auth-tls-*).
	ClientAuth ClientAuth
	// Ciphers is the OpenSSL cipher list for TLS 1.2 of this host; "" for that of all (ssl-ciphers).
	Ciphers string
	// Regex says that all paths of the host are case-insensitive regular expressions, since one of them
	// asked for it (nginx: use-regex or rewrite-target spreads over the whole host).
	Regex bool
	// Routes are in no particular order; the compiler sorts them.
	Routes []Route
}

// Stream is a port whose connections, or datagrams, go to a Service unopened (tcp-services, udp-services). It is comparable.
type Stream struct {
	Port uint16
	// Upstream is where they go; Upstream.UDP says which of the two they are.
	Upstream upstream.Key
	// AcceptProxy demands a PROXY header of clients, SendProxy sends one to endpoints; TCP only.
	AcceptProxy, SendProxy bool
}

// String returns "tcp 5432 -> namespace-service-port" and what else is said.
func (s Stream) String() string {
	text := "tcp "
	if s.Upstream.UDP {
		text = "udp "
	}
	text += strconv.Itoa(int(s.Port)) + " -> " + s.Upstream.String()
	if s.AcceptProxy {
		text += " accept-proxy"
	}
	if s.SendProxy {
		text += " send-proxy"
	}
	return text
}

// PathType is how a path is matched.
type PathType uint8

// The path types of networking.k8s.io. ImplementationSpecific is Prefix, as in ingress-nginx.
const (
	Prefix PathType = iota
	Exact
)

// String returns the Kubernetes name of the path type.
func (t PathType) String() string { return [...]string{"Prefix", "Exact"}[t] }

// Route is one location: a path of a host and what happens to the requests that match it.
type Route struct {
	// Path begins with "/"; in a regex host it is the pattern without the leading "^".
	Path string
	Type PathType
	// Literal says, in a regex host, that the Ingress of this path asked for no regex itself. A Prefix
	// then stands for the pair ^/foo/ and ^/foo, as in ingress-nginx.
	Literal bool
	Origin  filter.Origin
	// Filters run in the order of their phases, within a phase in this order.
	Filters []filter.Spec
	// SatisfyAny makes one of the access filters enough.
	SatisfyAny bool
	// Backend is where requests go.
	Backend Backend
	// Policy is how they are forwarded.
	Policy Policy
	// AccessLog says whether requests are logged.
	AccessLog bool
	// Deny answers with this status instead of serving, if not 0: something that guards access could not
	// be honoured. The match stays, so that no broader, open route catches the path.
	Deny int
	// DenyReason says why, for people.
	DenyReason string
}

// Backend is where a route leads.
type Backend struct {
	// Upstream is the main upstream. The zero key means none: the status Missing is answered.
	Upstream upstream.Key
	// Canary is the alternative, or nil.
	Canary *Canary
	// Default replaces Upstream while that has no endpoint (annotation default-backend); zero for none.
	Default upstream.Key
	// Errors are the statuses that ErrorPages answers instead (custom-http-errors); with the zero key the proxy's own
	// pages do.
	Errors     Statuses
	ErrorPages upstream.Key
	// Missing is the status answered when Upstream is the zero key: 404 where there is no Service to ask,
	// 503 where there should be one.
	Missing int
}

// Canary is when requests go to the alternative upstream (nginx-compat section 2.3).
type Canary struct {
	Upstream upstream.Key
	// Weight of Total goes to the alternative, if no other rule decides.
	Weight, Total int
	// Header is the field that decides: "always", "never", HeaderValue, or a match of HeaderPattern.
	Header, HeaderValue, HeaderPattern string
	// Cookie is the cookie that decides: "always" or "never".
	Cookie string
}

// Upstream is one port of one Service, with what belongs to the Service and not to a location.
type Upstream struct {
	Key     upstream.Key
	Balance Balance
	// ServiceUpstream sends to the ClusterIP instead of the endpoints (service-upstream).
	ServiceUpstream bool
}

// Balance is how an upstream chooses among its endpoints. It is comparable.
type Balance struct {
	Algorithm upstream.Algorithm
	// HashBy is the template of variables that is hashed; only with upstream.Hash.
	HashBy string
	// SubsetSize is the size of the groups that a hash picks, 0 for single endpoints.
	SubsetSize int
	// Affinity is the sticky cookie, if Name is not "".
	Affinity Affinity
}

// Affinity is cookie affinity (affinity, session-cookie-*). It is comparable.
type Affinity struct {
	Name string
	// Persistent keeps clients where they are when endpoints are added.
	Persistent bool
	// Legacy keeps a canary apart from the affinity of its main Ingress.
	Legacy bool
	Path   string
	Domain string
	// Expires and MaxAge are seconds as text, "" for none.
	Expires, MaxAge string
	SameSite        string
	ConditionalNone bool
	Secure          bool
	Partitioned     bool
	ChangeOnFailure bool
	// Locations are the Ingresses ("namespace/name") that asked for it: others of the same Service do
	// not get the cookie. Sorted, joined by a comma.
	Locations string
}

// CertificateRef names a TLS Secret.
type CertificateRef struct{ Namespace, Name string }

// IsZero reports whether the reference names nothing.
func (r CertificateRef) IsZero() bool { return r == CertificateRef{} }

// String returns "namespace/name".
func (r CertificateRef) String() string {
	if r.IsZero() {
		return ""
	}
	return r.Namespace + "/" + r.Name
}

// Certificate is a certificate with its key, as PEM. Printing it does not show the key.
type Certificate struct {
	Ref       CertificateRef
	Cert, Key string
}

// String returns the reference.
func (c Certificate) String() string { return c.Ref.String() }

// GoString keeps %#v from showing the key.
func (c Certificate) GoString() string { return "ir.Certificate(" + c.Ref.String() + ")" }

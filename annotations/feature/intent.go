package feature

import (
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// Intent is what the annotations of one Ingress ask for, as data. controllers/translate joins it with the
// rules of the Ingress: every path gets the filters and the policy, every host the host's part.
type Intent struct {
	// Filters are added to every route, in the order of the families.
	Filters []filter.Spec
	// SatisfyAny makes one of the access filters enough.
	SatisfyAny bool
	// Policy is how requests are forwarded.
	Policy ir.Policy
	// Balance, ServiceUpstream and Affinity belong to the upstreams that the Ingress names; the oldest Ingress of a
	// Service port decides.
	Balance         ir.Balance
	ServiceUpstream bool
	// Canary makes the Ingress a canary of others; its Upstream is filled in for each rule.
	Canary *ir.Canary
	// Regex says that use-regex is set. Rewrite is the rewrite-target, or "": a rewrite-target that
	// differs from a path also makes its host a regex host.
	Regex   bool
	Rewrite string
	// AccessLog says whether requests are logged.
	AccessLog bool
	// DefaultBackend names a Service of the same namespace that answers while the main one has no
	// endpoints, or "".
	DefaultBackend string
	// Errors are the statuses that the default backend answers instead of the Service (custom-http-errors).
	Errors ir.Statuses
	// Host is what acts on whole hosts; the oldest Ingress that sets a thing wins.
	Host HostIntent
	// CrossNamespace says that the operator lets an Ingress act on hosts and paths of other namespaces
	// (allow-cross-namespace-resources).
	CrossNamespace bool
	// Deny answers this status on every path, if not 0; DenyReason says why.
	Deny       int
	DenyReason string
}

// HostIntent is what an Ingress asks for its hosts.
type HostIntent struct {
	// Aliases are further names (server-alias).
	Aliases []string
	// AppRoot is where "/" is sent (app-root).
	AppRoot string
	// FromToWWW redirects the www. counterpart of each host (from-to-www-redirect).
	FromToWWW bool
	// ClientAuth is how clients are asked for certificates (auth-tls-*). It guards all paths of the host.
	ClientAuth ir.ClientAuth
	// Ciphers is the cipher list for TLS 1.2, or "" (ssl-ciphers).
	Ciphers string
	// Passthrough hands TLS connections to the Service of "/" unopened (ssl-passthrough).
	Passthrough bool
	// Deny answers this status on the whole host, if not 0.
	Deny int
}

// NewIntent returns the intent of an Ingress without annotations.
func NewIntent() *Intent {
	return &Intent{Policy: ir.DefaultPolicy(), AccessLog: true}
}

// AddFilter adds a filter to every route of the Ingress.
func (i *Intent) AddFilter(s filter.Spec) { i.Filters = append(i.Filters, s) }

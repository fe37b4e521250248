package filter

import (
	"context"
	"net/http"
)

// Phase is when a filter runs. The order is nginx's, since users wrote their annotations against it:
// redirects answer before limits, limits before access control, access control before rewriting.
type Phase uint8

// The phases in the order in which they run.
const (
	Trust Phase = iota
	// Preflight answers what browsers ask before they send a request (CORS). A redirect would be an error to
	// them, and they bring no credentials.
	Preflight
	Redirect
	Limit
	Access
	Rewrite
	Header
)

// String returns the phase's name.
func (p Phase) String() string {
	return [...]string{"trust", "preflight", "redirect", "limit", "access", "rewrite", "header"}[p]
}

// Action is a filter's verdict on a request.
type Action uint8

const (
	// Continue lets the request go on to the next filter.
	Continue Action = iota
	// Done ends it: the filter has put the answer into the Exchange (Reply, RedirectTo, …).
	Done
)

// Filter looks at a request before it is forwarded. It must not keep the Exchange.
type Filter interface {
	Request(x *Exchange) Action
}

// ResponseFilter also looks at the head of the response before it is sent, the proxy's own answers
// included. Response filters run in the reverse order of requests.
type ResponseFilter interface {
	Filter
	Response(x *Exchange)
}

// Finisher also wants to know when the exchange is over, however it ended. Finish is called exactly
// once for each exchange whose Request was called and returned Continue.
type Finisher interface {
	Filter
	Finish(x *Exchange)
}

// AccessFilter marks the filters that `satisfy: any` combines: each can say yes by itself. Allowed
// must not put an answer into the Exchange unless it returns Done.
type AccessFilter interface {
	Filter
	// AccessKind tells address lists from credentials.
	AccessKind() AccessKind
}

// AccessKind is what an AccessFilter decides by.
type AccessKind uint8

const (
	// ByAddress decides by the client's address alone.
	ByAddress AccessKind = iota
	// ByCredentials decides by what the client sent, and may ask it for more.
	ByCredentials
)

// Spec is a filter before it is built: plain, printable data without state, as it stands in ir.Route.
type Spec interface {
	// Phase says when the filter runs; filters of a phase run in the order of their families.
	Phase() Phase
	// String describes the filter in one line for golden files and debugging. Secrets are left out.
	String() string
	// New builds the filter for one route. If it fails the route answers 503: it is never served
	// without the filter.
	New(env *Env) (Filter, error)
}

// Env is what a Spec may use while it is built. One Env serves all filters of one route.
type Env struct {
	// Route is the identity of the route that is being built.
	Route *Origin
	// HostHasTLS says that the host of the route is named in a TLS section.
	HostHasTLS bool
	// HTTPSPort is the port that redirects to https name where they name one (ir.RedirectSettings); 0 counts
	// as 443.
	HTTPSPort int
	// State keeps what outlives tables: buckets, counters, caches.
	State *State
	// HTTP sends requests of the proxy's own, such as those to an authorization service. It never follows
	// redirects. The context is that of the exchange.
	HTTP http.RoundTripper
	// Errors is told of what goes wrong beside single requests, such as keys that cannot be fetched; nil for nobody.
	Errors func(error)
	// Copies counts what is sent to mirrors; it may be nil.
	Copies *Copies
	// Context ends when the proxy stops.
	Context context.Context
}

// ErrorPage tells how the proxy answers by itself. It is nginx's classic page, so that clients which
// look at the body see what they are used to.
func ErrorPage(status int) string { return pageFor(status) }

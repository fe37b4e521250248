package route

import (
	"github.com/yettproxy/yett/proxy/clientcert"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Table is a compiled ir.Config.
type Table struct {
	// Hosts are all virtual hosts, sorted by name.
	Hosts []*VirtualHost
	// Routes is how many routes there are.
	Routes int

	hosts hostIndex
}

// VirtualHost is what answers to one host name and its aliases.
type VirtualHost struct {
	// Name is the name as in ir.VirtualHost; "" for the catch-all.
	Name string
	// TLS says that a TLS section names the host.
	TLS bool
	// AppRoot is where a request for exactly "/" is sent, or "".
	AppRoot string
	// RedirectHost is where every request is sent with RedirectCode, or "".
	RedirectHost string
	RedirectCode int
	// Deny is the status that answers every request, if not 0.
	Deny int
	// Guard asks for certificates of clients; nil for none.
	Guard *clientcert.Guard
	// Regex says that the paths are regular expressions.
	Regex bool

	paths   pathIndex
	regexes regexIndex
}

// Route is one location, ready to serve.
type Route struct {
	// Origin is its identity.
	Origin filter.Origin
	// Path is the text of its path, which begins with "/"; in regex hosts the pattern without "^".
	Path string
	// Type is how the path is matched; in regex hosts that makes hardly a difference.
	Type ir.PathType
	// Filters are called in this order for the request.
	Filters []filter.Filter
	// Specs are what Filters were made from, in the same order; nil unless Env.Explain is set.
	Specs []filter.Spec
	// Response are those of Filters that look at the response, in the order in which they do: the last
	// filter first.
	Response []filter.ResponseFilter
	// Finishers are those of Filters that want to know the end.
	Finishers []Finisher
	// Split leads to the upstream.
	Split Split
	// Default replaces the upstream while that has no endpoint; nil for none.
	Default *upstream.Upstream
	// Errors says which answers are replaced, and by whose; nil for none.
	Errors *ErrorPages
	// Missing is the status that answers if Split leads nowhere.
	Missing int
	// Policy is how requests are forwarded. Routes with the same policy share it.
	Policy *ir.Policy
	// Plan is the policy made ready for the forwarder; nil for routes that lead nowhere.
	Plan *forward.Plan
	// Metrics counts requests; nil counts nothing.
	Metrics *observe.RouteMetrics
	// AccessLog says whether requests are logged.
	AccessLog bool
	// Deny is the status that answers instead of serving, if not 0; DenyReason says why, for people. Such a
	// route has neither filters nor an upstream.
	Deny       int
	DenyReason string
}

// ErrorPages is the Service that answers instead of errors (custom-http-errors).
type ErrorPages struct {
	// Statuses are what is replaced.
	Statuses ir.Statuses
	// Upstream is asked instead, by Plan; both are nil if the proxy's own pages answer.
	Upstream *upstream.Upstream
	Plan     *forward.Plan
}

// Finisher is a filter that wants to know when the exchange is over. It is told if at least Index+1
// filters let the request go on.
type Finisher struct {
	// Index is the filter's place in Route.Filters.
	Index  int
	Filter filter.Finisher
}

// Match is what a Table knows about a host and a path.
type Match struct {
	// Host is nil if neither the host nor a catch-all is known.
	Host *VirtualHost
	// Route is nil if no path of the host matches: 404.
	Route *Route
	// Slash says that the path lacks only the slash at the end of the route's path: 301 to it.
	Slash bool
	// GaveUp says that a regular expression took too long, so that nobody knows whose request this is: 500, as in nginx.
	GaveUp bool
}

// Match returns what serves a request. host is lower case without port and trailing dot, as wire.Request.Host;
// path is normalised, as wire.Request.Path.
func (t *Table) Match(host, path string) Match {
	e, h := t.hosts.named(host)
	if e != nil && e.count != viaHost {
		r, slash := e.match(path)
		return Match{Host: h, Route: r, Slash: slash}
	}
	if h == nil {
		var gaveUp bool
		if h, gaveUp = t.hosts.other(host); h == nil {
			return Match{GaveUp: gaveUp}
		}
	}
	if h.Regex {
		r, gaveUp := h.regexes.find(path)
		return Match{Host: h, Route: r, GaveUp: gaveUp}
	}
	r, slash := h.paths.find(path)
	return Match{Host: h, Route: r, Slash: slash}
}

// Package route compiles the desired state (ir.Config) into an immutable Table and finds in it, for the
// host and path of a request, the route that serves it: its filters built, its upstreams looked up, its
// metric handles bound. Host and path semantics are those of ingress-nginx.
//
// Compile is pure apart from the registries in its Env. Nothing that a user wrote makes it fail: what
// cannot be built keeps its match and answers 503, since without the match a broader, perhaps open, route
// would catch the path; a Problem says why.
//
// Package proxy and the controllers import it; it imports proxy/forward and everything below that. A Table
// and everything in it is immutable and safe for concurrent use. Match and Choose do not allocate and take
// no lock. A Route does not point to its Table, so a request that lasts for days keeps one route
// alive, not a generation of them.
package route

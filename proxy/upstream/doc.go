// Package upstream owns everything about the servers behind the proxy that outlives a route table:
// endpoints with their localities and idle connections, balancing state, and the registry that keeps
// them by identity. Route tables come and go and point here; endpoint sets are swapped here without any
// table being rebuilt.
//
// Any package of the data plane above proxy/wire may import it, and the controllers publish to it. It
// imports only the standard library and hashing. A Registry, an Upstream and an Endpoint are safe for
// concurrent use; an EndpointSet is immutable once published; a Choice belongs to one exchange.
package upstream

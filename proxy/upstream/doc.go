// Package upstream owns everything about the servers behind the proxy that outlives a route table:
// endpoints with their localities and idle connections, balancing state, and the registry that keeps
// them by identity. Route tables come and go and point here; endpoint sets are swapped here without any
// table being rebuilt.
//
// The words: a Registry keeps Upstreams by Key; an Upstream has an EndpointSet, swapped by Publish; a set
// has Endpoints, which survive it as long as the next one names their Address; an Endpoint has a Pool of
// connections for each Profile, idle ones (Conn) or such that many requests share (Shared). A Choice chooses: Upstream.Pick, and again for a retry.
//
// Any package of the data plane above proxy/wire may import it, and the controllers publish to it. It
// imports only the standard library and hashing. A Registry, an Upstream, an Endpoint and a Pool are safe
// for concurrent use; an EndpointSet is immutable once published; a Choice belongs to one exchange, a
// connection to whoever took it out of its pool. The request path takes no lock but that of one shard of
// one pool, and does not allocate.
package upstream

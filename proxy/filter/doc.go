// Package filter says what may happen to a request between match and forward, and to its response on
// the way back: the Exchange that filters read and change, the Filter interface, the phases they run
// in, and the Spec they are built from.
//
// Filters are immutable and shared by all requests of a route, so they hold no state of their own: what
// must outlive a request lives in a registry handed in with Env. The request path must not allocate:
// compose text in Exchange.Arena, take everything else from compile time.
//
// Everything above proxy/upstream may import it: the annotation families, the route table, the
// forwarder, the observers. It imports proxy/wire and proxy/upstream. An Exchange belongs to one
// goroutine at a time.
package filter

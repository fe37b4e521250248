// Package forward sends one exchange to an endpoint and copies the answer back: the head that upstreams
// see, the choice and reuse of connections, retries, bodies both ways, upgraded connections, and the
// client that goes away in between.
//
// The root of the data plane imports it; it imports proxy/http1, http2, grpc, tunnel, upstream, variable, filter, ir and wire,
// and knows nothing of routes: a Plan holds what a route asks for. A Forwarder and a Plan are safe for
// concurrent use; Do runs on the goroutine of the exchange and returns when the exchange is over.
//
// Endpoints are spoken to in HTTP/1.1, one request a connection at a time (conn), or in HTTP/2, many of them (multiplexed):
// behind the interface call nothing differs. Of gRPC it knows deadlines, and how a response ends that cannot be completed.
//
// The words: a try is one attempt at one endpoint; a flight is one exchange between Do and its end; the
// watch is the one goroutine that looks after flights that wait.
package forward

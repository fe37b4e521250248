// Package listen accepts client connections, does the TLS handshake, keeps account of connections, and
// drains them at the end. It knows nothing of requests: a ConnServer serves each connection.
//
// Draining (reliability R4-40) has three parts. While the delay runs, everything goes on but Draining is
// true, so that engines end each connection with its next response and load balancers have time to learn
// of the end. Then the listeners close, and connections that wait for a request are closed, except that
// each had at least a second to send one: a client that is just about to must not meet a reset. What is
// at work may finish. When the context ends it is cut; tunnels (WebSockets), which would never
// finish, are cut one after the other over the last quarter of that time, so that their clients do not
// come back in one wave.
//
// What a client sends ahead of its protocol is dealt with here: the PROXY header of a load balancer, if the Policy
// demands one, and the server name of a TLS connection that a Diverter may take away unopened. Where neither is
// asked for, a connection costs one atomic load for it.
//
// Package proxy, proxy/stream and cmd may import it; it imports proxy/filter, proxy/preamble and proxy/wire. A Listener is safe for
// concurrent use.
package listen

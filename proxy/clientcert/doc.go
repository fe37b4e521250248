// Package clientcert guards hosts by certificates of clients (auth-tls-*). A handshake only asks for a certificate and has
// the client prove that it owns the key; whether it is good is decided for every request, against the CAs of the host that the
// request is for (nginx: ssl_verify_client, its statuses 495 and 496, and 421). So nothing that outlives a handshake can
// bypass a guard: not a connection that carries requests for several hosts, not a session that is taken up again, not a
// connection that is older than the CAs.
//
// What was found out about a certificate is kept with the connection until it could change, so that only the first request of
// a connection pays for it.
//
// The data plane above proxy/ir may import it; it imports proxy/filter, ir, pattern, variable and wire. A Guard is immutable and
// safe for concurrent use.
package clientcert

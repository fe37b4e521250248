// Package listen accepts client connections, does the TLS handshake, keeps account of connections, and
// drains them at the end. It knows nothing of requests: a ConnServer serves each connection.
//
// Package proxy and cmd may import it; it imports proxy/filter and proxy/wire. A Listener is safe for
// concurrent use.
package listen

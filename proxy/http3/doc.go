// Package http3 is HTTP/3 as the proxy speaks it towards clients: an adapter that puts github.com/quic-go/quic-go under the same
// Exchange and Handler as the other engines. quic-go does QUIC, the frames of RFC 9114 and QPACK; what it has parsed is held to
// the verdicts of package wire, as in package http2, and nothing behind the adapter sees net/http.
//
// What an adapter costs: quic-go keeps fields in maps, so their order among different names is lost (they are sorted, so that it
// is at least always the same), and every request allocates. Heads are quic-go's, so client-header-timeout holds
// for the first request of a connection, and the idle time between requests, whatever packets come; a slow head beside other requests is bounded only by the
// limit of streams. Each connection has an http3.Server of its own, since only that can tell one client to go elsewhere (keep-alive-requests).
// Early data (0-RTT) are not accepted, WebSockets not offered, and who a client is does not change when it migrates.
//
// Package proxy may import it; it imports proxy/wire and proxy/filter. A Server is safe for concurrent use. A stream belongs to
// one goroutine, except that its body may be read by another than the one that writes the response, and that Abort, Interrupt
// and Gone may come from any.
package http3

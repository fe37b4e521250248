package filter

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// Origin is the identity of a route: the Ingress it came from and the Service it leads to. It is what
// logs, metrics and state are keyed and labelled by.
type Origin struct {
	// Namespace and Ingress name the object that contributed the route.
	Namespace, Ingress string
	// Service and ServicePort name where it leads; "" for routes without a Service.
	Service, ServicePort string
	// Host and Path are those of the Ingress rule, not of a request. Host is "" for the catch-all.
	Host, Path string
}

// Conn is what all exchanges of one client connection share. It is read-only once the first exchange
// begins, except for Requests.
type Conn struct {
	// Serial numbers the connections of the process ($connection).
	Serial uint64
	// Peer and Local are the ends of the TCP connection.
	Peer, Local netip.AddrPort
	// ProxyProtocol is the client that the PROXY header of a trusted peer named, ProxyProtocolLocal what that client
	// connected to; both are invalid if there was no header, or none that is believed.
	ProxyProtocol, ProxyProtocolLocal netip.AddrPort
	// Raw is the socket of the client, below TLS: the forwarder looks through it whether the client is
	// still there. nil if there is none to look at.
	Raw syscall.RawConn
	// TLS is the state of the handshake, or nil on a cleartext connection.
	TLS *tls.ConnectionState
	// Certificate keeps what a guard found out about the certificate in TLS; nil without TLS.
	Certificate *atomic.Pointer[ClientCertificate]
	// HTTPS says that the connection came in on the https listener.
	HTTPS bool
	// Requests counts the exchanges begun on the connection ($connection_requests).
	Requests int
	// Watch is told what the connection is doing, so that drain closes only those that wait; nil for
	// nobody. The engine calls it.
	Watch ConnWatcher
}

// ConnWatcher learns from an engine what a connection is doing. Its methods are cheap and may be called
// for every request. A connection begins as active.
type ConnWatcher interface {
	// Idle says that the connection waits for its next request: every response is complete. It returns
	// false if the connection is to be closed now instead.
	Idle() bool
	// Active says that the first byte of a request has come. It returns false if the connection is being
	// closed already and the request must not be begun.
	Active() bool
	// Tunnel says that the connection was taken over by Hijack: it may live long after drain began.
	Tunnel()
}

// Attempt is one try to get an answer from an endpoint, for the access log and the metrics.
type Attempt struct {
	Endpoint upstream.Address
	// Status is what it answered; 502 and 504 stand for no answer, as in nginx; 0 for none yet.
	Status int
	// Failure says why there is no answer, or no complete one.
	Failure upstream.Failure
	// Bytes is the length of the response body received.
	Bytes int64
	// Connect, Header and Total are how long each part took since the try began; negative if it was not
	// reached.
	Connect, Header, Total time.Duration
}

// MaxAttempts is how many attempts an Exchange remembers, and the most a request may take.
const MaxAttempts = 8

// Exchange is one request on its way through the proxy and its response on the way back. It is made
// once for each connection or stream and reset for each request; nobody may keep it or a string out of it
// beyond the request.
type Exchange struct {
	// Request is what the client sent. Filters do not change its Fields: what is to reach the upstream
	// otherwise goes into Overrides, so that logs and later filters see what the client said.
	Request wire.Request
	// Stream is the client's side: the request body, and the way back.
	Stream wire.Stream
	// Response is the answer as it will be sent. Response filters may change it.
	Response wire.Response
	// Arena holds text composed for this exchange.
	Arena wire.Arena
	// Conn is the connection it came on.
	Conn *Conn

	// Client is the real address of the client: the peer's, or what a trusted peer said it is.
	Client netip.Addr
	// ClientText is Client as text.
	ClientText string
	// Scheme is "http" or "https" as the client saw it; trusted peers may say so. It becomes
	// X-Forwarded-Proto.
	Scheme string
	// ForwardedHost and ForwardedPort become X-Forwarded-Host and X-Forwarded-Port.
	ForwardedHost, ForwardedPort string
	// ForwardedFor is the X-Forwarded-For that is sent upstream.
	ForwardedFor string
	// RequestID is the client's X-Request-ID, or one made for the request.
	RequestID string
	// Start is when the head was complete.
	Start time.Time
	// End is when the response was sent or given up; zero before.
	End time.Time
	// User is the name that authentication established, for $remote_user.
	User string

	// Certificate is what the guard of the host found out about the client's certificate; nil if the host has no guard
	// or the client no certificate.
	Certificate *ClientCertificate

	// Route is the identity of the matched route, or nil as long as none is.
	Route *Origin
	// Upstream is where the request goes; filters that must know run after access control.
	Upstream upstream.Key
	// Canary is the name of the alternative upstream if the request goes there, for logs and metrics.
	Canary string
	// Target replaces Request.Target towards the upstream, if not "".
	Target string
	// Tap sees the body on its way to the upstream; nil for nobody.
	Tap BodyTap
	// UpstreamHost replaces the Host field towards the upstream, if not "".
	UpstreamHost string
	// Overrides are fields for the upstream: each replaces all fields of its name that the client sent.
	// An empty value removes them.
	Overrides wire.Fields
	// ResponseAdd are fields that will be added to the response, whoever gives it: cookies of an
	// authorization service, affinity cookies.
	ResponseAdd wire.Fields

	// AuthCookies are Set-Cookie values of an authorization service. The filter that put them here adds them to
	// the response once its status is known, since some statuses do not get them.
	AuthCookies []string

	// Attempts are the tries to get an answer, the last one last; NumAttempts says how many there are.
	Attempts    [MaxAttempts]Attempt
	NumAttempts int

	// TunnelIn and TunnelOut are the bytes that went through an upgraded connection, from the client and
	// to it. The Stream does not count them.
	TunnelIn, TunnelOut int64

	// Local says that the answer is the proxy's own; Body is its body.
	Local bool
	Body  string
	// CloseAfter asks the engine to close the connection after this exchange.
	CloseAfter bool
	// ClientGone says that the client went away before the answer was complete (499 in the log).
	ClientGone bool
}

// Reset empties the exchange for the next request of the same connection and keeps its memory.
func (x *Exchange) Reset() {
	x.Request.Reset()
	x.Response.Reset()
	x.Arena.Reset()
	x.Overrides.Reset()
	x.ResponseAdd.Reset()
	clear(x.AuthCookies)
	*x = Exchange{
		Request: x.Request, Response: x.Response, Arena: x.Arena, Overrides: x.Overrides,
		ResponseAdd: x.ResponseAdd, AuthCookies: x.AuthCookies[:0], Conn: x.Conn, Stream: x.Stream,
	}
}

// Override makes the upstream see exactly one field of this name with this value, or none if it is "".
func (x *Exchange) Override(name, value string) { x.Overrides.Set(name, value) }

// Reply answers the request with nginx's page for a status. Only status, Content-Type and the body are
// set; response filters and the engine add the rest.
func (x *Exchange) Reply(status int) {
	x.ReplyText(status, "text/html", pageFor(status))
}

// ReplyText answers the request with a body of the proxy's own. The body must be constant or from the Arena.
func (x *Exchange) ReplyText(status int, contentType, body string) {
	x.Response.Reset()
	x.Response.Status = status
	x.Response.Length = int64(len(body))
	if contentType != "" {
		x.Response.Fields.AddKnown(wire.ContentType, contentType)
	}
	x.Local, x.Body = true, body
}

// RedirectTo answers the request with a redirect; location must be constant or from the Arena.
func (x *Exchange) RedirectTo(status int, location string) {
	x.Reply(status)
	x.Response.Fields.AddKnown(wire.Location, location)
}

// Attempt begins the record of the next try and returns it, or the last one again if there is no room.
func (x *Exchange) Attempt() *Attempt {
	if x.NumAttempts < MaxAttempts {
		x.NumAttempts++
	}
	a := &x.Attempts[x.NumAttempts-1]
	*a = Attempt{Connect: -1, Header: -1, Total: -1}
	return a
}

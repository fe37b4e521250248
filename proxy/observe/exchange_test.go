package observe

import (
	"net/netip"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// sentStream is the client's side as far as metrics and logs ask it: how much went each way.
type sentStream struct {
	wire.Stream
	total, body, received int64
}

func (s *sentStream) Written() (int64, int64) { return s.total, s.body }
func (s *sentStream) Received() int64         { return s.received }

// route is the identity that the exchanges of the tests have.
var route = filter.Origin{Namespace: "shop", Ingress: "web", Service: "cart", ServicePort: "80", Host: "a.test", Path: "/api"}

// newExchange returns an exchange as it stands after an ordinary request.
func newExchange() *filter.Exchange {
	origin := route
	start := time.Date(2026, 11, 22, 12, 49, 0, 0, time.UTC)
	x := &filter.Exchange{
		Stream: &sentStream{total: 1234, body: 1000, received: 10},
		Conn: &filter.Conn{
			Serial: 42, Peer: netip.MustParseAddrPort("10.0.0.9:5555"), Local: netip.MustParseAddrPort("10.0.0.1:80"),
		},
		Client: netip.MustParseAddr("203.0.113.5"), ClientText: "203.0.113.5", Scheme: "http",
		RequestID: "0123456789abcdef0123456789abcdef", Start: start, End: start.Add(12 * time.Millisecond), Route: &origin,
	}
	x.Request.Method, x.Request.Target, x.Request.Path, x.Request.Host = "GET", "/api/things?a=1", "/api/things", "a.test"
	x.Request.Query, x.Request.Authority, x.Request.Major, x.Request.Minor = "a=1", "a.test", 1, 1
	x.Request.HeadBytes = 300
	x.Request.Fields.Add("Host", "a.test")
	x.Request.Fields.Add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
	x.Request.Fields.Add("Referer", "https://a.test/start")
	x.Response.Status = 200
	a := x.Attempt()
	a.Endpoint = upstream.Address{AddrPort: netip.MustParseAddrPort("10.1.0.2:8080")}
	a.Status, a.Bytes = 200, 1000
	a.Connect, a.Header, a.Total = time.Millisecond, 10*time.Millisecond, 11*time.Millisecond
	return x
}

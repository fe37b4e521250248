package proxy

// Whom to believe. A client can write anything into X-Forwarded-For; a load balancer in front of the
// proxy writes the truth into it. Which of the two a peer is, is configuration (proxy-real-ip-cidr), and
// by default nobody is believed: the client is the peer of the connection, and what it says about itself
// is replaced.
//
// Where connections begin with PROXY headers (use-proxy-protocol) a trusted peer is believed by its header alone, and
// X-Forwarded-For never: it comes from behind the load balancer, where clients write. Scheme and host are then taken over if
// the address that the header names is trusted, too.
//
// The surprise is nginx's: the trusted networks default to the whole Internet, so that switching
// use-forwarded-headers on believes everybody, and the client is then the first address of the list.

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/wire"
)

// trust is ir.TrustSettings made ready for requests. It is immutable.
type trust struct {
	settings ir.TrustSettings
	// everybody says that all networks are trusted, the default.
	everybody bool
	proxies   *bart.Lite
	header    wire.ID
	// proxyHeader is a field that tells upstreams the client, or "".
	proxyHeader string
}

// newTrust compiles settings.
func newTrust(s ir.TrustSettings) *trust {
	t := &trust{settings: s, proxies: new(bart.Lite), header: wire.Lookup(s.ForwardedForHeader)}
	if h := s.ProxyHeader; s.ProxyProtocol && !wire.EqualFold(h, "X-Forwarded-For") {
		t.proxyHeader = h
	}
	all4, all6 := false, false
	for _, p := range s.Proxies {
		t.proxies.Insert(p)
		all4 = all4 || p.Bits() == 0 && p.Addr().Is4()
		all6 = all6 || p.Bits() == 0 && p.Addr().Is6()
	}
	t.everybody = all4 && all6
	return t
}

// trusts reports whether an address is that of a trusted proxy.
func (t *trust) trusts(a netip.Addr) bool {
	return t.everybody || t.proxies.Contains(a)
}

// peerOf returns who is at the other end of a connection: whom a PROXY header named, or who opened it.
func peerOf(c *filter.Conn) netip.Addr {
	if c.ProxyProtocol.IsValid() {
		return c.ProxyProtocol.Addr().Unmap().WithZone("")
	}
	return c.Peer.Addr().Unmap().WithZone("")
}

// apply finds out who the client is and how it reached us, and what the upstream is told about it.
func (t *trust) apply(x *filter.Exchange) {
	peer := peerOf(x.Conn)
	x.Client = peer
	x.Scheme, x.ForwardedPort = "http", ""
	if x.Conn.TLS != nil || x.Conn.HTTPS {
		x.Scheme, x.ForwardedPort = "https", "443"
	} else {
		x.ForwardedPort = portText(x, x.Conn.Local.Port())
		if x.Conn.ProxyProtocolLocal.Port() == 443 {
			x.Scheme, x.ForwardedPort = "https", "443" // the load balancer ended TLS: as ingress-nginx sees it
		}
	}
	x.ForwardedHost = x.Request.Authority
	believed := (t.settings.UseForwardedHeaders || t.settings.RealIP) && t.trusts(peer)
	if believed && !t.settings.ProxyProtocol {
		x.Client = t.realClient(&x.Request, peer)
	}
	x.ClientText = addrText(x, x.Client)
	if t.proxyHeader != "" {
		x.Override(t.proxyHeader, x.ClientText)
	}
	if believed && t.settings.UseForwardedHeaders {
		t.adopt(x)
	}
	x.ForwardedFor = x.ClientText
	if t.settings.ComputeFull && believed && t.settings.UseForwardedHeaders {
		x.ForwardedFor = fullList(x, peer)
	}
	t.identify(x)
}

// fullList returns what all X-Forwarded-For fields say, and the peer. Leaving one out would let a client move itself
// to where the upstream expects a proxy.
func fullList(x *filter.Exchange, peer netip.Addr) string {
	list := ""
	fields := x.Request.Fields.All()
	for i := range fields {
		switch f := &fields[i]; {
		case f.ID != wire.XForwardedFor || f.Value == "":
		case list == "":
			list = f.Value
		default:
			list = x.Arena.Concat(list, ", ", f.Value)
		}
	}
	if list == "" {
		return addrText(x, peer)
	}
	return x.Arena.Concat(list, ", ", addrText(x, peer))
}

// realClient walks the addresses that the fields hold from the end, where the nearest proxy wrote, to the first one
// that is not a trusted proxy (nginx: real_ip_recursive on). Several fields are one list (RFC 9110 section 5.3): HAProxy
// adds a field of its own.
func (t *trust) realClient(r *wire.Request, peer netip.Addr) netip.Addr {
	client, more := peer, true
	fields := r.Fields.All()
	for i := len(fields) - 1; i >= 0 && more; i-- {
		f := &fields[i]
		if f.ID == t.header && (f.ID != wire.Other || wire.EqualFold(f.Name, t.settings.ForwardedForHeader)) {
			client, more = t.walk(f.Value, client)
		}
	}
	return client
}

// walk is realClient for one field. It returns false where the walk ends. Text that is no address ends it: what stands
// before that cannot have been written by somebody we trust.
func (t *trust) walk(list string, client netip.Addr) (_ netip.Addr, more bool) {
	for list != "" {
		var last string
		if i := strings.LastIndexByte(list, ','); i >= 0 {
			list, last = list[:i], list[i+1:]
		} else {
			list, last = "", list
		}
		last = strings.TrimSpace(last)
		if last == "" {
			continue
		}
		a, ok := parseAddr(last)
		if !ok {
			return client, false
		}
		client = a
		if !t.trusts(a) {
			return client, false
		}
	}
	return client, true
}

// parseAddr reads an address with or without a port, as proxies write them.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.Count(s, ":") == 1 || s[0] == '[' {
		if ap, err := netip.ParseAddrPort(s); err == nil {
			return ap.Addr().Unmap().WithZone(""), true
		}
		s = strings.Trim(s, "[]")
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// adopt takes scheme, host and port over from a trusted peer.
func (t *trust) adopt(x *filter.Exchange) {
	f := &x.Request.Fields
	switch proto := first(f.Value(wire.XForwardedProto)); {
	case wire.EqualFold(proto, "https") || wire.EqualFold(proto, "wss"): // as Traefik calls a WebSocket that it took the TLS off
		x.Scheme, x.ForwardedPort = "https", "443"
	case wire.EqualFold(proto, "http"):
		x.Scheme = "http"
	}
	if port := first(f.Value(wire.XForwardedPort)); isPort(port) {
		x.ForwardedPort = port
	}
	if host := first(f.Value(wire.XForwardedHost)); host != "" {
		if _, ok := wire.ParseHost(host, &x.Arena); ok {
			x.ForwardedHost = host
		}
	}
}

// first returns the first element of a list.
func first(list string) string {
	if i := strings.IndexByte(list, ','); i >= 0 {
		list = list[:i]
	}
	return strings.TrimSpace(list)
}

// isPort reports whether s is a port number.
func isPort(s string) bool {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i > 4 {
			return false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n > 0 && n < 1<<16
}

// identify keeps the client's X-Request-ID or makes one of 16 random bytes, in hex as nginx does. What is too long or too
// odd for an identifier is replaced (reliability S-D1): it ends up in logs, traces and everybody's dashboards.
func (t *trust) identify(x *filter.Exchange) {
	if id := x.Request.Fields.Value(wire.XRequestID); isRequestID(id) {
		x.RequestID = id
		return
	}
	if !t.settings.GenerateRequestID {
		return
	}
	const digits = "0123456789abcdef"
	b := x.Arena.Begin()
	for range 2 {
		v := rand.Uint64()
		for range 16 {
			b = append(b, digits[v>>60])
			v <<= 4
		}
	}
	x.RequestID = x.Arena.End(b)
}

// maxRequestID is the longest X-Request-ID in bytes that is taken from a client.
const maxRequestID = 128

// isRequestID reports whether a client's X-Request-ID is kept: UUIDs, numbers, base64 and the like.
func isRequestID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
		case c == '-', c == '_', c == '.', c == ':', c == '=', c == '+', c == '/', c == '~', c == '@', c == ';', c == ',', c == '|':
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// addrText returns an address as text in the arena.
func addrText(x *filter.Exchange, a netip.Addr) string {
	return x.Arena.End(a.AppendTo(x.Arena.Begin()))
}

// portText returns a port as text, the usual ones without composing it.
func portText(x *filter.Exchange, port uint16) string {
	switch port {
	case 80:
		return "80"
	case 443:
		return "443"
	}
	return x.Arena.End(strconv.AppendUint(x.Arena.Begin(), uint64(port), 10))
}

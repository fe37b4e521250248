package variable

import (
	"net/netip"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// append appends the escaped value of the variable, and says whether it has one. What has none leaves dst
// as it was.
func (o *op) append(dst []byte, x *filter.Exchange, e Escape) ([]byte, bool) {
	switch o.kind {
	case kindView:
		s, found := viewOf(o.code, x)
		return escape(dst, s, e), found
	case kindRoute:
		s, found := routeText(o.code, x)
		return escape(dst, s, e), found
	case kindField:
		return o.appendField(dst, x, e)
	case kindNumber:
		return o.appendNumber(dst, x)
	case kindAttempts:
		return appendAttempts(dst, x, o.code)
	case kindTLS:
		return appendTLS(dst, x, o.code, e)
	case kindComposed:
		return appendComposed(dst, x, o.code, e)
	}
	return dst, false
}

// viewOf returns text that the exchange holds.
func viewOf(c code, x *filter.Exchange) (string, bool) {
	r := &x.Request
	switch c {
	case method:
		return r.Method, r.Method != ""
	case target:
		return r.Target, r.Target != ""
	case path:
		return r.Path, r.Path != ""
	case query:
		return r.Query, r.Query != ""
	case isArgs:
		if r.Query != "" {
			return "?", true
		}
		return "", true
	case host:
		if r.Host != "" {
			return r.Host, true
		}
		return routeText(serverName, x)
	case authority:
		return r.Authority, r.Authority != ""
	case protocol:
		return protocolOf(r), r.Major != 0
	case scheme:
		return schemeOf(x), true
	case https:
		if x.Conn != nil && x.Conn.HTTPS {
			return "on", true
		}
		return "", true
	}
	return forwardedView(c, x)
}

// forwardedView returns text that was found out about the request.
func forwardedView(c code, x *filter.Exchange) (string, bool) {
	switch c {
	case forwardedScheme:
		return x.Scheme, true
	case forwardedHost:
		if x.ForwardedHost != "" {
			return x.ForwardedHost, true
		}
		return x.Request.Authority, x.Request.Authority != ""
	case forwardedPort:
		return x.ForwardedPort, x.ForwardedPort != ""
	case forwardedFor:
		return x.ForwardedFor, x.ForwardedFor != ""
	case requestID:
		return x.RequestID, x.RequestID != ""
	case clientText:
		return x.ClientText, x.ClientText != ""
	case completion:
		if x.ClientGone {
			return "", true
		}
		return "OK", true
	case http2:
		if x.Request.Major == 2 {
			return "h2", true
		}
	}
	return "", false
}

// protocolOf returns the version of a request as nginx spells it.
func protocolOf(r *wire.Request) string {
	switch {
	case r.Major == 1 && r.Minor == 1:
		return "HTTP/1.1"
	case r.Major == 1:
		return "HTTP/1.0"
	case r.Major == 2:
		return "HTTP/2.0"
	case r.Major == 3:
		return "HTTP/3.0"
	}
	return ""
}

// schemeOf returns the scheme of the listener, whatever trusted peers say.
func schemeOf(x *filter.Exchange) string {
	switch {
	case x.Conn == nil:
		return x.Scheme
	case x.Conn.HTTPS:
		return "https"
	}
	return "http"
}

// routeText returns text from the identity of the matched route. Where none matched it is what
// ingress-nginx sets in the location of its default backend.
func routeText(c code, x *filter.Exchange) (string, bool) {
	if c == alternative {
		return x.Canary, true
	}
	if x.Route == nil {
		switch c {
		case serverName:
			return "_", true
		case locationPath:
			return "/", true
		}
		return "", true
	}
	switch c {
	case serverName:
		if x.Route.Host == "" {
			return "_", true
		}
		return x.Route.Host, true
	case namespace:
		return x.Route.Namespace, true
	case ingressName:
		return x.Route.Ingress, true
	case serviceName:
		return x.Route.Service, true
	case servicePort:
		return x.Route.ServicePort, true
	case locationPath:
		return x.Route.Path, true
	}
	return "", false
}

// appendNumber appends a number, time or address. None of them needs escaping.
func (o *op) appendNumber(dst []byte, x *filter.Exchange) ([]byte, bool) {
	switch o.code {
	case status:
		s := Status(x)
		return append(dst, byte('0'+s/100%10), byte('0'+s/10%10), byte('0'+s%10)), true
	case bodySent:
		_, body := written(x)
		return appendInt(dst, body), true
	case bytesSent:
		total, _ := written(x)
		return appendInt(dst, total), true
	case requestLength:
		return appendInt(dst, RequestLength(x)), true
	case requestTime:
		return appendSeconds(dst, Duration(x)), true
	case msec:
		ms := endOf(x).UnixMilli()
		dst = appendInt(dst, ms/1000)
		return appendMillis(dst, ms%1000), true
	case timeLocal:
		return append(dst, o.clock.text(endOf(x)).local...), true
	case timeISO:
		return append(dst, o.clock.text(endOf(x)).iso...), true
	}
	if x.Conn == nil {
		return dst, false
	}
	return appendConn(dst, x.Conn, o.code)
}

// appendConn appends a number or address of the connection.
func appendConn(dst []byte, c *filter.Conn, what code) ([]byte, bool) {
	switch what {
	case connection:
		return appendInt(dst, int64(c.Serial)), true
	case connectionRequests:
		return appendInt(dst, int64(c.Requests)), true
	case peerAddr:
		return appendAddr(dst, c.Peer.Addr())
	case peerPort:
		return appendPort(dst, c.Peer)
	case localAddr:
		return appendAddr(dst, c.Local.Addr())
	case localPort:
		return appendPort(dst, c.Local)
	case proxyProtocolAddr:
		return appendAddr(dst, c.ProxyProtocol.Addr())
	case proxyProtocolPort:
		return appendPort(dst, c.ProxyProtocol)
	case proxyProtocolLocalAddr:
		return appendAddr(dst, c.ProxyProtocolLocal.Addr())
	case proxyProtocolLocalPort:
		return appendPort(dst, c.ProxyProtocolLocal)
	case clientPort:
		if c.ProxyProtocol.IsValid() {
			return appendPort(dst, c.ProxyProtocol)
		}
		return appendPort(dst, c.Peer)
	}
	return dst, false
}

func appendAddr(dst []byte, a netip.Addr) ([]byte, bool) {
	if !a.IsValid() {
		return dst, false
	}
	return a.Unmap().AppendTo(dst), true
}

// appendAddrPort appends "10.1.0.2:8080" or "[fd00::2]:8080".
func appendAddrPort(dst []byte, a netip.AddrPort) []byte {
	addr := a.Addr().Unmap()
	if addr.Is4() {
		for i, b := range addr.As4() {
			if i > 0 {
				dst = append(dst, '.')
			}
			dst = appendInt(dst, int64(b))
		}
	} else {
		dst = append(addr.AppendTo(append(dst, '[')), ']')
	}
	return appendInt(append(dst, ':'), int64(a.Port()))
}

func appendPort(dst []byte, a netip.AddrPort) ([]byte, bool) {
	if !a.IsValid() {
		return dst, false
	}
	return appendInt(dst, int64(a.Port())), true
}

// appendInt appends a number that is not negative, in half the time that strconv takes for small ones.
func appendInt(dst []byte, n int64) []byte {
	var digits [20]byte
	i := len(digits)
	for u := uint64(max(n, 0)); ; u /= 10 {
		i--
		digits[i] = byte('0' + u%10)
		if u < 10 {
			return append(dst, digits[i:]...)
		}
	}
}

// appendSeconds appends a duration as nginx does: seconds with three decimals, cut, not rounded.
func appendSeconds(dst []byte, d time.Duration) []byte {
	ms := max(d.Milliseconds(), 0)
	dst = appendInt(dst, ms/1000)
	return appendMillis(dst, ms%1000)
}

func appendMillis(dst []byte, ms int64) []byte {
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

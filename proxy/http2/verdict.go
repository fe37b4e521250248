package http2

import (
	"net/http"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// finish decides about a head as a whole.
func (h *headParser) finish(s *stream) {
	r := &s.x.Request
	r.Major, r.Minor, r.KeepAlive = 2, 0, true
	r.HeadBytes = h.bytes
	if h.bad != "" || h.no.status == http.StatusRequestHeaderFieldsTooLarge {
		h.setLength(r)
		return
	}
	h.joinCookies(s)
	h.setTarget(s)
	if h.bad == "" && h.no.status == 0 {
		h.setHost(s)
	}
	h.setLength(r)
	if h.expectOther {
		h.refuse(http.StatusExpectationFailed, "unknown expectation")
	}
	r.ExpectContinue = h.expectContinue && r.Length != 0
	s.hops = h.hops
}

// joinCookies makes one field of the crumbs.
func (h *headParser) joinCookies(s *stream) {
	if h.cookieAt < 0 {
		return
	}
	f := s.x.Request.Fields.At(h.cookieAt)
	if len(h.crumbs) > 0 {
		b := append(s.x.Arena.Begin(), f.Value...)
		for _, crumb := range h.crumbs {
			b = append(append(b, "; "...), crumb...)
		}
		f.Value = s.x.Arena.End(b)
		clear(h.crumbs)
	}
	if len("cookie: ")+len(f.Value) > h.limits.LineBytes {
		h.refuse(http.StatusRequestHeaderFieldsTooLarge, "field too long")
	}
}

// setTarget checks method, scheme and path.
func (h *headParser) setTarget(s *stream) {
	r := &s.x.Request
	switch {
	case h.seen&pseudoMethod == 0 || !wire.IsToken(r.Method):
		h.malformed("malformed method")
		return
	case h.seen&pseudoProtocol != 0 && r.Method != http.MethodConnect:
		h.malformed("protocol without CONNECT")
		return
	case r.Method == http.MethodConnect && h.seen&pseudoProtocol == 0:
		h.refuse(http.StatusMethodNotAllowed, "method not allowed")
		return
	case h.seen&pseudoScheme == 0 || !wire.EqualFold(h.scheme, "http") && !wire.EqualFold(h.scheme, "https"):
		h.malformed("malformed scheme")
		return
	case h.path == "" || h.path[0] != '/' && h.path != "*":
		h.malformed("malformed path")
		return
	case len(r.Method)+len(h.path)+len("  HTTP/1.1") > h.limits.LineBytes:
		h.refuse(http.StatusRequestURITooLong, "request target too long")
		return
	case h.path == "*" && r.Method != http.MethodOptions:
		h.refuse(http.StatusBadRequest, "malformed request target")
		return
	}
	if r.Method == http.MethodConnect {
		if h.setSocket(s); !s.socket {
			return
		}
	}
	if status := r.SetTarget(h.path, &s.x.Arena); status != 0 {
		reason := "malformed request target"
		if status == http.StatusMethodNotAllowed {
			reason = "method not allowed"
		}
		h.refuse(status, reason)
	}
}

// setHost decides which host the request is for.
func (h *headParser) setHost(s *stream) {
	r := &s.x.Request
	authority := h.authority
	switch {
	case strings.IndexByte(authority, '@') >= 0:
		h.malformed("user information in the authority") // RFC 9113 section 8.3.1
		return
	case h.hosts > 1, h.hosts == 1 && authority != "" && !wire.EqualFold(h.host, authority):
		h.refuse(http.StatusBadRequest, "more than one host")
		return
	case authority == "":
		authority = h.host
	}
	host, ok := wire.ParseHost(authority, &s.x.Arena)
	switch {
	case authority == "":
		h.refuse(http.StatusBadRequest, "no host")
	case !ok:
		h.refuse(http.StatusBadRequest, "malformed host")
	default:
		r.Host, r.Authority = host, authority
		if h.hosts == 0 {
			r.Fields.AddKnown(wire.Host, authority) // as nginx does, for $http_host
		}
	}
}

// setLength decides how long the body is.
func (h *headParser) setLength(r *wire.Request) {
	switch {
	case h.end && h.declared > 0:
		h.malformed("content-length without a body")
	case h.end || r.Upgrade:
		r.Length = 0
	case h.declared >= 0:
		r.Length = h.declared
	default:
		r.Length = wire.Unknown
	}
}

package proxy

import (
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/route"
)

// refusal is who answers a request before any filter sees it.
type refusal uint8

const (
	byNobody       refusal = iota
	byBlockList            // block-cidrs and its like
	byDoubt                // an expression took too long, so nobody knows whose request this is
	byCertificate          // the guard of the host
	byDeniedHost           // a guard of the host could not be built
	byMovedHost            // from-to-www-redirect
	byAppRoot              // app-root
	byHealthCheck          // the proxy's own
	byUnknownPath          // 404
	byMissingSlash         // /foo to /foo/
	byDeniedRoute          // a guard of the route could not be built
)

// turnAway answers what is decided before the filters of a route, and says who did.
func (p *Proxy) turnAway(x *filter.Exchange, s *snapshot, m *route.Match) refusal {
	switch {
	case s.settings.block != nil && s.settings.block.blocks(x.Client, &x.Request):
		x.Reply(403)
		return byBlockList
	case m.GaveUp:
		x.Reply(500)
		return byDoubt
	case m.Host != nil && m.Host.Guard != nil && m.Host.Deny == 0 && !m.Host.Guard.Admit(x):
		return byCertificate
	}
	if by := p.answerForHost(x, s, m); by != byNobody {
		return by
	}
	if m.Route.Deny != 0 {
		x.Reply(m.Route.Deny)
		return byDeniedRoute
	}
	return byNobody
}

// answerForHost answers what a host decides before any of its routes: denial, redirects of the whole
// host, the path nobody claimed, the missing slash.
func (p *Proxy) answerForHost(x *filter.Exchange, s *snapshot, m *route.Match) refusal {
	if h := m.Host; h != nil {
		switch {
		case h.Deny != 0:
			x.Reply(h.Deny)
			return byDeniedHost
		case h.RedirectHost != "":
			x.RedirectTo(h.RedirectCode, hostRedirect(x, h.RedirectHost))
			return byMovedHost
		case h.AppRoot != "" && x.Request.Path == "/":
			x.RedirectTo(302, rootRedirect(x, h.AppRoot, s.settings.redirect.Relative))
			return byAppRoot
		}
	}
	switch {
	case x.Request.Path == p.options.HealthPath && (m.Host == nil || m.Host.Name == "") &&
		(m.Route == nil || m.Route.Path != p.options.HealthPath): // a rule for that very path goes first
		x.ReplyText(200, "text/plain", "")
		return byHealthCheck
	case m.Route == nil:
		x.Reply(404)
		return byUnknownPath
	case m.Slash:
		x.RedirectTo(301, slashRedirect(x, m.Route))
		return byMissingSlash
	}
	return byNobody
}

// hostRedirect is the Location of from-to-www-redirect: the other name, always with the port, and the
// raw URI less one trailing slash, as ingress-nginx writes it.
func hostRedirect(x *filter.Exchange, host string) string {
	return x.Arena.Concat(x.Scheme, "://", host, ":", x.ForwardedPort, strings.TrimSuffix(x.Request.Target, "/"))
}

// rootRedirect is the Location of app-root: scheme of the connection and Host field as sent.
func rootRedirect(x *filter.Exchange, root string, relative bool) string {
	if relative {
		return root
	}
	scheme := "http"
	if x.Conn.TLS != nil {
		scheme = "https"
	}
	slash := ""
	if !strings.HasPrefix(root, "/") {
		slash = "/"
	}
	return x.Arena.Concat(scheme, "://", x.Request.Authority, slash, root)
}

// slashRedirect is the Location of the automatic redirect from /foo to /foo/: the path of the route, which
// is the request's plus the slash, and the query.
func slashRedirect(x *filter.Exchange, r *route.Route) string {
	query, mark := x.Request.Query, ""
	if strings.IndexByte(x.Request.Target, '?') >= 0 {
		mark = "?"
	}
	path := escapedPath(x, r.Path)
	if r.Policy.RelativeRedirects || x.Request.Host == "" {
		return x.Arena.Concat(path, mark, query)
	}
	port, colon := "", ""
	if r.Policy.PortInRedirects && !(x.Scheme == "https" && x.ForwardedPort == "443") && !(x.Scheme == "http" && x.ForwardedPort == "80") {
		port, colon = x.ForwardedPort, ":"
	}
	return x.Arena.Concat(x.Scheme, "://", x.Request.Host, colon, port, path, mark, query)
}

// escapedPath returns the path of a rule, which is text as it is matched, as it stands in a URI: with the bytes
// percent-encoded that nginx encodes.
func escapedPath(x *filter.Exchange, path string) string {
	const digits, odd = "0123456789ABCDEF", " \"#%<>?\\^`{|}"
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(odd, c) < 0 }
	n := 0
	for n < len(path) && plain(path[n]) {
		n++
	}
	if n == len(path) {
		return path
	}
	b := append(x.Arena.Begin(), path[:n]...)
	for _, c := range []byte(path[n:]) {
		if plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return x.Arena.End(b)
}

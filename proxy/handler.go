package proxy

import (
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/compress"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/wire"
)

// ServeExchange takes one exchange from its head to its end: trust, match, filters, canary choice,
// forwarding, response, log. It is called by the engines, on the goroutine of the connection or stream.
func (p *Proxy) ServeExchange(x *filter.Exchange) {
	s := p.current.Load()
	if x.Start.IsZero() {
		x.Start = time.Now()
	}
	s.settings.trust.apply(x)
	m := s.table.Match(x.Request.Host, x.Request.Path)
	d := p.dispositions.Get().(*disposition)
	*d = disposition{proxy: p, snapshot: s, host: m.Host, route: m.Route}
	if m.Route != nil {
		x.Route = &m.Route.Origin
	}
	switch {
	case s.settings.block != nil && s.settings.block.blocks(x.Client, &x.Request):
		x.Reply(403)
	case m.GaveUp:
		x.Reply(500)
	case m.Host != nil && m.Host.Guard != nil && m.Host.Deny == 0 && !m.Host.Guard.Admit(x):
	case p.answerForHost(x, s, &m):
	case m.Route.Deny != 0:
		x.Reply(m.Route.Deny)
	default:
		d.run(x)
	}
	if x.Local && x.Response.Status != 0 && !d.responded {
		d.answer(x)
	}
	d.finish(x)
	*d = disposition{}
	p.dispositions.Put(d)
}

// answerForHost answers what a host decides before any of its routes: denial, redirects of the whole
// host, the path nobody claimed, the missing slash.
func (p *Proxy) answerForHost(x *filter.Exchange, s *snapshot, m *route.Match) bool {
	if h := m.Host; h != nil {
		switch {
		case h.Deny != 0:
			x.Reply(h.Deny)
			return true
		case h.RedirectHost != "":
			x.RedirectTo(h.RedirectCode, hostRedirect(x, h.RedirectHost))
			return true
		case h.AppRoot != "" && x.Request.Path == "/":
			x.RedirectTo(302, rootRedirect(x, h.AppRoot, s.settings.redirect.Relative))
			return true
		}
	}
	switch {
	case x.Request.Path == p.options.HealthPath && (m.Host == nil || m.Host.Name == "") &&
		(m.Route == nil || m.Route.Path != p.options.HealthPath): // a rule for that very path goes first
		x.ReplyText(200, "text/plain", "")
		return true
	case m.Route == nil:
		x.Reply(404)
		return true
	case m.Slash:
		x.RedirectTo(301, slashRedirect(x, m.Route))
		return true
	}
	return false
}

// disposition is what is decided about one exchange while it runs. It comes from a pool: as the
// forwarder's Responder it would otherwise be allocated for every request.
type disposition struct {
	proxy    *Proxy
	snapshot *snapshot
	host     *route.VirtualHost
	route    *route.Route
	// passed is how many filters let the request go on; their Finish is due.
	passed int
	// explaining says that the error pages answer.
	explaining bool
	// responded says that the head of the final response was handed to the stream.
	responded bool
	// coded compresses the response, or is nil.
	coded *compress.Stream
}

// run sends the exchange through the filters of its route and on to the upstream.
func (d *disposition) run(x *filter.Exchange) {
	r := d.route
	for _, f := range r.Filters {
		if f.Request(x) == filter.Done {
			return
		}
		d.passed++
	}
	if x.Conn.TLS == nil && d.needsTLS() {
		x.Reply(403)
		return
	}
	u, canary := r.Split.Choose(x)
	if canary {
		x.Canary = r.Split.CanaryName()
	}
	if u == nil {
		x.Reply(r.Missing)
		if d.explains(x) {
			d.explain(x)
		}
		return
	}
	if !u.Ready() && r.Default != nil {
		u = r.Default
		tellWhy(x, &r.Origin, 503)
	}
	x.Upstream = u.Key()
	d.snapshot.settings.overrideRequest(x)
	if x.UpstreamHost == "" && r.Plan.Host == nil && x.ForwardedHost != x.Request.Authority {
		x.UpstreamHost = x.ForwardedHost // nginx: $best_http_host
	}
	d.proxy.forwarder.Do(x, r.Plan, u, d)
	if d.explains(x) && !d.responded && !x.ClientGone {
		d.explain(x)
	}
}

// needsTLS reports whether a request in cleartext must not reach the upstream, since the host asks for certificates and
// nothing has sent the client to https. Where it may always come without TLS, so that certificates can be issued
// (no-tls-redirect-locations), it still may.
func (d *disposition) needsTLS() bool {
	if d.host.Guard == nil || !d.host.Guard.NeedsTLS() {
		return false
	}
	for _, prefix := range d.snapshot.settings.redirect.NoTLS {
		if prefix != "" && strings.HasPrefix(d.route.Path, prefix) {
			return false
		}
	}
	return true
}

// Respond is called by the forwarder once the head of the final response is in x.Response; it sends the
// head. Implements forward.Responder.
func (d *disposition) Respond(x *filter.Exchange) (wire.Stream, error) {
	if !x.Local && d.explains(x) {
		return nil, forward.ErrReplaced
	}
	d.completeHead(x)
	body := x.Stream
	if !x.Local {
		if d.coded = d.snapshot.settings.coder.Wrap(x); d.coded != nil {
			body = d.coded
		}
	}
	return body, x.Stream.WriteHead(&x.Response)
}

// completeHead does to the head of a response what settings and filters ask for.
func (d *disposition) completeHead(x *filter.Exchange) {
	d.responded = true
	var list []filter.ResponseFilter
	if d.route != nil {
		list = d.route.Response
	}
	d.snapshot.settings.finishResponse(x, list)
	if d.snapshot.http3 && !d.proxy.draining() {
		announceHTTP3(x)
	}
}

// answer sends a response of the proxy's own.
func (d *disposition) answer(x *filter.Exchange) {
	x.Response.Fields.AddKnown(wire.Date, d.proxy.clock.httpDate())
	if wantsGRPC(x) {
		d.answerGRPC(x)
		return
	}
	if _, err := d.Respond(x); err != nil {
		x.ClientGone = true
		x.Stream.Abort()
		return
	}
	if x.Body != "" && x.Request.Method != "HEAD" {
		if _, err := x.Stream.Write(wire.Bytes(x.Body)); err != nil {
			x.ClientGone = true
			x.Stream.Abort()
			return
		}
	}
	if err := x.Stream.Finish(nil); err != nil {
		x.ClientGone = true
	}
}

// finish closes the books on an exchange.
func (d *disposition) finish(x *filter.Exchange) {
	x.End = time.Now()
	if d.coded != nil {
		d.coded.Release()
	}
	if d.route != nil {
		for i := range d.route.Finishers {
			f := &d.route.Finishers[i]
			if f.Index < d.passed {
				f.Filter.Finish(x)
			}
		}
		d.route.Metrics.Observe(x)
		if !d.route.AccessLog {
			return
		}
	} else {
		d.proxy.unmatched.Observe(x)
	}
	d.proxy.log.Log(x, d.snapshot.settings.log)
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

package proxy

import (
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/compress"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/upstream"
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
	if p.turnAway(x, s, &m) == byNobody {
		d.run(x)
	}
	if x.Local && x.Response.Status != 0 && !d.responded {
		d.answer(x)
	}
	d.finish(x)
	*d = disposition{}
	p.dispositions.Put(d)
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
	if d.refuseCleartext(x) {
		return
	}
	u, canary := r.Split.Choose(x)
	if u = d.aim(x, u, canary); u == nil {
		if d.explains(x) {
			d.explain(x)
		}
		return
	}
	d.proxy.forwarder.Do(x, r.Plan, u, d)
	if d.explains(x) && !d.responded && !x.ClientGone {
		d.explain(x)
	}
}

// aim makes the exchange ready to be forwarded to u and returns where it goes, which is the default backend while u has no endpoint.
// It returns nil if there is nowhere to go; the answer is in x then.
func (d *disposition) aim(x *filter.Exchange, u *upstream.Upstream, canary bool) *upstream.Upstream {
	r := d.route
	if canary {
		x.Canary = r.Split.CanaryName()
	}
	if u == nil {
		x.Reply(r.Missing)
		return nil
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
	return u
}

// refuseCleartext answers a request in cleartext that must not reach the upstream, and reports whether it has.
func (d *disposition) refuseCleartext(x *filter.Exchange) bool {
	if x.Conn.TLS != nil || !d.needsTLS() {
		return false
	}
	x.Reply(403)
	return true
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

package proxy

// Errors that another Service explains (custom-http-errors). When an endpoint's answer has one of the statuses, its head is not
// sent: the forwarder gives the exchange back, and the Service of the error pages is asked for "/" instead, told in
// fields what went wrong. What it answers is the client's, status included, and is never replaced a second time.
//
// The surprise is what is left alone: what filters answer. An error page that answers 200 must not turn a 401 or a 403 into
// one (CVE-2026-24513), so only the answers of endpoints, and the lack of one, are explained. Nor do error pages see credentials.

import (
	"strconv"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// explains reports whether the error pages answer instead of an endpoint, or instead of what the proxy says because no endpoint
// answered.
func (d *disposition) explains(x *filter.Exchange) bool {
	status := x.Response.Status
	if d.route == nil || d.route.Errors == nil || d.explaining || !d.route.Errors.Statuses.Has(status) || wantsGRPC(x) {
		return false
	}
	return !x.Local || status == 502 || status == 503 || status == 504
}

// explain lets the error pages answer instead of the response in x. If there are none, or they fail, the proxy's own page
// for the status answers.
func (d *disposition) explain(x *filter.Exchange) {
	pages, status := d.route.Errors, x.Response.Status
	d.explaining = true
	if pages.Plan == nil || !pages.Upstream.Ready() {
		x.Reply(status)
		return
	}
	x.Local, x.Body = false, ""
	x.Response.Reset()
	tellWhy(x, &d.route.Origin, status)
	x.Override("X-Original-URI", x.Request.Target)
	x.Override("Authorization", "")
	x.Override("Cookie", "")
	x.Target, x.Request.Length, x.Request.Upgrade = "/", 0, false
	x.Upstream, x.Canary = pages.Upstream.Key(), ""
	tap := x.Tap
	x.Tap = nil // this is not the request that is tapped
	d.proxy.forwarder.Do(x, pages.Plan, pages.Upstream, d)
	x.Tap = tap
	if x.Local {
		x.Reply(status)
	}
}

// tellWhy tells the Service of the error pages, or the one of default-backend, what it answers for, as ingress-nginx does. The
// client cannot say any of it itself.
func tellWhy(x *filter.Exchange, o *filter.Origin, status int) {
	x.Override("X-Code", x.Arena.End(strconv.AppendInt(x.Arena.Begin(), int64(status), 10)))
	x.Override("X-Format", x.Request.Fields.Value(wire.Accept))
	x.Override("X-Namespace", o.Namespace)
	x.Override("X-Ingress-Name", o.Ingress)
	x.Override("X-Service-Name", o.Service)
	x.Override("X-Service-Port", o.ServicePort)
}

package proxy

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/wire"
)

// request says what the request was read as.
func (e *explainer) request(x *filter.Exchange) {
	r := &x.Request
	e.say("request", r.Method+" "+r.Target+" for host "+named(r.Host))
	if raw, _, _ := strings.Cut(r.Target, "?"); raw != r.Path {
		e.note("matched by the path " + r.Path + ": percent-decoded, // merged, . and .. resolved")
	}
	if r.Authority != r.Host {
		e.note("the host was written " + r.Authority + ": lower case, without port, counts")
	}
}

// named returns the name of a host, in words if there is none.
func named(host string) string {
	if host == "" {
		return "(none)"
	}
	return host
}

// client says who the client is taken for.
func (e *explainer) client(x *filter.Exchange) {
	e.say("client", x.ClientText+" by "+x.Scheme)
	t := e.snapshot.settings.trust
	peer, list := peerOf(x.Conn), x.Request.Fields.Value(t.header)
	believes := t.settings.UseForwardedHeaders || t.settings.RealIP
	switch {
	case x.Client != peer:
		e.note("taken from " + t.settings.ForwardedForHeader + ": the peer " + peer.String() + " is trusted (proxy-real-ip-cidr)")
	case list != "" && !believes:
		e.note("its " + t.settings.ForwardedForHeader + " is not believed: use-forwarded-headers is off")
	case list != "" && !t.trusts(peer):
		e.note("its " + t.settings.ForwardedForHeader + " is not believed: it is not in proxy-real-ip-cidr")
	}
	if https := x.Conn.TLS != nil; https != (x.Scheme == "https") {
		e.note("the scheme is what X-Forwarded-Proto says")
	}
	if x.ForwardedHost != x.Request.Authority {
		e.note("Services are told the host " + x.ForwardedHost + ", as X-Forwarded-Host says")
	}
}

// tls says what happens before the request, in the handshake.
func (e *explainer) tls(x *filter.Exchange) {
	if x.Conn.TLS == nil {
		return
	}
	name := x.Conn.TLS.ServerName
	if pass := e.snapshot.passthrough; pass != nil {
		if u := pass.of(name); u != nil {
			e.say("tls", "connections for "+name+" are passed through unopened to "+u.Key().String(),
				"what follows holds only for requests that come by another name")
			return
		}
	}
	c, err := e.proxy.certs.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		e.say("tls", "no certificate: "+err.Error())
		return
	}
	if c.Leaf != nil {
		for _, shown := range e.proxy.certs.Shown() {
			if !shown.Ref.IsZero() && shown.Leaf != nil && shown.Leaf.Equal(c.Leaf) {
				e.say("tls", "certificate of Secret "+shown.Ref.String()+", for "+strings.Join(c.Leaf.DNSNames, ", "))
				return
			}
		}
	}
	e.say("tls", "the default certificate: no Secret is there for "+named(name))
}

// match says which host and which route serve the request, and whom they beat.
func (e *explainer) match(m *route.Match, host, path string) {
	bearers := e.snapshot.table.Bearers(host)
	if m.Host == nil {
		e.say("host", "nobody answers to "+named(host)+", and there is no catch-all")
		return
	}
	for i, b := range bearers {
		name := hostName(b.Host)
		if b.Host.Name != "" {
			name += ", by its " + b.By
		}
		if i == 0 {
			e.say("host", name)
		} else {
			e.note("goes before " + name)
		}
	}
	if m.Host.Regex {
		e.note("all its paths are regular expressions, since one of them is (use-regex, rewrite-target)")
	}
	e.route(m, path)
}

// hostName is the name of a virtual host.
func hostName(h *route.VirtualHost) string {
	if h.Name == "" {
		return "the catch-all host"
	}
	return h.Name
}

// maxCandidates is how many routes that were not taken are named.
const maxCandidates = 20

// route says which route of a host serves a path, and why no other does.
func (e *explainer) route(m *route.Match, path string) {
	if m.Route == nil {
		e.say("route", "none of "+hostName(m.Host)+" has the path "+path)
	} else {
		e.say("route", routeName(m.Host, m.Route))
		if o := &m.Route.Origin; o.Ingress != "" {
			e.out.Ingress = o.Namespace + "/" + o.Ingress
		}
	}
	others, shown, behind := 0, 0, false
	for _, c := range m.Host.Consider(path) {
		switch {
		case c.Won:
			e.note(c.Why)
			behind = true
		case shown < maxCandidates && (c.Fits || !behind && m.Host.Regex || !m.Host.Regex && c.Why != "is another path"):
			e.note("not " + routeName(m.Host, c.Route) + ": " + c.Why)
			shown++
		default:
			others++
		}
	}
	if others > 0 {
		e.note(fmt.Sprintf("routes that have nothing to do with it: %d", others))
	}
}

// routeName names a route and its Ingress.
func routeName(h *route.VirtualHost, r *route.Route) string {
	kind := r.Type.String()
	if h.Regex {
		kind = "expression"
	}
	if r.Origin.Ingress == "" {
		return kind + " " + r.Path + " of the gate itself"
	}
	return kind + " " + r.Path + " of Ingress " + r.Origin.Namespace + "/" + r.Origin.Ingress
}

// refused says why a request is answered before the filters of its route.
func (e *explainer) refused(x *filter.Exchange, m *route.Match, by refusal) {
	status := x.Response.Status
	to := x.Response.Fields.Value(wire.Location)
	text := map[refusal]string{
		byBlockList:    "blocked for all hosts (block-cidrs, block-user-agents, block-referers)",
		byDoubt:        "a regular expression took too long, so nobody knows whose request this is",
		byCertificate:  "the host asks clients for certificates (auth-tls-*), and this one brought none that it accepts",
		byDeniedHost:   "the host cannot be guarded as its Ingresses ask",
		byMovedHost:    "the host is a redirect (from-to-www-redirect)",
		byAppRoot:      "the host has an app-root",
		byHealthCheck:  "the health check of the proxy",
		byUnknownPath:  "no Ingress has this host and path",
		byMissingSlash: "the path lacks the slash at its end",
	}[by]
	if by == byDeniedRoute {
		text = "the route cannot be served as its Ingress asks: " + m.Route.DenyReason
	}
	if to != "" {
		text += ": to " + to
	}
	e.say("gate", fmt.Sprintf("%d: %s", status, text))
}

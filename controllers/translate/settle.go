package translate

import (
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

// claimHost lets an Ingress say what acts on a whole host, if no older one has.
//
// Only who shares a namespace with the oldest Ingress of the host can do so, unless the operator allows it: else
// whoever may create an Ingress could redirect, rename or close the hosts of everybody.
func (w *world) claimHost(p *plan, h *host) {
	w.claimTLS(p, h)
	in := &p.intent.Host
	at := h.creator != nil && h.creator.ing.Namespace == p.ing.Namespace
	// A guard of the whole host that cannot be honoured closes the host, as it guards all of it in ingress-nginx. Those of
	// other namespaces lose their own routes, see route.
	if in.Deny != 0 && h.deny == 0 && at {
		h.deny = in.Deny
	}
	w.claimHandshake(p, h)
	if !at && h.creator != nil && !p.intent.CrossNamespace {
		p.reportForeign(in, h)
		return
	}
	if len(in.Aliases) > 0 {
		if h.aliasesBy == nil {
			h.aliasesBy = p
			w.aliased = append(w.aliased, h)
		} else if h.aliasesBy != p {
			p.report("server-alias", strings.Join(in.Aliases, ","), "Ingress "+h.aliasesBy.key+" comes first and says the aliases of "+shownHost(h.name))
		}
	}
	if in.AppRoot != "" {
		if h.appRootBy == nil {
			h.appRootBy, h.appRoot = p, in.AppRoot
		} else if h.appRoot != in.AppRoot {
			p.report("app-root", in.AppRoot, "Ingress "+h.appRootBy.key+" comes first and says the root of "+shownHost(h.name))
		}
	}
	if in.Passthrough && (len(h.passers) == 0 || h.passers[len(h.passers)-1] != p) {
		h.passers = append(h.passers, p)
	}
	if in.FromToWWW && h.www == nil {
		h.www = p
	}
}

// reportForeign tells an Ingress that what it says about a host of another namespace is ignored.
func (p *plan) reportForeign(in *feature.HostIntent, h *host) {
	why := "host " + h.name + " belongs to namespace " + h.creator.ing.Namespace + ", whose Ingress " + h.creator.key +
		" is the oldest with it: say it there, or set allow-cross-namespace-resources in the ConfigMap"
	if len(in.Aliases) > 0 {
		p.report("server-alias", strings.Join(in.Aliases, ","), why)
	}
	if in.AppRoot != "" {
		p.report("app-root", in.AppRoot, why)
	}
	if in.Passthrough {
		p.report("ssl-passthrough", h.name, why)
	}
	if in.FromToWWW {
		p.report("from-to-www-redirect", "true", why)
	}
}

// settleHosts does what needs to know all hosts.
func (w *world) settleHosts() {
	for _, h := range w.hostList {
		w.inheritTLS(h)
		w.passThrough(h)
	}
	taken := make(map[string]*host)
	for _, h := range w.aliased {
		w.settleAliases(h, taken)
	}
	for _, h := range w.hostList {
		if h.www != nil {
			w.redirectWWW(h, taken)
		}
	}
	w.hostList = append(w.hostList, w.redirects...)
}

// inheritTLS gives a host without TLS the certificate of the wildcard host above it. ingress-nginx looks
// certificates up by name and then by wildcard, so Ingresses that leave TLS to a wildcard Ingress work there.
func (w *world) inheritTLS(h *host) {
	if h.tls || h.name == "" || h.name[0] == '*' {
		return
	}
	if above := w.above(h.name); above != nil && above.tls {
		h.tls, h.certificate = true, above.certificate
	}
}

// above returns the wildcard host that a name falls under, or nil.
func (w *world) above(name string) *host {
	i := strings.IndexByte(name, '.')
	if i < 0 {
		return nil
	}
	return w.hosts["*"+name[i:]]
}

// settleAliases keeps those aliases of a host that are nobody else's name. Aliases of an older Ingress win.
func (w *world) settleAliases(h *host, taken map[string]*host) {
	p := h.aliasesBy
	for _, text := range p.intent.Host.Aliases {
		name, fault := text, ""
		if !strings.HasPrefix(text, "~") {
			name, fault = parseHost(text)
		}
		other, isTaken := taken[name]
		switch {
		case fault != "":
			p.report("server-alias", text, fault+": the alias is dropped")
		case name == h.name, isTaken && other == h:
		case w.hosts[name] != nil:
			p.report("server-alias", text, "it is a host of its own: the alias is dropped")
		case isTaken:
			p.report("server-alias", text, "it is an alias of "+shownHost(other.name)+" already: the alias is dropped")
		default:
			taken[name] = h
			h.aliases = append(h.aliases, name)
		}
	}
	slices.Sort(h.aliases)
}

// redirectWWW makes the host that redirects to h: with www. if h has none, else without.
func (w *world) redirectWWW(h *host, taken map[string]*host) {
	name, bare := strings.CutPrefix(h.name, "www.")
	if !bare {
		name = "www." + h.name
	}
	switch {
	case h.name == "" || h.name[0] == '*' || !strings.Contains(name, "."):
		h.www.report("from-to-www-redirect", shownHost(h.name), "it works for hosts with an exact name only")
		return
	case w.hosts[name] != nil:
		h.www.report("from-to-www-redirect", name, "it is a host of its own: it is not redirected to "+h.name)
		return
	case taken[name] != nil:
		h.www.report("from-to-www-redirect", name, "it is an alias of "+shownHost(taken[name].name)+": it is not redirected to "+h.name)
		return
	}
	taken[name] = h
	r := &host{name: name, redirect: h.name, tls: h.tls}
	if !h.certificate.IsZero() {
		if c := w.certificate(namespacedRef(h.certificate)); c.covers(name) {
			r.certificate = h.certificate
		} else if above := w.above(name); above != nil && above.tls {
			r.certificate = above.certificate
		}
	}
	w.redirects = append(w.redirects, r)
}

// shownHost returns the name of a host for a message.
func shownHost(name string) string {
	if name == "" {
		return "the catch-all"
	}
	return name
}

// remarkRest says that a defaultBackend has no effect on a host.
func (w *world) remarkRest(p *plan, h *host) {
	switch {
	case h.name == "":
		p.remark("spec.defaultBackend", "", "it has no effect on rules without a host, since the Ingress has rules: write the path /")
	default:
		p.remark("spec.defaultBackend", "", "it has no effect on host "+h.name+", which Ingress "+h.creator.key+" had first: write the path /")
	}
}

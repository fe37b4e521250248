package proxy

import (
	"context"
	"net"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/listen"
	"github.com/yettproxy/yett/proxy/upstream"
)

// passthrough says which names' TLS connections go to an upstream unopened. It is immutable; nil has none.
type passthrough struct {
	// exact and wildcard are known by name; that of a wildcard is without its "*".
	exact, wildcard map[string]*upstream.Upstream
}

// newPassthrough finds the names: those of hosts, and their aliases as far as no host has them. Patterns are left out,
// since names come from whoever connects.
func newPassthrough(cfg *ir.Config, registry *upstream.Registry) *passthrough {
	p := &passthrough{exact: map[string]*upstream.Upstream{}, wildcard: map[string]*upstream.Upstream{}}
	for i := range cfg.Hosts {
		h := &cfg.Hosts[i]
		if h.Passthrough.IsZero() {
			continue
		}
		u := registry.Upstream(h.Passthrough)
		p.add(h.Name, u)
		for _, alias := range h.Aliases {
			if !strings.HasPrefix(alias, "~") {
				p.add(alias, u)
			}
		}
	}
	if len(p.exact)+len(p.wildcard) == 0 {
		return nil
	}
	for i := range cfg.Hosts { // an exact host of its own goes before a wildcard
		if h := &cfg.Hosts[i]; h.Passthrough.IsZero() && !strings.HasPrefix(h.Name, "*") {
			p.exact[h.Name] = nil
		}
	}
	return p
}

// add adds a name.
func (p *passthrough) add(name string, u *upstream.Upstream) {
	if above, wild := strings.CutPrefix(name, "*"); wild {
		p.wildcard[above] = u
	} else if name != "" {
		p.exact[name] = u
	}
}

// of returns the upstream that has the connections of a name, or nil.
func (p *passthrough) of(name string) *upstream.Upstream {
	name = strings.ToLower(name)
	if u, ok := p.exact[name]; ok {
		return u
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		return p.wildcard[name[i:]]
	}
	return nil
}

// diverter takes the connections of ssl-passthrough off the listener.
type diverter struct{ proxy *Proxy }

var _ listen.Diverter = diverter{}

// Diverts implements listen.Diverter.
func (d diverter) Diverts() bool { return d.proxy.current.Load().passthrough != nil }

// Divert implements listen.Diverter.
func (d diverter) Divert(ctx context.Context, conn net.Conn, info *filter.Conn, serverName string) bool {
	p := d.proxy.current.Load().passthrough
	if p == nil || serverName == "" {
		return false
	}
	u := p.of(serverName)
	if u == nil {
		return false
	}
	d.proxy.streams.Pass(ctx, conn, info, u, serverName)
	return true
}

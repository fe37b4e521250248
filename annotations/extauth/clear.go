package extauth

import (
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Clear is the filter that takes from clients the fields that are the authorization service's to set. It runs before
// access control, and also where `satisfy: any` lets a client in without asking the service: else such a client could
// claim to be anybody.
type Clear struct {
	Names []string
	// Except are prefixes of rule paths that are not guarded, joined by commas. There, too, nobody can vouch for the
	// fields, but Authorization and Cookie may be meant for the upstream.
	Except string
}

var _ filter.Spec = Clear{}

// Phase implements filter.Spec.
func (Clear) Phase() filter.Phase { return filter.Limit }

// String implements filter.Spec.
func (s Clear) String() string { return "clear-headers(" + strings.Join(s.Names, " ") + ")" }

// New implements filter.Spec.
func (s Clear) New(env *filter.Env) (filter.Filter, error) {
	names := s.Names
	if excepted(env.Route.Path, s.Except) {
		names = nil
		for _, name := range s.Names {
			if id := wire.Lookup(name); id != wire.Authorization && id != wire.Cookie {
				names = append(names, name)
			}
		}
	}
	return clearer{names}, nil
}

// clearer is the filter of Clear.
type clearer struct{ names []string }

// Request implements filter.Filter.
func (f clearer) Request(x *filter.Exchange) filter.Action {
	for _, name := range f.names {
		x.Override(name, "")
	}
	return filter.Continue
}

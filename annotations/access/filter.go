package access

import (
	"net/netip"
	"strings"

	"github.com/yettproxy/yett/proxy/cidr"
	"github.com/yettproxy/yett/proxy/filter"
)

// Spec is the filter for the lists of one Ingress. At least one list has entries.
type Spec struct {
	// Allow are the networks from which requests may come; empty for everywhere.
	Allow []netip.Prefix
	// Deny are the networks from which they may not, asked first.
	Deny []netip.Prefix
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Access }

// String implements filter.Spec.
func (s Spec) String() string {
	b := []byte("access(")
	for _, list := range []struct {
		word     string
		prefixes []netip.Prefix
	}{{"deny", s.Deny}, {"allow", s.Allow}} {
		for i, p := range list.prefixes {
			if i == 0 {
				b = append(append(b, list.word...), ' ')
			} else {
				b = append(b, ',')
			}
			b = p.AppendTo(b)
			if i == len(list.prefixes)-1 {
				b = append(b, ' ')
			}
		}
	}
	return strings.TrimSuffix(string(b), " ") + ")"
}

// New implements filter.Spec. Only a filter with an allow list can say yes by itself, so only such a one is an
// access filter: to `satisfy: any`, not being denied is no reason to let anybody in.
func (s Spec) New(*filter.Env) (filter.Filter, error) {
	deny := denyList{cidr.New(s.Deny)}
	if len(s.Allow) == 0 {
		return &deny, nil
	}
	return &lists{deny: deny, allow: cidr.New(s.Allow)}, nil
}

// denyList refuses the clients of some networks.
type denyList struct{ set *cidr.Set }

var _ filter.Filter = (*denyList)(nil)

// Request implements filter.Filter.
func (f *denyList) Request(x *filter.Exchange) filter.Action {
	if !f.denies(x.Client) {
		return filter.Continue
	}
	x.Reply(403)
	return filter.Done
}

// denies reports whether a client is refused. A client without address cannot be told from one that is
// denied.
func (f *denyList) denies(client netip.Addr) bool { return !client.IsValid() || f.set.Contains(client) }

// lists refuses the clients of some networks and admits only those of others.
type lists struct {
	deny  denyList
	allow *cidr.Set
}

var _ filter.AccessFilter = (*lists)(nil)

// AccessKind implements filter.AccessFilter.
func (*lists) AccessKind() filter.AccessKind { return filter.ByAddress }

// Request implements filter.Filter.
func (f *lists) Request(x *filter.Exchange) filter.Action {
	if !f.deny.denies(x.Client) && f.allow.Contains(x.Client) {
		return filter.Continue
	}
	x.Reply(403)
	return filter.Done
}

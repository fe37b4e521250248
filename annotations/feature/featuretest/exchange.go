package featuretest

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Exchange returns an exchange with a request for a target of host a.test that came in cleartext from
// 192.0.2.1. Fields come in pairs of name and value; Host is set like any other.
func Exchange(method, target string, fields ...string) *filter.Exchange {
	x := &filter.Exchange{
		Conn: &filter.Conn{
			Peer:  netip.MustParseAddrPort("192.0.2.1:40000"),
			Local: netip.MustParseAddrPort("192.0.2.80:80"),
		},
		Client: netip.MustParseAddr("192.0.2.1"), ClientText: "192.0.2.1", ForwardedFor: "192.0.2.1",
		Scheme: "http", ForwardedPort: "80",
	}
	r := &x.Request
	r.Method, r.Target, r.Major, r.Minor = method, target, 1, 1
	SetHost(x, "a.test")
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields.Add(fields[i], fields[i+1])
		if wire.EqualFold(fields[i], "Host") {
			SetHost(x, fields[i+1])
		}
	}
	path, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	r.Path, r.Query = decoded, query
	return x
}

// SetHost makes the exchange one for another authority.
func SetHost(x *filter.Exchange, authority string) {
	name, _, _ := strings.Cut(authority, ":")
	x.Request.Authority, x.ForwardedHost, x.Request.Host = authority, authority, strings.ToLower(name)
}

// Location returns the status and the Location that the exchange was answered with.
func Location(x *filter.Exchange) (int, string) {
	return x.Response.Status, x.Response.Fields.Value(wire.Location)
}

// Build builds the filter of a spec for a route, or panics.
func Build(s filter.Spec, env *filter.Env) filter.Filter {
	if env.Route == nil {
		env.Route = &filter.Origin{Namespace: Namespace, Ingress: "web", Host: "a.test", Path: "/"}
	}
	if env.State == nil {
		env.State = filter.NewState()
	}
	f, err := s.New(env)
	if err != nil {
		panic(err)
	}
	return f
}

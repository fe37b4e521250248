package forward

// The head that the upstream sees: what the client sent, less what is about its connection, less what only a
// proxy may say, plus what this proxy says. Names of fields that the client lists in Connection are removed, too, but
// never those that this proxy adds: they are added last (a client must not be able to remove X-Real-IP by
// naming it).

import (
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// anonymous is the Host of requests that name none. It must not be the endpoint's address, which would
// tell the client about the cluster; ingress-nginx sends the name of its catch-all server, too.
const anonymous = "_"

// dropped are the fields that are never copied from the client, a bit for each ID: those about the connection
// and the framing, and those that the proxy sets or clears.
const dropped = wire.HTTP1Only | 1<<wire.ProxyAuthorization | 1<<wire.Trailer | 1<<wire.Host | 1<<wire.Expect | 1<<wire.Proxy |
	1<<wire.XRealIP | 1<<wire.XForwardedFor | 1<<wire.XForwardedHost | 1<<wire.XForwardedPort | 1<<wire.XForwardedProto |
	1<<wire.XForwardedScheme | 1<<wire.XForwardedPrefix | 1<<wire.XScheme | 1<<wire.XRequestID |
	1<<wire.XOriginalForwardedFor | 1<<wire.XOriginalForwardedHost | 1<<wire.XOriginalURI | 1<<wire.XOriginalURL |
	1<<wire.XRewriteURL | 1<<wire.XEnvoyOriginalPath

// compose makes the head for the upstream in s.request. Not inlined, as relay.
//
//go:noinline
func (s *flight) compose() {
	x, r, out := s.x, &s.x.Request, &s.request
	out.Method, out.Target = r.Method, r.Target
	if x.Target != "" {
		out.Target = x.Target
	}
	out.Authority = s.host()
	out.Length, out.Upgrade = r.Length, r.Upgrade && !s.plan.shared
	out.Major, out.Minor = 1, 1
	s.copyFields()
	s.addFields()
	if s.plan.shared && r.Fields.HasToken(wire.TE, "trailers") {
		out.Fields.AddKnown(wire.TE, "trailers") // gRPC servers look for it
	}
	overrides := x.Overrides.All()
	for i := range overrides {
		if overrides[i].Value != "" && overrides[i].ID != wire.Host {
			out.Fields.Append(overrides[i])
		}
	}
}

// host returns the Host field for the upstream.
func (s *flight) host() string {
	x := s.x
	host := x.UpstreamHost
	if host == "" && s.plan.Host != nil {
		host = s.plan.Host.Text(x)
	}
	if host == "" {
		if v, ok := x.Overrides.Get(wire.Host); ok {
			host = v
		}
	}
	if host == "" {
		host = x.Request.Authority
	}
	if host == "" {
		host = anonymous
	}
	return host
}

// copyFields copies the client's fields that may pass.
func (s *flight) copyFields() {
	in, out := s.x.Request.Fields.All(), &s.request.Fields
	skip := dropped
	if !s.plan.keepForwarded {
		skip |= 1 << wire.Forwarded
	}
	var named [wire.MaxNamed]string
	names := namedByConnection(in, named[:0])
	overrides := s.x.Overrides.All()
fields:
	for i := range in {
		f := &in[i]
		if skip>>f.ID&1 != 0 || f.ID == wire.Other && (s.reserved(f.Name) || s.disguised(f.Name, skip)) {
			continue
		}
		for _, name := range names {
			if wire.EqualFold(f.Name, name) {
				continue fields
			}
		}
		for j := range overrides {
			if overrides[j].ID == f.ID && (f.ID != wire.Other || wire.EqualFold(overrides[j].Name, f.Name)) {
				continue fields
			}
		}
		out.Append(*f)
	}
}

// namedByConnection appends the names that the client lists in Connection, less the usual ones, which are
// removed anyway.
func namedByConnection(in []wire.Field, names []string) []string {
	for i := range in {
		if in[i].ID != wire.Connection {
			continue
		}
		for name, rest := wire.NextToken(in[i].Value); name != ""; name, rest = wire.NextToken(rest) {
			id := wire.Lookup(name)
			// Credentials and cookies are end to end; a client that names them only makes trouble (K-01).
			if id.HopByHop() || id == wire.Authorization || id == wire.Cookie || wire.EqualFold(name, "close") {
				continue
			}
			names = append(names, name)
		}
	}
	return names
}

// reserved reports whether a field that the proxy has no ID for is one that only proxies may set: the
// results of client certificate checks, and X-Forwarded-Server.
func (s *flight) reserved(name string) bool {
	const certificate, server = "ssl-client-", "X-Forwarded-Server"
	switch name[0] | 0x20 {
	case 's':
		return len(name) > len(certificate) && wire.EqualFold(name[:len(certificate)], certificate)
	case 'x':
		return !s.plan.keepForwarded && wire.EqualFold(name, server)
	}
	return false
}

// disguised reports whether a field passes for one that is not the client's to send, to a backend that cannot tell "_"
// from "-", as CGI and its heirs cannot: X_Real_IP, or what an authorization service says about the user. Such fields only
// come here with enable-underscores-in-headers.
func (s *flight) disguised(name string, skip uint64) bool {
	if strings.IndexByte(name, '_') < 0 {
		return false
	}
	b := append(s.x.Arena.Begin(), name...)
	for i, c := range b {
		if c == '_' {
			b[i] = '-'
		}
	}
	name = s.x.Arena.End(b)
	if id := wire.Lookup(name); id != wire.Other {
		return skip>>id&1 != 0 || s.x.Overrides.Has(id)
	}
	if s.reserved(name) {
		return true
	}
	_, set := s.x.Overrides.Find(name)
	return set
}

// addFields adds what ingress-nginx tells upstreams about the client (nginx-compat section 3.15). Overrides
// of the same names win.
func (s *flight) addFields() {
	x, r := s.x, &s.x.Request
	s.add(wire.XRequestID, x.RequestID)
	s.add(wire.XRealIP, x.ClientText)
	s.add(wire.XForwardedFor, x.ForwardedFor)
	s.add(wire.XForwardedHost, x.ForwardedHost)
	s.add(wire.XForwardedPort, x.ForwardedPort)
	s.add(wire.XForwardedProto, x.Scheme)
	s.add(wire.XForwardedScheme, x.Scheme)
	s.add(wire.XScheme, x.Scheme)
	if s.plan.originalURI {
		s.add(wire.XOriginalURI, r.Target)
	}
	if s.plan.forwardedFor == "" {
		s.add(wire.XOriginalForwardedFor, joined(x.Request.Fields.All(), wire.XForwardedFor, &x.Arena))
	} else if v, ok := r.Fields.Find(s.plan.forwardedFor); ok {
		s.add(wire.XOriginalForwardedFor, v)
	}
	s.add(wire.XOriginalForwardedHost, r.Fields.Value(wire.XForwardedHost))
}

// add adds a field unless it is empty or overridden.
func (s *flight) add(id wire.ID, value string) {
	if value != "" && !s.x.Overrides.Has(id) {
		s.request.Fields.AddKnown(id, value)
	}
}

// joined returns the values of all fields with an ID as one list.
func joined(in []wire.Field, id wire.ID, a *wire.Arena) string {
	list := ""
	for i := range in {
		switch {
		case in[i].ID != id || in[i].Value == "":
		case list == "":
			list = in[i].Value
		default:
			list = a.Concat(list, ", ", in[i].Value)
		}
	}
	return list
}

// unfit are fields that a request's trailers must not bring (RFC 9110 section 6.5.1): those that never pass, and credentials.
const unfit = dropped | 1<<wire.Authorization | 1<<wire.Cookie | 1<<wire.Forwarded

// requestTrailers returns the trailers of a request body that has ended, less those that only proxies may send; nil if there
// are none. Names with an underscore could pass for others behind CGI and its heirs. Only endpoints that speak HTTP/2 get any, as
// with nginx: gRPC knows what they mean, whereas many servers of HTTP/1.1 take them for fields of the head.
func (s *flight) requestTrailers() *wire.Fields {
	if !s.plan.shared || s.x.Request.Length >= 0 && s.x.Request.Major < 2 {
		return nil
	}
	in := s.x.Stream.Trailers()
	if in == nil {
		return nil
	}
	out := &s.requestTail
	out.Reset()
	for _, f := range in.All() {
		if unfit>>f.ID&1 != 0 {
			continue
		}
		if _, set := s.x.Overrides.Find(f.Name); !set && !s.reserved(f.Name) && strings.IndexByte(f.Name, '_') < 0 {
			out.Append(f)
		}
	}
	return out
}

package redirect

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// SSL sends http requests to https.
type SSL struct {
	// Force does so even if no TLS section names the host.
	Force bool
	// Code is the status (http-redirect-code).
	Code int
	// PreserveSlash keeps the last slash of the URI. Port names the https port.
	PreserveSlash, Port bool
	// Except are prefixes of route paths that are left alone, joined by commas.
	Except string
}

var _ filter.Spec = SSL{}

// Phase implements filter.Spec.
func (SSL) Phase() filter.Phase { return filter.Redirect }

// String implements filter.Spec.
func (s SSL) String() string {
	b := fmt.Appendf(nil, "ssl-redirect %d", s.Code)
	for _, o := range []struct {
		name string
		on   bool
	}{{"force", s.Force}, {"preserve-slash", s.PreserveSlash}, {"port", s.Port}} {
		if o.on {
			b = append(append(b, ' '), o.name...)
		}
	}
	if s.Except != "" {
		b = append(append(b, " except "...), s.Except...)
	}
	return string(b)
}

// New implements filter.Spec.
func (s SSL) New(env *filter.Env) (filter.Filter, error) {
	if !s.Force && !env.HostHasTLS {
		return pass{}, nil
	}
	for prefix := range strings.SplitSeq(s.Except, ",") {
		if prefix != "" && strings.HasPrefix(env.Route.Path, prefix) {
			return pass{}, nil
		}
	}
	f := &sslFilter{force: s.Force, code: s.Code, preserve: s.PreserveSlash}
	if s.Port {
		port := env.HTTPSPort
		if port == 0 {
			port = 443
		}
		f.port = fmt.Sprintf(":%d", port)
	}
	return f, nil
}

// pass is the filter of a route that needs none.
type pass struct{}

// Request implements filter.Filter.
func (pass) Request(*filter.Exchange) filter.Action { return filter.Continue }

// sslFilter is SSL built for a route.
type sslFilter struct {
	force, preserve bool
	code            int
	// port is ":" and the port to name, or "".
	port string
}

var _ filter.Filter = (*sslFilter)(nil)

// Request implements filter.Filter. A request that came over TLS, though a trusted peer says that its
// client speaks http, is redirected by force-ssl-redirect only, as in ingress-nginx.
func (f *sslFilter) Request(x *filter.Exchange) filter.Action {
	if x.Scheme != "http" || !f.force && x.Conn.TLS != nil {
		return filter.Continue
	}
	uri := x.Request.Target
	if !f.preserve {
		uri = strings.TrimSuffix(uri, "/")
	}
	b := append(x.Arena.Begin(), "https://"...)
	b = appendHost(b, x)
	b = append(b, f.port...)
	if uri != "" && uri[0] != '/' {
		b = append(b, '/') // OPTIONS *
	}
	b = appendURI(b, uri)
	x.RedirectTo(f.code, x.Arena.End(b))
	return filter.Done
}

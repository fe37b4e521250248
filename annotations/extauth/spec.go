package extauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/variable"
)

// Spec is the filter that asks the authorization service.
type Spec struct {
	// URL is that of the service, with variables.
	URL string
	// Method is that of the request to it; "" for GET without X-Original-URI and X-Scheme.
	Method string
	// SignIn is where clients are sent at a 401, with variables, or "". SignInParam names the way back.
	SignIn, SignInParam string
	// ResponseHeaders are the fields of the answer that the upstream gets.
	ResponseHeaders []string
	// SetHeaders are fields of the request to the service, with variables.
	SetHeaders []ir.NameValue
	// RequestRedirect is the value of X-Auth-Request-Redirect, with variables; "" for what was asked for.
	RequestRedirect string
	// CacheKey makes answers be remembered, with variables; "" for not at all. CacheTimes says how long.
	CacheKey   string
	CacheTimes []CacheTime
	// AlwaysSetCookie passes cookies on with error responses, too.
	AlwaysSetCookie bool
	// Except are prefixes of rule paths that are not guarded, joined by commas.
	Except string
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Access }

// String implements filter.Spec. Values of fields may be secret, so only their names are shown.
func (s Spec) String() string {
	method := s.Method
	if method == "" {
		method = "GET"
	}
	b := "external-auth(" + method + " " + s.URL
	if s.SignIn != "" {
		b += ", else " + s.SignIn + " with " + s.SignInParam
	}
	for i, h := range s.SetHeaders {
		b += [2]string{", sends ", " "}[min(i, 1)] + h.Name
	}
	if len(s.ResponseHeaders) > 0 {
		b += ", takes " + strings.Join(s.ResponseHeaders, " ")
	}
	if s.RequestRedirect != "" {
		b += ", back to " + s.RequestRedirect
	}
	if s.CacheKey != "" {
		b += fmt.Sprintf(", remembers %s %v", s.CacheKey, s.CacheTimes)
	}
	if s.AlwaysSetCookie {
		b += ", cookies always"
	}
	return b + ")"
}

var (
	errAnyHost = errors.New("the host of auth-url follows the client's, and this rule is for any host: name a host in the rule or in auth-url")
	errNoHTTP  = errors.New("there is nothing to send requests with")
)

// New implements filter.Spec.
func (s Spec) New(env *filter.Env) (filter.Filter, error) {
	if excepted(env.Route.Path, s.Except) {
		return open{}, nil
	}
	if env.Route.Host == "" && remote.ClientChoosesHost(s.URL) {
		return nil, errAnyHost
	}
	if env.HTTP == nil {
		return nil, errNoHTTP
	}
	g := &guard{spec: s, http: env.HTTP, ctx: env.Context}
	if err := g.compile(); err != nil {
		return nil, fmt.Errorf("build external authentication at %q: %w", s.URL, err)
	}
	if s.CacheKey != "" {
		g.cache = filter.StateFor(env.State, cacheKey{}, newCache)
		g.identity = sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q", s, s.SetHeaders,
			env.Route.Namespace, env.Route.Ingress, env.Route.Host, env.Route.Path))
	}
	return g, nil
}

// guard asks the authorization service.
type guard struct {
	spec     Spec
	url      *variable.Template
	set      []setHeader
	redirect *variable.Template // nil for what was asked for
	signIn   *signIn            // nil for none
	key      *variable.Template
	cache    *cache
	// identity tells rules and settings apart in the cache.
	identity [sha256.Size]byte
	http     http.RoundTripper
	ctx      context.Context
}

// setHeader is a field of auth-proxy-set-headers.
type setHeader struct {
	name  string
	value *variable.Template
}

var (
	_ filter.AccessFilter   = (*guard)(nil)
	_ filter.ResponseFilter = (*guard)(nil)
)

// compile makes the texts with variables ready.
func (g *guard) compile() error {
	var errs []error
	compile := func(text string) *variable.Template {
		t, err := variable.Compile(text)
		errs = append(errs, err)
		return t
	}
	g.url, g.key = compile(g.spec.URL), compile(g.spec.CacheKey)
	for _, h := range g.spec.SetHeaders {
		g.set = append(g.set, setHeader{http.CanonicalHeaderKey(h.Name), compile(h.Value)})
	}
	if g.spec.RequestRedirect != "" {
		g.redirect = compile(g.spec.RequestRedirect)
	}
	if g.spec.SignIn != "" {
		var err error
		g.signIn, err = newSignIn(g.spec.SignIn, g.spec.SignInParam)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, remote.Check(g.spec.URL))...)
}

// excepted reports whether a path of a rule begins with one of a comma list of prefixes. It compares the rule's
// path, not that of a request, as ingress-nginx does.
func excepted(path, list string) bool {
	for prefix := range strings.SplitSeq(list, ",") {
		if prefix != "" && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// open is what stands in for the guard where there is none. It is no access filter, since it must not satisfy
// anybody.
type open struct{}

// Request implements filter.Filter.
func (open) Request(*filter.Exchange) filter.Action { return filter.Continue }

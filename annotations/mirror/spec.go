package mirror

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
)

// Spec is the filter that sends copies.
type Spec struct {
	// Target is the URL that copies go to, with variables.
	Target string
	// Host is the Host of copies, with variables, or "" for that of Target without its port.
	Host string
	// WithoutBody leaves bodies out.
	WithoutBody bool
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Header }

// String implements filter.Spec.
func (s Spec) String() string {
	b := "mirror(" + s.Target
	if s.Host != "" {
		b += ", as " + s.Host
	}
	if s.WithoutBody {
		b += ", without body"
	}
	return b + ")"
}

// New implements filter.Spec. Where copies cannot be sent at all there is a filter that counts them: a mirror never keeps
// requests from their Service.
func (s Spec) New(env *filter.Env) (filter.Filter, error) {
	target, err := variable.Compile(completed(s.Target))
	if err != nil {
		return nil, fmt.Errorf("compile target %q: %w", s.Target, err)
	}
	host, err := variable.Compile(s.Host)
	if err != nil {
		return nil, fmt.Errorf("compile host %q: %w", s.Host, err)
	}
	counts := env.Copies
	if counts == nil {
		counts = &filter.Copies{}
	}
	if env.HTTP == nil || env.Route.Host == "" && remote.ClientChoosesHost(s.Target) {
		return nowhere{counts}, nil
	}
	o := env.Route
	return &mirror{
		target: target, host: host, named: s.Host != "", withoutBody: s.WithoutBody,
		http: env.HTTP, ctx: env.Context, counts: counts,
		all: filter.StateFor(env.State, everything{}, func() *load { return new(load) }),
		own: filter.StateFor(env.State, ingress{o.Namespace, o.Ingress}, func() *load { return new(load) }),
	}, nil
}

// completed returns a target with what nginx adds to one that says less than it could: the query of the request behind a path
// without variables. A target that is only a host gets the URI of the request.
func completed(target string) string {
	_, rest, _ := remote.SplitTemplate(target)
	switch {
	case rest == "":
		return target + "$request_uri"
	case strings.ContainsAny(target, "$?"):
		return target
	}
	return target + "$is_args$args"
}

// mirror sends copies.
type mirror struct {
	target, host *variable.Template
	// named says that host is set.
	named       bool
	withoutBody bool

	http   http.RoundTripper
	ctx    context.Context
	counts *filter.Copies
	// all and own are what is under way of all Ingresses, and of this one.
	all, own *load
}

// nowhere stands for a mirror that no copy can be sent to.
type nowhere struct{ counts *filter.Copies }

// Request implements filter.Filter.
func (n nowhere) Request(*filter.Exchange) filter.Action {
	n.counts.Dropped.Add(1)
	return filter.Continue
}

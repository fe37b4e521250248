package admission

import (
	"context"
	"errors"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/upstream"
)

// try compiles the routes of one Ingress as the proxy would, with upstreams and state that nobody else sees. What an upstream is
// reached with comes out of Secrets, so what is wrong there is a warning.
func (j *Judgement) try(ctx context.Context, config *ir.Config, name types.NamespacedName) {
	own := routesOf(config, name)
	if len(own.Hosts) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forwarder := forward.New(forward.Options{})
	defer forwarder.Close()
	planner := &planner{next: forwarder}
	_, problems := route.Compile(own, &route.Env{
		Registry: upstream.NewRegistry(), State: filter.NewState(), HTTP: offline{}, Forwarder: planner, Context: ctx,
	})
	for _, p := range problems {
		j.refuse(feature.Problem{Key: "spec.rules", Value: p.Origin.Host + p.Origin.Path, Reason: p.Reason})
	}
	for _, err := range planner.errs {
		j.warn(feature.Problem{Reason: "its requests cannot be forwarded as asked, 503 is answered: " + err.Error()})
	}
}

// routesOf returns the part of a configuration that comes from one Ingress. What two Ingresses of one host cannot both have,
// Translate has settled already.
func routesOf(config *ir.Config, name types.NamespacedName) *ir.Config {
	own := &ir.Config{Settings: config.Settings, Upstreams: config.Upstreams}
	for i := range config.Hosts {
		h := config.Hosts[i]
		var routes []ir.Route
		for k := range h.Routes {
			if o := &h.Routes[k].Origin; o.Ingress == name.Name && o.Namespace == name.Namespace {
				routes = append(routes, h.Routes[k])
			}
		}
		if len(routes) > 0 {
			h.Routes, h.Aliases = routes, nil
			own.Hosts = append(own.Hosts, h)
		}
	}
	return own
}

// planner compiles how requests are forwarded, and keeps to itself what goes wrong.
type planner struct {
	next route.Planner
	errs []error
}

var _ route.Planner = (*planner)(nil)

// Compile implements route.Planner.
func (p *planner) Compile(s forward.Spec) (*forward.Plan, error) {
	plan, err := p.next.Compile(s)
	if err != nil && len(p.errs) < translate.MaxProblems {
		p.errs = append(p.errs, err)
	}
	return plan, nil
}

// errOffline is what filters hear that ask somebody while they are tried.
var errOffline = errors.New("nothing is sent while an Ingress is judged")

// offline sends nothing.
type offline struct{}

// RoundTrip implements http.RoundTripper.
func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errOffline }

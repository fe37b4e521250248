package translate

// The steps of a translation. Each Ingress is first read by itself (plan), then all take their turn at what
// they share, oldest first:
//
//	configure   ConfigMap → settings
//	admit       order, class, annotations → one plan for each Ingress of ours
//	claim       hosts, paths, certificates, upstreams: the first to ask has it
//	canaries    canary Ingresses join the upstreams that the others claimed
//	host-wide   aliases, www redirects, wildcard certificates: what needs to know all hosts
//	streams     TCP and UDP services
//	result      claims and intents → routes
//
// The surprise is in the order of the two kinds of catch-all: an Ingress with nothing but a defaultBackend has the
// path "/" of the catch-all host even if a younger or older rule without a host asks for it, as in ingress-nginx.

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations"
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Translate says what the objects mean. It never fails; see Verdict and ObjectProblem. Neither argument may
// be changed meanwhile.
func Translate(objects *Objects, options *Options) *Result {
	w := newWorld(objects, options)
	w.configure()
	defer w.done()
	w.admit()
	w.claimAll()
	w.nameStandIns()
	w.mergeCanaries()
	w.settleHosts()
	w.claimStreams()
	return w.result()
}

// world is a translation in progress.
type world struct {
	options *Options
	lookup  *lookup
	// apply reads annotations; done is called when it is not needed any more.
	apply func(*feature.Source) (*feature.Intent, []feature.Problem)
	done  func()
	// source is what all Ingresses read their annotations with, but for the annotations.
	source   feature.Source
	settings ir.Settings
	// base is the intent of an Ingress without annotations.
	base *feature.Intent
	// verdicts are sorted by name.
	verdicts []Verdict
	plans    []*plan
	problems []ObjectProblem

	hosts map[string]*host
	// hostList are the hosts in the order in which they were created.
	hostList []*host
	// aliased are the hosts with aliases, those of older Ingresses first.
	aliased []*host
	// redirects are the hosts made for from-to-www-redirect.
	redirects []*host
	upstreams map[upstream.Key]*service
	// catchAll is the plan whose defaultBackend is the catch-all, or nil.
	catchAll *plan
	// routesTo are the Ingresses that have routes to an upstream; nil until somebody asks.
	routesTo map[*service][]string
	// streams are the TCP and UDP services.
	streams []ir.Stream
	// fallback is the service of --default-backend-service, or nil.
	fallback     *service
	certificates map[types.NamespacedName]*certificate

	newPlans    slab[plan]
	newHosts    slab[host]
	newClaims   slab[claim]
	newServices slab[service]
}

// slab makes many values of one type, some dozens at a time.
type slab[T any] struct{ free []T }

// new returns a zero value that nobody else has.
func (s *slab[T]) new() *T {
	if len(s.free) == 0 {
		s.free = make([]T, 64)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}

// newWorld returns a translation that has not begun.
func newWorld(objects *Objects, options *Options) *world {
	if objects == nil {
		objects = &Objects{}
	}
	if options == nil {
		options = &Options{}
	}
	n := len(objects.Ingresses)
	return &world{
		options: options, lookup: newLookup(objects),
		plans:        make([]*plan, 0, n),
		hosts:        make(map[string]*host, n),
		upstreams:    make(map[upstream.Key]*service, n),
		certificates: make(map[types.NamespacedName]*certificate),
	}
}

// configure reads the ConfigMap and what the flags name.
func (w *world) configure() {
	o := w.options
	w.source = feature.Source{
		Namespace: o.ConfigMap.Namespace, Prefixes: prefixes(o.AnnotationsPrefix), Objects: w.lookup,
	}
	if o.ConfigMap.Name != "" {
		data, ok := w.lookup.ConfigMap(o.ConfigMap.Namespace, o.ConfigMap.Name)
		w.source.Globals = data
		if !ok {
			w.report(ConfigMap, o.ConfigMap, feature.Problem{
				Reason: "there is no such ConfigMap: every setting has its default", Note: true,
			})
		}
	}
	configure := annotations.Configure
	if families := o.Annotations; families != nil {
		w.apply, w.done, configure = families.Apply, func() {}, families.Configure
	} else {
		w.apply, w.done = o.Memo.borrow(w.source.Globals)
	}
	settings, problems := w.configured(configure)
	for _, p := range problems {
		w.report(ConfigMap, o.ConfigMap, p)
	}
	if o.HTTPSPort != 0 {
		settings.Redirect.HTTPSPort = o.HTTPSPort
	}
	w.settings = settings
	w.base, _ = w.intentOf(nil, "")
	w.configureDefaults()
}

// configured runs Configure; if it panics the defaults hold.
func (w *world) configured(configure func(*feature.Source) (ir.Settings, []feature.Problem)) (settings ir.Settings, problems []feature.Problem) {
	defer func() {
		if cause := recover(); cause != nil {
			settings, problems = ir.DefaultSettings(), []feature.Problem{internalError(cause)}
		}
	}()
	src := w.source
	return configure(&src)
}

// configureDefaults finds the default backend and the default certificate.
func (w *world) configureDefaults() {
	if name := w.options.DefaultBackend; name.Name != "" {
		service := w.lookup.service(name)
		if key, ok := firstPort(name, service); ok {
			w.fallback = w.serviceOf(key, nil, nowhere)
		} else if service == nil {
			w.report(Service, name, feature.Problem{
				Key: "default-backend-service", Reason: "there is no such Service: 404 is answered instead",
			})
		} else {
			w.report(Service, name, feature.Problem{
				Key: "default-backend-service", Reason: "the Service has no TCP port: 404 is answered instead",
			})
		}
	}
	if name := w.options.DefaultCertificate; name.Name != "" {
		c := w.certificate(name)
		if c.fault == "" {
			w.settings.DefaultCertificate = c.Ref
			return
		}
		w.report(Secret, name, feature.Problem{
			Key: "default-ssl-certificate", Reason: c.fault + ": a self-signed certificate is shown instead",
		})
	}
}

// prefixes returns the prefixes of annotations: ours goes first.
func prefixes(first string) []string {
	if first = strings.TrimSuffix(first, "/"); first == "" {
		return []string{feature.YettPrefix, feature.NginxPrefix}
	}
	if first+"/" == feature.YettPrefix {
		return []string{feature.YettPrefix}
	}
	return []string{feature.YettPrefix, first + "/"}
}

// report notes a problem that belongs to no Ingress.
func (w *world) report(kind Kind, name types.NamespacedName, p feature.Problem) {
	w.problems = append(w.problems, ObjectProblem{kind, name, readable(p)})
}

// intentOf reads annotations. It returns an intent that denies everything if that panics.
func (w *world) intentOf(annotations map[string]string, namespace string) (intent *feature.Intent, problems []feature.Problem) {
	defer func() {
		if cause := recover(); cause != nil {
			p := internalError(cause)
			intent = feature.NewIntent()
			intent.Deny, intent.DenyReason = 503, p.Reason
			problems = []feature.Problem{p}
		}
	}()
	if annotations == nil {
		annotations = map[string]string{}
	}
	src := w.source
	src.Annotations, src.Namespace = annotations, namespace
	if intent, problems = w.apply(&src); intent == nil {
		panic("no intent")
	}
	for i := range problems {
		if p := &problems[i]; p.Denied && intent.Deny == 0 {
			intent.Deny, intent.DenyReason = 503, p.Key+": "+p.Reason
		}
	}
	return intent, problems
}

// internalError is the problem that a panic becomes: a bug of ours that one odd object brings out must cost
// that object and nothing else.
func internalError(cause any) feature.Problem {
	return feature.Problem{Reason: shown(fmt.Sprintf("internal error, please report it: %v", cause)), Denied: true}
}

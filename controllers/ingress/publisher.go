package ingress

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/endpoints"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Publisher brings a snapshot of all objects to the proxy.
type Publisher struct {
	Options translate.Options
	Proxy   *proxy.Proxy
	Feeder  *endpoints.Feeder
	// Report is told what became of every Ingress after each publish; it may be nil and must not block.
	Report func(*translate.Result)
	// Metrics of the control plane; nil for none.
	Metrics *observe.Controller
	Log     logr.Logger

	mu         sync.Mutex
	generation int
	said       map[string]bool
	verdicts   []translate.Verdict
	// missing are the Services that Ingresses name and nobody has.
	missing map[types.NamespacedName]bool
}

// Orphans returns the Ingresses that lead nowhere at the moment: all the time for a Service that is missing,
// until a pod is ready for one without endpoints.
func (p *Publisher) Orphans() []observe.Orphan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return orphans(p.verdicts, p.missing, func(key upstream.Key) bool {
		u := p.Proxy.Registry().Lookup(key)
		return u != nil && u.Ready()
	})
}

// orphans returns the Ingresses that lead nowhere, each once for each reason.
func orphans(verdicts []translate.Verdict, missing map[types.NamespacedName]bool, ready func(upstream.Key) bool) (list []observe.Orphan) {
	for i := range verdicts {
		v := &verdicts[i]
		for _, key := range v.Upstreams {
			o := observe.Orphan{Namespace: v.Name.Namespace, Ingress: v.Name.Name, Type: "no-endpoint"}
			switch {
			case missing[serviceOf(key)]:
				o.Type = "no-service"
			case ready(key):
				continue
			}
			if !slices.Contains(list[max(0, len(list)-2):], o) { // there are two reasons
				list = append(list, o)
			}
		}
	}
	return list
}

// missingServices returns the Services that Ingresses name and that are not there.
func missingServices(verdicts []translate.Verdict, objects *translate.Objects) map[types.NamespacedName]bool {
	missing := map[types.NamespacedName]bool{}
	for i := range verdicts {
		for _, key := range verdicts[i].Upstreams {
			if name := serviceOf(key); objects.Services[name] == nil {
				missing[name] = true
			}
		}
	}
	return missing
}

// serviceOf returns the Service of an upstream.
func serviceOf(key upstream.Key) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Service}
}

// Publish translates a snapshot, fills the upstreams that are new, swaps the table in, and reports. The
// order matters: no table goes live with an upstream that nobody has filled. With all, endpoints are read again
// for every upstream, for sources that do not tell of them apart.
func (p *Publisher) Publish(ctx context.Context, s *store.Snapshot, source endpoints.Source, all bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := time.Now()
	result := translate.Translate(&s.Objects, &p.Options)
	if err := p.Feeder.Want(ctx, source, result.Config.Upstreams, all); err != nil {
		p.Metrics.Failed()
		return fmt.Errorf("read endpoints: %w", err)
	}
	problems := p.Proxy.Apply(result.Config)
	p.Metrics.Published(hash(s), start)
	attach(result, problems)
	p.generation++
	p.Log.V(1).Info("published", "generation", p.generation, "hosts", len(result.Config.Hosts),
		"upstreams", len(result.Config.Upstreams), "ingresses", len(result.Verdicts), "duration", time.Since(start).String())
	p.verdicts, p.missing = result.Verdicts, missingServices(result.Verdicts, &s.Objects)
	p.say(result)
	if p.Report != nil {
		p.Report(result)
	}
	return nil
}

// hash returns a number that differs when the Ingresses do, for the metric config_hash: equal numbers on
// all replicas say that they serve the same. Order does not matter.
func hash(s *store.Snapshot) (sum uint64) {
	for _, o := range s.Ingresses {
		sum += xxhash.Sum64String(string(o.UID) + "\x00" + o.ResourceVersion)
	}
	return sum
}

// attach files what the proxy could not put to work under the Ingress that it came from.
func attach(result *translate.Result, problems []proxy.Problem) {
	if len(problems) == 0 {
		return
	}
	index := make(map[[2]string]int, len(result.Verdicts))
	for i := range result.Verdicts {
		name := result.Verdicts[i].Name
		index[[2]string{name.Namespace, name.Name}] = i
	}
	for _, problem := range problems {
		if !problem.Certificate.IsZero() && attachCertificate(result, index, problem) {
			continue
		}
		i, ok := index[[2]string{problem.Origin.Namespace, problem.Origin.Ingress}]
		if !ok || problem.Origin.Ingress == "" {
			result.Problems = append(result.Problems, translate.ObjectProblem{
				Kind: kindOf(problem), Problem: feature.Problem{Key: problem.Certificate.String(), Reason: problem.Reason},
			})
			continue
		}
		add(&result.Verdicts[i], feature.Problem{Key: "spec.rules", Value: problem.Origin.Host + problem.Origin.Path, Reason: problem.Reason})
	}
}

// add files a problem under an Ingress.
func add(v *translate.Verdict, problem feature.Problem) {
	if len(v.Problems) < translate.MaxProblems {
		v.Problems = append(v.Problems, problem)
	}
	if v.State == translate.Active {
		v.State = translate.Partial
	}
}

// attachCertificate files a problem with a certificate under the Ingresses of its namespace that have routes on the hosts
// that show it, and reports whether there are any. Where translation has told those of a host that name the Secret, it is not
// said again, nor to those that do not name it.
func attachCertificate(result *translate.Result, index map[[2]string]int, problem proxy.Problem) (attached bool) {
	secret, done := problem.Certificate, map[int]bool{}
	told := func(v int) bool {
		return slices.ContainsFunc(result.Verdicts[v].Problems, func(p feature.Problem) bool {
			return p.Value == secret.Name && strings.HasPrefix(p.Key, "spec.tls")
		})
	}
	for i := range result.Config.Hosts {
		host := &result.Config.Hosts[i]
		if host.Certificate != secret {
			continue
		}
		var verdicts []int
		for j := range host.Routes {
			origin := &host.Routes[j].Origin
			if v, ok := index[[2]string{origin.Namespace, origin.Ingress}]; ok && origin.Namespace == secret.Namespace {
				verdicts = append(verdicts, v)
			}
		}
		attached = attached || len(verdicts) > 0
		if slices.ContainsFunc(verdicts, func(v int) bool { return !done[v] && told(v) }) {
			continue
		}
		for _, v := range verdicts {
			if !done[v] {
				done[v] = true
				add(&result.Verdicts[v], feature.Problem{Key: "spec.tls", Value: secret.Name, Reason: problem.Reason})
			}
		}
	}
	return attached
}

// kindOf tells what a problem without an Ingress is about.
func kindOf(p proxy.Problem) translate.Kind {
	if !p.Certificate.IsZero() {
		return translate.Secret
	}
	return translate.ConfigMap
}

// say logs each problem once, as long as it stands: where paths answer 503 because of it as an error, since users get it and somebody
// has to act; everything else as information, since traffic flows and only an object is not all that its author thinks.
func (p *Publisher) say(result *translate.Result) {
	said := make(map[string]bool, len(p.said))
	once := func(kind, name string, problem feature.Problem) {
		id := kind + "\x00" + name + "\x00" + problem.Key + "\x00" + problem.Value + "\x00" + problem.Reason
		if said[id] {
			return
		}
		said[id] = true
		if p.said[id] {
			return
		}
		log := p.Log.WithValues("kind", kind, "name", name, "key", problem.Key, "value", problem.Value, "reason", problem.Reason,
			"denied", problem.Denied)
		if problem.Denied {
			log.Error(nil, "not as written: its paths answer 503")
		} else {
			log.Info("not as written")
		}
	}
	for i := range result.Verdicts {
		v := &result.Verdicts[i]
		if v.State == translate.Ignored && v.Reason != "" {
			once("Ingress", v.Name.String(), feature.Problem{Key: "ignored", Reason: v.Reason})
		}
		for _, problem := range v.Problems {
			once("Ingress", v.Name.String(), problem)
		}
	}
	for _, problem := range result.Problems {
		once(string(problem.Kind), problem.Name.String(), problem.Problem)
	}
	p.said = said
}

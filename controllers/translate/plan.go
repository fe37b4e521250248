package translate

import (
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
)

// plan is one Ingress of ours with what its annotations ask for.
type plan struct {
	ing *networkingv1.Ingress
	// key is "namespace/name".
	key     string
	intent  *feature.Intent
	verdict *Verdict
	// standIn answers while a Service has no endpoints (default-backend); nil for none.
	standIn *service
	// sections says which TLS section names a host; nil as long as there are few.
	sections map[string]int
	// covered says which TLS section has a certificate with a name; nil as long as there are few.
	covered map[string]int
	// served counts what it contributed: claims, hosts and canaries.
	served int
	// more counts the problems beyond MaxProblems.
	more int
	// faulty says that something of it is not served as it says.
	faulty bool
}

// admit puts the Ingresses in order, sorts out those that are not ours and reads the annotations of the rest.
func (w *world) admit() {
	ours := newClasses(w.lookup.objects.Classes, w.options)
	sorted := inOrder(w.lookup.objects.Ingresses)
	w.verdicts = make([]Verdict, len(sorted))
	ranks := ranksByName(sorted)
	for i, c := range sorted {
		v := &w.verdicts[ranks[i]]
		v.Name, v.UID = nameOf(c.ing), c.ing.UID
		if v.Reason = ours.ignore(c.ing); v.Reason != "" {
			continue
		}
		p := w.newPlans.new()
		p.ing, p.key, p.verdict = c.ing, c.key, v
		if w.hasTwin(ranks[i]) {
			v.State = Rejected
			p.report("metadata.name", c.ing.Name, "there are two Ingresses of this name: the other one is served")
			continue
		}
		v.State = Active
		w.plan(p)
	}
}

// hasTwin reports whether an Ingress of ours before the verdict of some rank has the same name.
func (w *world) hasTwin(rank int) bool {
	for i := rank - 1; i >= 0 && w.verdicts[i].Name == w.verdicts[rank].Name; i-- {
		if w.verdicts[i].Ours() {
			return true
		}
	}
	return false
}

// plan reads the annotations of an Ingress.
func (w *world) plan(p *plan) {
	v := p.verdict
	if w.options.DisableCatchAll && p.ing.Spec.DefaultBackend != nil {
		v.State = Rejected
		p.reject("spec.defaultBackend", "", "--disable-catch-all refuses Ingresses with a defaultBackend: write rules with hosts")
		return
	}
	var problems []feature.Problem
	p.intent, problems = w.intentOf(p.ing.Annotations, p.ing.Namespace)
	v.Canary = p.intent.Canary != nil
	for _, problem := range problems {
		if v.Canary && problem.Denied {
			// The main Ingress guards the path, so nothing is denied.
			problem.Denied, problem.Note, problem.Reject = false, true, false
		}
		p.add(problem)
	}
	// Of a canary whose annotations could not be read nothing is used: it must not claim what the main
	// Ingress should have.
	if p.intent.Deny != 0 && !v.Canary && w.saysCanary(p.ing.Annotations) {
		v.Canary, v.State = true, Rejected
		return
	}
	if p.intent.Deny != 0 && !v.Canary {
		p.faulty = true
	}
	w.plans = append(w.plans, p)
}

// saysCanary reports whether annotations make a canary, without any help of the families.
func (w *world) saysCanary(annotations map[string]string) bool {
	for _, prefix := range w.source.Prefixes {
		if yes, err := strconv.ParseBool(strings.TrimSpace(annotations[prefix+"canary"])); err == nil && yes {
			return true
		}
	}
	return false
}

// mentionsCanary reports whether annotations have the key canary, whatever it says. Flagger keeps a spare Ingress with the
// paths of the main one and canary: "false".
func (w *world) mentionsCanary(annotations map[string]string) bool {
	for _, prefix := range w.source.Prefixes {
		if strings.TrimSpace(annotations[prefix+"canary"]) != "" {
			return true
		}
	}
	return false
}

// report notes that a field of the spec cannot be honoured.
func (p *plan) report(field, value, reason string) {
	p.add(feature.Problem{Key: field, Value: shown(value), Reason: reason})
}

// reject notes that a field of the spec is wrong, whatever else there is in the cluster.
func (p *plan) reject(field, value, reason string) {
	p.add(feature.Problem{Key: field, Value: shown(value), Reason: reason, Reject: true})
}

// remark notes something worth knowing about a field that is honoured.
func (p *plan) remark(field, value, reason string) {
	p.add(feature.Problem{Key: field, Value: shown(value), Reason: reason, Note: true})
}

// add notes a problem, unless there are too many or it was noted before.
func (p *plan) add(problem feature.Problem) {
	if !problem.Note {
		p.faulty = true
	}
	v := p.verdict
	problem = readable(problem)
	switch {
	case slices.Contains(v.Problems, problem):
	case len(v.Problems) >= MaxProblems-1:
		p.more++
	default:
		v.Problems = append(v.Problems, problem)
	}
}

// readable returns a problem with nothing in it that is no text: values of files may be anything.
func readable(p feature.Problem) feature.Problem {
	p.Value, p.Reason = strings.ToValidUTF8(p.Value, "�"), strings.ToValidUTF8(p.Reason, "�")
	return p
}

// conclude sums the verdict up.
func (p *plan) conclude() {
	v := p.verdict
	if p.more > 0 {
		v.Problems = append(v.Problems, feature.Problem{
			Reason: "and " + strconv.Itoa(p.more) + " more problems like these", Note: true,
		})
	}
	switch {
	case p.served == 0:
		v.State = Rejected
		if len(v.Problems) == 0 {
			p.report("spec", "", "it names no path, no host of its own and no defaultBackend: nothing is served")
		}
	case p.faulty:
		v.State = Partial
	default:
		v.State = Active
	}
}

// namespaced returns a name in the namespace of the Ingress.
func (p *plan) namespaced(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.ing.Namespace, Name: name}
}

// spot is where in a spec something stands: a rule and a path of it.
type spot struct{ rule, path int }

// noPath is the path of a spot that is a rule.
const noPath = -1

// theDefaultBackend is the spot of the defaultBackend; nowhere is for what no Ingress says.
var theDefaultBackend, nowhere = spot{-1, noPath}, spot{-1, noPath}

// field names a field below a spot, for problems.
func (s spot) field(suffix string) string {
	if s.rule < 0 {
		return "spec.defaultBackend" + strings.TrimPrefix(suffix, ".backend")
	}
	name := "spec.rules[" + strconv.Itoa(s.rule) + "]"
	if s.path != noPath {
		name += ".http.paths[" + strconv.Itoa(s.path) + "]"
	}
	return name + suffix
}

// PathField names the path of a path of a rule, as problems do.
func PathField(rule, path int) string { return spot{rule, path}.field(".path") }

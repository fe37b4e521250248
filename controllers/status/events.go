package status

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
)

// The reasons of Events. They are stable: alerts match them.
const (
	// ReasonSync says that an Ingress was taken over or changed.
	ReasonSync = "Sync"
	// ReasonAnnotation says that an annotation was refused; the name is ingress-nginx's.
	ReasonAnnotation = "AnnotationParsingFailed"
	// ReasonDenied says that paths answer 503, since something that guards access was refused.
	ReasonDenied = "AccessDenied"
	// ReasonSpec says that something of the spec is not served.
	ReasonSpec = "NotServed"
	// ReasonObject says that something of an object that is no Ingress does not hold as it is written: a setting, a TCP service.
	ReasonObject = "NotAsWritten"
)

// told is what was last said about an object.
type told struct {
	// generation is that of the spec; annotations do not count, and neither does what we write.
	generation int64
	problems   []feature.Problem
}

// tellIngress writes Events for what was not yet said about an Ingress.
func (w *Writer) tellIngress(ingress *networkingv1.Ingress, v *translate.Verdict) {
	if w.Recorder == nil {
		return
	}
	if w.SyncEvents && w.told[v.UID].generation != ingress.Generation {
		w.Recorder.Eventf(ingress, nil, corev1.EventTypeNormal, ReasonSync, "Sync", "Scheduled for sync")
	}
	w.tell(ingress, v.UID, v.Problems, reasonOf)
}

// tellObjects writes Events for what was not yet said about other objects, and adds those to seen. One that is not there, or
// not in the namespaces that are watched, has nothing to show an Event at.
func (w *Writer) tellObjects(ctx context.Context, list []translate.ObjectProblem, seen map[types.UID]bool) {
	type subject struct {
		kind translate.Kind
		name types.NamespacedName
	}
	problems := map[subject][]feature.Problem{}
	for i := range list {
		s := subject{list[i].Kind, list[i].Name}
		if of := problems[s]; len(of) < translate.MaxProblems {
			problems[s] = append(of, list[i].Problem)
		}
	}
	for s, of := range problems {
		object := empty(s.kind)
		if w.Recorder == nil || object == nil || s.name.Name == "" {
			continue
		}
		if err := w.Client.Get(ctx, s.name, object); err != nil {
			continue
		}
		seen[object.GetUID()] = true
		w.tell(object, object.GetUID(), of, func(feature.Problem) string { return ReasonObject })
	}
}

// empty returns an object of a kind to read into; nil if Events are not written for it.
func empty(kind translate.Kind) client.Object {
	switch kind {
	case translate.ConfigMap:
		return &corev1.ConfigMap{}
	case translate.Secret:
		return &corev1.Secret{}
	case translate.Service:
		return &corev1.Service{}
	}
	return nil
}

// tell writes an Event for each problem that did not stand when the object was last told of.
func (w *Writer) tell(object client.Object, uid types.UID, problems []feature.Problem, reason func(feature.Problem) string) {
	last := w.told[uid].problems
	for _, p := range problems {
		if !slices.Contains(last, p) {
			text := sentence(p)
			w.Recorder.Eventf(object, nil, corev1.EventTypeWarning, reason(p), action(text), "%s", text)
		}
	}
	w.told[uid] = told{generation: object.GetGeneration(), problems: problems}
}

// action returns the action of an Event. Events of the same object, reason and action are one to client-go, which then counts the first
// one up and drops what the others say: the action must differ where the text does.
func action(text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return fmt.Sprintf("Translate-%08x", h.Sum32())
}

// reasonOf chooses the reason of a problem of an Ingress.
func reasonOf(p feature.Problem) string {
	switch {
	case p.Denied:
		return ReasonDenied
	case !strings.HasPrefix(p.Key, "spec"):
		return ReasonAnnotation
	}
	return ReasonSpec
}

// sentence says a problem in one line.
func sentence(p feature.Problem) string {
	if p.Key == "" {
		return p.Reason
	}
	if p.Value == "" {
		return p.Key + ": " + p.Reason
	}
	return fmt.Sprintf("%s: %q: %s", p.Key, p.Value, p.Reason)
}

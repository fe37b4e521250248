package status

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
)

// sink stands for the API server behind client-go's own broadcaster, which joins Events that it takes for the same.
type sink struct {
	mu    sync.Mutex
	notes []string
}

func (s *sink) Create(_ context.Context, e *eventsv1.Event) (*eventsv1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, e.Regarding.Kind+" "+e.Regarding.Name+" "+e.Reason+" "+e.Note)
	return e, nil
}

func (s *sink) Update(_ context.Context, e *eventsv1.Event) (*eventsv1.Event, error) { return e, nil }

func (s *sink) Patch(_ context.Context, e *eventsv1.Event, _ []byte) (*eventsv1.Event, error) {
	return e, nil
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "a", Name: name, UID: types.UID("uid of " + name), Generation: 1}
}

func TestEachProblemIsOneEventAsLongAsItStands(t *testing.T) {
	port := func(name, key string) translate.ObjectProblem {
		return translate.ObjectProblem{Kind: translate.ConfigMap, Name: types.NamespacedName{Namespace: "a", Name: name},
			Problem: feature.Problem{Key: key, Value: "db", Reason: "not a Service"}}
	}
	verdict := func(keys ...string) []translate.Verdict {
		v := translate.Verdict{Name: types.NamespacedName{Namespace: "a", Name: "web"}, UID: "uid of web", State: translate.Partial}
		for _, key := range keys {
			v.Problems = append(v.Problems, feature.Problem{Key: key, Value: "x", Reason: "not a number"})
		}
		return []translate.Verdict{v}
	}
	const about, reason = "ConfigMap tcp-services NotAsWritten ", `: "db": not a Service`
	steps := []struct {
		name     string
		verdicts []translate.Verdict
		problems []translate.ObjectProblem
		want     []string
	}{
		{"two of a ConfigMap", nil, []translate.ObjectProblem{port("tcp-services", "90x"), port("tcp-services", "91")}, []string{about + "90x" + reason, about + "91" + reason}},
		{"nothing new", nil, []translate.ObjectProblem{port("tcp-services", "91"), port("tcp-services", "90x")}, nil},
		{"one has gone", nil, []translate.ObjectProblem{port("tcp-services", "91")}, nil},
		{"another one", nil, []translate.ObjectProblem{port("tcp-services", "91"), port("tcp-services", "92")}, []string{about + "92" + reason}},
		{"an object that is not there", nil, []translate.ObjectProblem{port("gone", "91"), port("", "91"), port("tcp-services", "91"), port("tcp-services", "92")}, nil},
		{"two of an Ingress", verdict("limit-rps", "limit-rpm"), nil, []string{
			`Ingress web AnnotationParsingFailed limit-rpm: "x": not a number`, `Ingress web AnnotationParsingFailed limit-rps: "x": not a number`}},
		{"nothing new there", verdict("limit-rps", "limit-rpm"), nil, nil},
	}
	synctest.Test(t, func(t *testing.T) {
		s := new(sink)
		broadcaster := events.NewBroadcaster(s)
		if err := broadcaster.StartRecordingToSinkWithContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		w := Writer{
			Client:   fake.NewClientBuilder().WithObjects(&corev1.ConfigMap{ObjectMeta: named("tcp-services")}, &networkingv1.Ingress{ObjectMeta: named("web")}).Build(),
			Recorder: broadcaster.NewRecorder(scheme.Scheme, "test"), told: map[types.UID]told{},
		}
		for _, step := range steps {
			s.notes = nil
			w.Report(step.verdicts, step.problems)
			if err := w.write(t.Context()); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			synctest.Wait()
			slices.Sort(s.notes)
			if !slices.Equal(s.notes, step.want) {
				t.Errorf("%s:\n%s\nwant\n%s", step.name, strings.Join(s.notes, "\n"), strings.Join(step.want, "\n"))
			}
		}
		broadcaster.Shutdown()
	})
}

func TestEventsDoNotWaitForAddresses(t *testing.T) {
	recorder := events.NewFakeRecorder(4)
	reader := fake.NewClientBuilder().WithObjects(&networkingv1.Ingress{ObjectMeta: named("web")}).Build()
	w := Writer{
		Client: reader, Recorder: recorder, told: map[types.UID]told{},
		Addresses: &Addresses{Reader: reader, Service: types.NamespacedName{Namespace: "a", Name: "gone"}},
	}
	w.Report([]translate.Verdict{{Name: types.NamespacedName{Namespace: "a", Name: "web"}, UID: "uid of web", State: translate.Partial,
		Problems: []feature.Problem{{Key: "spec.rules[0].host", Reason: "not a host name"}}}}, nil)
	if err := w.write(t.Context()); err == nil || !strings.Contains(err.Error(), "a/gone") {
		t.Errorf("got %v, want an error about the Service", err)
	}
	if len(recorder.Events) != 1 {
		t.Errorf("%d Events, want 1", len(recorder.Events))
	}
}

func TestWhatCannotBeWrittenIsLoggedOnceAndWhenItChanges(t *testing.T) {
	var log []string
	w := Writer{Log: funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{})}
	said := ""
	for _, step := range []struct{ err, want string }{
		{"", ""}, {"no service", "no service"}, {"no service", ""}, {"no node", "no node"}, {"", "again"}, {"", ""}, {"no node", "no node"},
	} {
		log = nil
		var err error
		if step.err != "" {
			err = errors.New(step.err)
		}
		said = w.say(err, said)
		if text := strings.Join(log, "\n"); !strings.Contains(text, step.want) || (text == "") != (step.want == "") {
			t.Errorf("after %q the log says %q, want %q", step.err, text, step.want)
		}
	}
}

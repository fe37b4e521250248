package ingress

import (
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// addresses returns what the status of an Ingress says.
func (s *stage) addresses(name string) (list []string) {
	var o networkingv1.Ingress
	if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, &o); err != nil {
		s.t.Fatal(err)
	}
	for _, i := range o.Status.LoadBalancer.Ingress {
		list = append(list, i.IP+i.Hostname)
	}
	return list
}

// TestStatusNamesTheAddress is the sections "Ingress backed by a single Service" and "Simple fanout": when the Ingress
// is satisfied, its status has the address of the controller; `kubectl get ingress` shows it. Ingresses of others have
// none.
func TestStatusNamesTheAddress(t *testing.T) {
	s := newStage(t, "--publish-status-address", "203.0.113.123,gate.example.com")
	s.deploy("a")
	o := s.ingress("ours", harness.Rule("foo.bar.com", harness.Path(prefix, "/", "a")))
	class := "somebody-elses"
	theirs := s.object("theirs", harness.Rule("theirs.bar.com", harness.Path(prefix, "/", "a")))
	theirs.Spec.IngressClassName = &class
	s.Make(t, theirs)
	want := []string{"203.0.113.123", "gate.example.com"}
	harness.Until(t, 4*patience, "the address in the status", func() bool { return slices.Equal(s.addresses("ours"), want) })
	s.ingress("later", harness.Rule("later.bar.com", harness.Path(prefix, "/", "a")))
	harness.Until(t, patience, "the address in the status of a new Ingress", func() bool { return slices.Equal(s.addresses("later"), want) })
	if got := s.addresses("theirs"); len(got) > 0 {
		t.Errorf("the Ingress of another class got %v", got)
	}
	generation := o.Generation
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	if o.Generation != generation {
		t.Errorf("the specification was written to: generation %d, then %d", generation, o.Generation)
	}
}

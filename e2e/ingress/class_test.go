package ingress

import (
	"context"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestIngressClass is the section "Ingress class": an Ingress names a class, the class names the controller, and every
// controller leaves the Ingresses of others alone.
func TestIngressClass(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	other := harness.Class(s.namespace+"-other", "example.com/other-controller")
	s.Make(t, other)
	t.Cleanup(func() { _ = s.Delete(context.Background(), other) })
	rule := func(host string) networkingv1.IngressRule { return harness.Rule(host, harness.Path(prefix, "/", "a")) }
	theirs := s.object("theirs", rule("theirs.bar.com"))
	theirs.Spec.IngressClassName = &other.Name
	nobodys := s.object("nobodys", rule("nobodys.bar.com"))
	missing := s.namespace + "-missing"
	nobodys.Spec.IngressClassName = &missing
	s.Make(t, theirs, nobodys)
	s.ingress("ours", rule("ours.bar.com"))
	s.want("ours.bar.com", "/", "a")
	s.want("theirs.bar.com", "/", "404")
	s.want("nobodys.bar.com", "/", "404")
	harness.Change(t, s, theirs, func(o *networkingv1.Ingress) { o.Spec.IngressClassName = &s.class })
	s.want("theirs.bar.com", "/", "a")
	harness.Change(t, s, theirs, func(o *networkingv1.Ingress) { o.Spec.IngressClassName = &other.Name })
	s.want("theirs.bar.com", "/", "404")
}

// TestSeveralClassesOfAController is the section "Ingress class": classes may differ in their parameters and share a
// controller. This one has no parameters, and serves them all.
func TestSeveralClassesOfAController(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	second := s.namespace + "-second"
	o := s.object("second", harness.Rule("second.bar.com", harness.Path(prefix, "/", "a")))
	o.Spec.IngressClassName = &second
	s.Make(t, o)
	s.settle()
	s.want("second.bar.com", "/", "404")
	scope, group, namespace := networkingv1.IngressClassParametersReferenceScopeNamespace, "k8s.example.com", s.namespace
	s.makeClass(second, func(o *networkingv1.IngressClass) {
		o.Spec.Parameters = &networkingv1.IngressClassParametersReference{Scope: &scope, APIGroup: &group, Kind: "IngressParameters", Name: "x", Namespace: &namespace}
	})
	s.want("second.bar.com", "/", "a")
}

// TestDeprecatedAnnotation is the section of that name: before there was ingressClassName, the annotation
// kubernetes.io/ingress.class named the class.
func TestDeprecatedAnnotation(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	annotated := func(name, class string) *networkingv1.Ingress {
		o := s.object(name, harness.Rule(name+".bar.com", harness.Path(prefix, "/", "a")))
		o.Spec.IngressClassName = nil
		o.Annotations = map[string]string{"kubernetes.io/ingress.class": class}
		return o
	}
	s.Make(t, annotated("old", s.class), annotated("foreign", "haproxy"))
	s.settle()
	s.want("old.bar.com", "/", "a")
	s.want("foreign.bar.com", "/", "404")
}

// TestDefaultIngressClass is the section of that name: a class may be marked as the default. The API server then writes it
// into new Ingresses that name none.
func TestDefaultIngressClass(t *testing.T) {
	s := newStage(t, "--watch-ingress-without-class=false")
	s.deploy("a")
	before := s.object("before", harness.Rule("before.bar.com", harness.Path(prefix, "/", "a")))
	before.Spec.IngressClassName = nil
	s.Make(t, before)
	s.settle()
	s.want("before.bar.com", "/", "404")
	class := s.namespace + "-default"
	s.makeClass(class, func(o *networkingv1.IngressClass) {
		o.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}
	})
	var o *networkingv1.Ingress
	harness.Until(t, patience, "the API server knows the default class", func() bool {
		if o != nil {
			s.Remove(t, o)
		}
		o = s.object("after", harness.Rule("after.bar.com", harness.Path(prefix, "/", "a")))
		o.Spec.IngressClassName = nil
		s.Make(t, o)
		return o.Spec.IngressClassName != nil
	})
	if *o.Spec.IngressClassName != class {
		t.Errorf("the API server wrote class %q, want %q", *o.Spec.IngressClassName, class)
	}
	s.want("after.bar.com", "/", "a")
	s.want("before.bar.com", "/", "404") // what exists is left as it is
}

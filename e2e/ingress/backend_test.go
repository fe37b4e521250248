package ingress

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestDefaultBackend is the section "DefaultBackend": requests that match neither host nor path of the rules go there. Which
// Ingress speaks for a host that nobody has is left open: here, as in ingress-nginx, one without rules; with rules, its
// default backend is for their hosts.
func TestDefaultBackend(t *testing.T) {
	s := newStage(t)
	s.deploy("ruled", "fallback")
	o := s.object("mixed", harness.Rule("foo.bar.com", harness.Path(prefix, "/foo", "ruled")))
	backend := harness.ToService("fallback", networkingv1.ServiceBackendPort{Number: 80})
	o.Spec.DefaultBackend = &backend
	s.Make(t, o)
	s.want("foo.bar.com", "/foo", "ruled")
	s.want("foo.bar.com", "/", "fallback")
	s.want("foo.bar.com", "/bar", "fallback")
	s.want("unknown.bar.com", "/", "404")
	harness.Change(t, s, o, func(o *networkingv1.Ingress) { o.Spec.DefaultBackend = nil })
	s.want("foo.bar.com", "/bar", "404")
	s.want("foo.bar.com", "/foo", "ruled")
	catchAll := s.object("catch-all")
	catchAll.Spec.DefaultBackend = &backend
	s.Make(t, catchAll)
	s.want("unknown.bar.com", "/", "fallback")
}

// TestNoDefaultBackend is the section "DefaultBackend": without one, requests that match nothing are up to the controller.
// This one answers 404, or with the Service of --default-backend-service.
func TestNoDefaultBackend(t *testing.T) {
	s := newStage(t)
	s.deploy("a", "fallback")
	s.ingress("plain", harness.Rule("foo.bar.com", harness.Path(prefix, "/foo", "a")))
	s.want("foo.bar.com", "/bar", "404")
	s.want("unknown.bar.com", "/", "404")
	t.Run("with --default-backend-service", func(t *testing.T) {
		s := newStage(t, "--default-backend-service", s.namespace+"/fallback")
		s.want("unknown.bar.com", "/", "fallback")
	})
}

// TestAnIngressNeedsABackend is the section "DefaultBackend": an Ingress without rules must have one. The API server sees to it.
func TestAnIngressNeedsABackend(t *testing.T) {
	s := newStage(t)
	if err := s.Create(t.Context(), s.object("empty")); err == nil {
		t.Error("the API server took an Ingress without rules and without a default backend")
	}
}

// TestResourceBackends is the section "Resource backends": a backend is a Service or another object of the namespace, never
// both. Which objects there are is up to the controller; this one knows none, which must not harm other paths.
func TestResourceBackends(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	group := "k8s.example.com"
	resource := &corev1.TypedLocalObjectReference{APIGroup: &group, Kind: "StorageBucket", Name: "icon-assets"}
	icons := harness.Path(specific, "/icons", "a")
	both := s.object("both", harness.Rule("foo.bar.com", icons))
	both.Spec.Rules[0].HTTP.Paths[0].Backend.Resource = resource
	if err := s.Create(t.Context(), both); err == nil {
		t.Error("the API server took a backend that is a Service and a resource")
	}
	icons.Backend = networkingv1.IngressBackend{Resource: resource}
	o := s.ingress("resource", harness.Rule("foo.bar.com", icons, harness.Path(prefix, "/app", "a")))
	s.want("foo.bar.com", "/app", "a")
	if got, _ := s.ask(false, "foo.bar.com", "/icons/x.png"); got != "404" && got != "503" {
		t.Errorf("a path to a resource answers %s", got)
	}
	harness.Change(t, s, o, func(o *networkingv1.Ingress) {
		o.Spec.DefaultBackend = &networkingv1.IngressBackend{Resource: resource}
	})
	s.settle()
	s.want("foo.bar.com", "/app", "a")
	if got, _ := s.ask(false, "unknown.bar.com", "/"); got != "404" && got != "503" {
		t.Errorf("a default backend that is a resource answers %s", got)
	}
}

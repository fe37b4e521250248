package ingress

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestIngressRules is the section "Ingress rules": a rule without a host is for all requests that come in, one with a host
// for that host only; host and path must both match before the backend is used.
func TestIngressRules(t *testing.T) {
	s := newStage(t)
	s.deploy("a", "b", "any")
	s.ingress("hosts", harness.Rule("foo.bar.com", harness.Path(prefix, "/testpath", "a")), harness.Rule("other.bar.com", harness.Path(prefix, "/", "b")))
	s.want("foo.bar.com", "/testpath", "a")
	s.want("foo.bar.com", "/", "404")
	s.want("foo.bar.com", "/elsewhere", "404")
	s.want("other.bar.com", "/testpath", "b")
	s.want("unknown.bar.com", "/testpath", "404")
	s.ingress("nohost", harness.Rule("", harness.Path(prefix, "/open", "any")))
	s.want("unknown.bar.com", "/open", "any")
	s.want("even-more.unknown.com", "/open/below", "any")
	s.want("unknown.bar.com", "/", "404")
}

// TestIngressBackedByASingleService is the section of that name: an Ingress with a default backend and no rules exposes one
// Service to every request.
func TestIngressBackedByASingleService(t *testing.T) {
	s := newStage(t)
	s.deploy("test", "ruled")
	s.ingress("ruled", harness.Rule("ruled.bar.com", harness.Path(prefix, "/", "ruled")))
	o := s.object("test-ingress")
	backend := harness.ToService("test", networkingv1.ServiceBackendPort{Number: 80})
	o.Spec.DefaultBackend = &backend
	s.Make(t, o)
	for _, host := range []string{"foo.bar.com", "anything.else.com", "192.0.2.7"} {
		s.want(host, "/", "test")
		s.want(host, "/some/path?q=1", "test")
	}
	s.want("ruled.bar.com", "/", "ruled")
}

// TestSimpleFanout is the section of that name: one host, one address, and a Service for each path.
func TestSimpleFanout(t *testing.T) {
	s := newStage(t)
	s.deploy("service1", "service2")
	s.ingress("simple-fanout-example", harness.Rule("foo.bar.com", harness.Path(prefix, "/foo", "service1"), harness.Path(prefix, "/bar", "service2")))
	for target, service := range map[string]string{"/foo": "service1", "/foo/x": "service1", "/bar": "service2", "/bar/x?y=z": "service2", "/": "404", "/baz": "404"} {
		r := s.want("foo.bar.com", target, service)
		if got := r.header.Get("X-Seen-Path"); service != "404" && got != target {
			t.Errorf("the Service was asked for %q, want %q as the client wrote it", got, target)
		}
	}
}

// TestNameBasedVirtualHosting is the section of that name: several hosts at one address; requests that match no host of
// the rules go to the rule without a host.
func TestNameBasedVirtualHosting(t *testing.T) {
	s := newStage(t)
	s.deploy("service1", "service2", "service3")
	s.ingress("name-virtual-host-ingress-no-third-host",
		harness.Rule("first.bar.com", harness.Path(prefix, "/", "service1")),
		harness.Rule("second.bar.com", harness.Path(prefix, "/", "service2")),
		harness.Rule("", harness.Path(prefix, "/", "service3")))
	for host, service := range map[string]string{
		"first.bar.com": "service1", "FIRST.Bar.COM": "service1", "first.bar.com:8080": "service1", "second.bar.com": "service2",
		"third.bar.com": "service3", "192.0.2.1": "service3", "localhost": "service3",
	} {
		r := s.want(host, "/", service)
		if got := r.header.Get("X-Seen-Host"); got != host {
			t.Errorf("the Service saw the host %q, want %q", got, host)
		}
	}
}

// TestOneHostInSeveralIngresses: rules of one host may stand in several Ingresses; the documentation does not forbid it, and
// every controller joins them.
func TestOneHostInSeveralIngresses(t *testing.T) {
	s := newStage(t)
	s.deploy("a", "b")
	s.ingress("one", harness.Rule("foo.bar.com", harness.Path(prefix, "/a", "a")))
	two := s.ingress("two", harness.Rule("foo.bar.com", harness.Path(prefix, "/b", "b")))
	s.want("foo.bar.com", "/a", "a")
	s.want("foo.bar.com", "/b", "b")
	s.Remove(t, two)
	s.want("foo.bar.com", "/b", "404")
	s.want("foo.bar.com", "/a", "a")
}

// TestUpdatingAnIngress is the section of that name: edited rules take effect, and what was there before goes on.
func TestUpdatingAnIngress(t *testing.T) {
	s := newStage(t)
	s.deploy("service1", "service2")
	o := s.ingress("test", harness.Rule("foo.bar.com", harness.Path(prefix, "/foo", "service1")))
	s.want("foo.bar.com", "/foo", "service1")
	harness.Change(t, s, o, func(o *networkingv1.Ingress) {
		o.Spec.Rules = append(o.Spec.Rules, harness.Rule("bar.baz.com", harness.Path(prefix, "/foo", "service2")))
	})
	s.want("bar.baz.com", "/foo", "service2")
	s.want("foo.bar.com", "/foo", "service1")
	harness.Change(t, s, o, func(o *networkingv1.Ingress) { o.Spec.Rules = o.Spec.Rules[1:] })
	s.want("foo.bar.com", "/foo", "404")
	s.want("bar.baz.com", "/foo", "service2")
	s.Remove(t, o)
	s.want("bar.baz.com", "/foo", "404")
}

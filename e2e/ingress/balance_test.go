package ingress

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestAllEndpointsGetRequests is the section "Load balancing": requests of a Service are spread over its endpoints. Of ten,
// every one gets some, and, since they are alike, none much more than its share.
func TestAllEndpointsGetRequests(t *testing.T) {
	s := newStage(t)
	s.Make(t, harness.Service(s.namespace, "many"))
	const endpoints, requests = 10, 1000
	for i := range endpoints {
		s.endpoint("many", fmt.Sprintf("many-%d", i))
	}
	s.ingress("many", harness.Rule("foo.bar.com", harness.Path(prefix, "/", "many")))
	hits := map[string]int{}
	harness.Until(t, 5*time.Second, "all endpoints get requests", func() bool {
		got, _ := s.ask(false, "foo.bar.com", "/")
		hits[got]++
		return len(hits) >= endpoints
	})
	clear(hits)
	for range requests {
		got, _ := s.ask(false, "foo.bar.com", "/")
		hits[got]++
	}
	if len(hits) != endpoints {
		t.Errorf("%d different answers, want %d: %v", len(hits), endpoints, hits)
	}
	for name, n := range hits {
		if n < requests/endpoints/2 || n > requests/endpoints*2 {
			t.Errorf("%s got %d of %d requests", name, n, requests)
		}
	}
	t.Logf("%d requests: %v", requests, hits)
}

// TestReadinessDecides is the section "Load balancing", on health checks: Ingress has none of its own, readiness probes do
// the same. Endpoints that are not ready get nothing, and none at all is an error of the gate.
func TestReadinessDecides(t *testing.T) {
	s := newStage(t)
	s.Make(t, harness.Service(s.namespace, "app"))
	s.endpoint("app", "first")
	s.endpoint("app", "second")
	s.ingress("app", harness.Rule("foo.bar.com", harness.Path(prefix, "/", "app")))
	s.want("foo.bar.com", "/", "second")
	s.want("foo.bar.com", "/", "first")
	ready := func(name string, is bool) {
		harness.Change(t, s, &discoveryv1.EndpointSlice{ObjectMeta: harness.Meta(s.namespace, name)}, func(o *discoveryv1.EndpointSlice) {
			o.Endpoints[0].Conditions.Ready = &is
		})
	}
	ready("second", false)
	harness.Until(t, 5*time.Second, "only the ready endpoint answers", func() bool {
		for range 20 {
			if got, _ := s.ask(false, "foo.bar.com", "/"); got != "first" {
				return false
			}
		}
		return true
	})
	ready("first", false)
	s.want("foo.bar.com", "/", "503")
	ready("second", true)
	s.want("foo.bar.com", "/", "second")
}

// TestServicePorts is the section "The Ingress resource": a backend is a Service and one of its ports, by number or by name.
// The number is the Service's, whatever the port of the endpoints.
func TestServicePorts(t *testing.T) {
	s := newStage(t)
	web, admin := harness.StartBackend(t, s.address, "web"), harness.StartBackend(t, s.address, "admin")
	o := harness.Service(s.namespace, "ports")
	o.Spec.Ports = []corev1.ServicePort{{Name: "web", Port: 8080, TargetPort: intstr.FromString("http")}, {Name: "admin", Port: 9090, TargetPort: intstr.FromInt(admin.Port)}}
	slice := harness.Slice(s.namespace, "ports-1", "ports", web.Port, true, s.address)
	webName, adminName, adminPort := "web", "admin", int32(admin.Port)
	slice.Ports[0].Name = &webName
	slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &adminName, Port: &adminPort})
	s.Make(t, o, slice)
	to := func(path string, port networkingv1.ServiceBackendPort) networkingv1.HTTPIngressPath {
		return networkingv1.HTTPIngressPath{Path: path, PathType: typed(prefix), Backend: harness.ToService("ports", port)}
	}
	s.ingress("ports", harness.Rule("foo.bar.com",
		to("/web-number", networkingv1.ServiceBackendPort{Number: 8080}), to("/web-name", networkingv1.ServiceBackendPort{Name: "web"}),
		to("/admin-number", networkingv1.ServiceBackendPort{Number: 9090}), to("/admin-name", networkingv1.ServiceBackendPort{Name: "admin"}),
		to("/no-number", networkingv1.ServiceBackendPort{Number: 7070}), to("/no-name", networkingv1.ServiceBackendPort{Name: "nothing"})))
	s.want("foo.bar.com", "/web-number", "web")
	s.want("foo.bar.com", "/web-name", "web")
	s.want("foo.bar.com", "/admin-number", "admin")
	s.want("foo.bar.com", "/admin-name", "admin")
	s.want("foo.bar.com", "/no-number", "503")
	s.want("foo.bar.com", "/no-name", "503")
}

// TestBackendsOfItsOwnNamespace is the section "The Ingress resource": backends are Services of the Ingress's own namespace.
func TestBackendsOfItsOwnNamespace(t *testing.T) {
	s := newStage(t)
	s.deploy("here")
	elsewhere := &corev1.Namespace{ObjectMeta: harness.Meta("", s.namespace+"-2")}
	s.Make(t, elsewhere)
	t.Cleanup(func() { _ = s.Delete(context.Background(), elsewhere) })
	b := harness.StartBackend(t, s.address, "there")
	s.Make(t, harness.Service(elsewhere.Name, "there"), harness.Slice(elsewhere.Name, "there", "there", b.Port, true, b.IP))
	s.ingress("here", harness.Rule("foo.bar.com", harness.Path(prefix, "/here", "here"), harness.Path(prefix, "/there", "there")))
	s.want("foo.bar.com", "/here", "here")
	s.want("foo.bar.com", "/there", "503")
}

// TestExternalName is the documentation of Services, "Type ExternalName": the Service is a name elsewhere. There is no name
// server in here, so the name is an address, which Kubernetes leaves to whoever reads it; names of this host lead nowhere.
func TestExternalName(t *testing.T) {
	s := newStage(t)
	b := harness.StartBackend(t, s.address, "outside")
	for name, target := range map[string]string{"outside": s.address, "inside": "localhost"} {
		o := harness.Service(s.namespace, name)
		o.Spec.Type, o.Spec.ExternalName, o.Spec.Ports = corev1.ServiceTypeExternalName, target, []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt(b.Port)}}
		s.Make(t, o)
	}
	s.ingress("outside", harness.Rule("foo.bar.com", harness.Path(prefix, "/", "outside"), harness.Path(prefix, "/inside", "inside")))
	s.want("foo.bar.com", "/", "outside")
	s.want("foo.bar.com", "/inside", "503")
}

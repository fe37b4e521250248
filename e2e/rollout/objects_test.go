package rollout

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/e2e/harness"
)

// prefix begins the keys of annotations.
const prefix = "nginx.ingress.kubernetes.io/"

func contains(text, part string) bool { return strings.Contains(text, part) }

func (c *cluster) service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: harness.Meta(c.name, name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(podPort)}}}}
}

// slice makes a Service's EndpointSlice out of ready pods.
func (c *cluster) slice(service string, list ...*pod) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{ObjectMeta: harness.Meta(c.name, service+"-1"), AddressType: discoveryv1.AddressTypeIPv4}
	o.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	port, portName := int32(podPort), "http"
	o.Ports = []discoveryv1.EndpointPort{{Name: &portName, Port: &port}}
	o.Endpoints = endpoints(list...)
	return o
}

// endpoints are those of ready pods.
func endpoints(list ...*pod) (out []discoveryv1.Endpoint) {
	yes, no := true, false
	for _, p := range list {
		out = append(out, discoveryv1.Endpoint{Addresses: []string{p.ip}, Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &no}})
	}
	return out
}

// ingress sends a host to a Service.
func (c *cluster) ingress(name, host, service string) *networkingv1.Ingress {
	path := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{ObjectMeta: harness.Meta(c.name, name), Spec: networkingv1.IngressSpec{
		IngressClassName: &c.class,
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &path,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}}},
	}}
}

// Short names for what closures edit.
type (
	ingressType = networkingv1.Ingress
	serviceType = corev1.Service
)

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

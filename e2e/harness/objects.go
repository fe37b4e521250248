package harness

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Meta names an object.
func Meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// Class is an IngressClass.
func Class(name, controller string) *networkingv1.IngressClass {
	return &networkingv1.IngressClass{ObjectMeta: Meta("", name), Spec: networkingv1.IngressClassSpec{Controller: controller}}
}

// Service is a Service without a selector, with port 80 of the name http.
func Service(namespace, name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: Meta(namespace, name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
}

// Slice is an EndpointSlice of a Service's port http: some addresses on one port.
func Slice(namespace, name, service string, port int, ready bool, addresses ...string) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{ObjectMeta: Meta(namespace, name), AddressType: discoveryv1.AddressTypeIPv4}
	o.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	number, portName := int32(port), "http" //nolint:gosec // a port
	o.Ports = []discoveryv1.EndpointPort{{Name: &portName, Port: &number}}
	for _, address := range addresses {
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	return o
}

// Ingress sends all paths of a host to port 80 of a Service.
func Ingress(namespace, name, class, host, service string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: Meta(namespace, name), Spec: networkingv1.IngressSpec{
		IngressClassName: &class, Rules: []networkingv1.IngressRule{Rule(host, Path(networkingv1.PathTypePrefix, "/", service))},
	}}
}

// Rule is a rule with paths. A host "" is any.
func Rule(host string, paths ...networkingv1.HTTPIngressPath) networkingv1.IngressRule {
	return networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}}}
}

// Path sends a path to port 80 of a Service.
func Path(kind networkingv1.PathType, path, service string) networkingv1.HTTPIngressPath {
	return networkingv1.HTTPIngressPath{Path: path, PathType: &kind, Backend: ToService(service, networkingv1.ServiceBackendPort{Number: 80})}
}

// ToService is a backend.
func ToService(service string, port networkingv1.ServiceBackendPort) networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: port}}
}

package translate

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/proxy/upstream"
)

// PortText returns how an upstream.Key writes the port of an Ingress backend: its number if it has one, else
// its name; "" if it has neither.
func PortText(port networkingv1.ServiceBackendPort) string {
	if port.Number > 0 {
		return strconv.Itoa(int(port.Number))
	}
	return port.Name
}

// FindPort returns the port of a Service that an Ingress means: the one with that number or name, else the
// one whose targetPort it is, which ingress-nginx allows. Where both fit different ports ingress-nginx takes
// the one that comes first; we take the one that Kubernetes means. Only ports of the key's protocol count.
func FindPort(service *corev1.Service, key *upstream.Key) (*corev1.ServicePort, bool) {
	port, fits := key.Port, tcp
	if key.UDP {
		fits = udp
	}
	if service == nil || port == "" {
		return nil, false
	}
	number, err := strconv.ParseInt(port, 10, 32)
	ports := service.Spec.Ports
	for i := range ports {
		if fits(&ports[i]) && (err == nil && int64(ports[i].Port) == number || ports[i].Name == port) {
			return &ports[i], true
		}
	}
	for i := range ports {
		if target := &ports[i].TargetPort; fits(&ports[i]) && *target != (intstr.IntOrString{}) && target.String() == port {
			return &ports[i], true
		}
	}
	return nil, false
}

// tcp reports whether a port can carry HTTP.
func tcp(port *corev1.ServicePort) bool {
	return port.Protocol == "" || port.Protocol == corev1.ProtocolTCP
}

// udp reports whether a port carries datagrams.
func udp(port *corev1.ServicePort) bool { return port.Protocol == corev1.ProtocolUDP }

// firstPort returns the key of the first TCP port of a Service, which is what default backends are asked on.
func firstPort(name types.NamespacedName, service *corev1.Service) (upstream.Key, bool) {
	if service == nil {
		return upstream.Key{}, false
	}
	for i := range service.Spec.Ports {
		if p := &service.Spec.Ports[i]; tcp(p) && p.Port > 0 {
			return upstream.Key{Namespace: name.Namespace, Service: name.Name, Port: strconv.Itoa(int(p.Port))}, true
		}
	}
	return upstream.Key{}, false
}

// serviceFault returns why a Service cannot be asked on a port, in words, or "".
func serviceFault(service *corev1.Service, key upstream.Key, options *Options) string {
	switch {
	case service == nil:
		return "there is no Service " + key.Namespace + "/" + key.Service + ", so it has no endpoints: create it"
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		if options.DisableExternalName {
			return "Service " + key.Service + " is of type ExternalName, which --disable-svc-external-name refuses, so it has no endpoints"
		}
		// An ExternalName Service need not list its ports.
		if _, err := strconv.ParseUint(key.Port, 10, 16); err == nil {
			return ""
		}
	}
	if _, ok := FindPort(service, &key); !ok && key.UDP {
		return "Service " + key.Service + " has no UDP port " + shownQuoted(key.Port) + ", so it has no endpoints"
	} else if !ok {
		return "Service " + key.Service + " has no TCP port " + shownQuoted(key.Port) + ", so it has no endpoints"
	}
	return ""
}

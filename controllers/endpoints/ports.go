package endpoints

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// numberIn returns the number that a Service port has on the endpoints of a slice. Ports are matched by name.
// Where slices made by hand name them otherwise, ingress-nginx falls back to the only port and then to a numeric
// targetPort, and so do we.
func numberIn(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) (number uint16, ok bool) {
	target := int32(0)
	if port.TargetPort.Type == intstr.Int {
		target = port.TargetPort.IntVal
	}
	var only *discoveryv1.EndpointPort
	count, wanted := 0, protocolOf(port)
	for i := range slice.Ports {
		p := &slice.Ports[i]
		if p.Protocol == nil && wanted != corev1.ProtocolTCP || p.Protocol != nil && *p.Protocol != wanted {
			continue
		}
		if name := p.Name; name == nil && port.Name == "" || name != nil && *name == port.Name {
			return numberOf(p, target, port.Port)
		}
		only = p
		count++
	}
	if count == 1 && port.Name == "" {
		return numberOf(only, target, port.Port)
	}
	return portNumber(target)
}

// protocolOf returns the protocol of a Service port; TCP is what nothing stands for.
func protocolOf(port *corev1.ServicePort) corev1.Protocol {
	if port.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return port.Protocol
}

// numberOf returns the number of a port of a slice. nil stands for all ports, so the Service says which.
func numberOf(p *discoveryv1.EndpointPort, target, port int32) (uint16, bool) {
	switch {
	case p.Port != nil:
		return portNumber(*p.Port)
	case target != 0:
		return portNumber(target)
	}
	return portNumber(port)
}

// portNumber returns a number as a port.
func portNumber(n int32) (uint16, bool) {
	return uint16(n), n > 0 && n <= 65535
}

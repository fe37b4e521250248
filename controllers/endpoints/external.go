package endpoints

import (
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/upstream"
)

// external returns what an ExternalName Service leads to: a name for somebody to resolve, or an address where
// one is written in the name's place, which ingress-nginx allows.
func external(service *corev1.Service, key *upstream.Key, options *Options) Built {
	if options.DisableExternalName {
		return Built{Reason: ExternalNameDisabled}
	}
	number, ok := externalPort(service, key)
	if !ok {
		return Built{Reason: PortNotFound}
	}
	name := strings.ToLower(strings.TrimSuffix(service.Spec.ExternalName, "."))
	if a, err := netip.ParseAddr(name); err == nil {
		if a = a.Unmap(); !usable(a) || a.IsLoopback() && !options.AllowLoopback {
			return Built{Reason: ExternalNameInvalid}
		}
		return Built{Specs: []upstream.Spec{{
			Address:  upstream.Address{AddrPort: netip.AddrPortFrom(a, number)},
			Locality: upstream.Locality{Cluster: options.Cluster},
		}}}
	}
	if len(validation.IsDNS1123Subdomain(name)) > 0 || isLocalhost(name) && !options.AllowLoopback {
		return Built{Reason: ExternalNameInvalid}
	}
	return Built{ExternalName: name, ExternalPort: number}
}

// isLocalhost reports whether a name always means this host (RFC 6761 section 6.3).
func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// externalPort returns the number of a port of an ExternalName Service. The Service need not list its ports: then a
// number means itself.
func externalPort(service *corev1.Service, key *upstream.Key) (uint16, bool) {
	if found, ok := translate.FindPort(service, key); ok {
		if t := found.TargetPort; t.Type == intstr.Int && t.IntVal != 0 {
			return portNumber(t.IntVal)
		}
		return portNumber(found.Port)
	}
	n, err := strconv.ParseUint(key.Port, 10, 16)
	return uint16(n), err == nil && n > 0
}

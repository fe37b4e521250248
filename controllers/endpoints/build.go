package endpoints

// From slices to endpoints. A Service has many slices: one for each address family, more for its size, and
// while the control plane moves endpoints between slices the same one stands in two of them; so the set is
// always made from all slices at once. The rules are kube-proxy's: ready endpoints are used, and only if there
// is none those that terminate but still serve; ingress-nginx, which knows ready ones only, answers 503 in
// the last moments of a rollout.
//
// The surprise is in the ports: a slice says which number the port has on its endpoints, and two slices of one
// Service may say different things while pods change the number of a named port.

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Options are how endpoints are built. The zero value is that of a plain installation.
type Options struct {
	// DisableExternalName refuses Services of type ExternalName (--disable-svc-external-name).
	DisableExternalName bool
	// AllowLoopback lets ExternalName Services name this host. EndpointSlices always may: an API server refuses
	// such, so they come from files.
	AllowLoopback bool
	// Cluster is the name of the cluster that the Service is from; "" for ours.
	Cluster string
	// Locate returns the zone and the region of a node, "" for unknown; nil if nothing is known of nodes. Slices
	// tell zones themselves, but no regions.
	Locate func(node string) (zone, region string)
}

// Reason says in one word why an upstream has no endpoints, or not those it should have. Reasons do not
// change between releases.
type Reason string

// The reasons. The empty one means that all is well.
const (
	// ServiceNotFound means that there is no such Service.
	ServiceNotFound Reason = "ServiceNotFound"
	// PortNotFound means that the Service has no such port.
	PortNotFound Reason = "PortNotFound"
	// NoEndpointSlices means that nobody has made slices for the Service: it has no selector, say.
	NoEndpointSlices Reason = "NoEndpointSlices"
	// NoEndpoints means that there are slices but no endpoints: the Service is scaled to zero, or its selector fits
	// no pod, or none of the pods has the port.
	NoEndpoints Reason = "NoEndpoints"
	// NoReadyEndpoints means that there are endpoints, but none is ready or still serves.
	NoReadyEndpoints Reason = "NoReadyEndpoints"
	// OnlyTerminating means that the endpoints are those that terminate but still serve.
	OnlyTerminating Reason = "OnlyTerminating"
	// NoClusterIP means that service-upstream asks for a ClusterIP which the Service does not have; its
	// endpoints are used instead.
	NoClusterIP Reason = "NoClusterIP"
	// ExternalNameDisabled means that the options refuse ExternalName Services.
	ExternalNameDisabled Reason = "ExternalNameDisabled"
	// ExternalNameInvalid means that the external name is no host name, or names this host.
	ExternalNameInvalid Reason = "ExternalNameInvalid"
)

// Built are the endpoints of one upstream.
type Built struct {
	// Specs are the endpoints, sorted by address, each once.
	Specs []upstream.Spec
	// ExternalName is the name that somebody has to resolve to get endpoints, which have ExternalPort; "" if Specs
	// are all there is.
	ExternalName string
	ExternalPort uint16
	// Reason says what is wrong; "" if nothing is.
	Reason Reason
}

// Build returns the endpoints of a port of a Service. service is nil if there is none; all are the
// EndpointSlices of that Service in any order. The port is that of the upstream's key; with ServiceUpstream the ClusterIP is
// the only endpoint. It is pure; no argument is changed.
func Build(service *corev1.Service, all []*discoveryv1.EndpointSlice, u *ir.Upstream, options Options) Built {
	if service == nil {
		return Built{Reason: ServiceNotFound}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return external(service, &u.Key, &options)
	}
	found, ok := translate.FindPort(service, &u.Key)
	if !ok {
		return Built{Reason: PortNotFound}
	}
	var missing Reason
	if u.ServiceUpstream {
		spec, ok := clusterIP(service, found.Port)
		if ok {
			return Built{Specs: []upstream.Spec{spec}}
		}
		missing = NoClusterIP
	}
	b := collect(service, all, found, &options)
	if b.Reason == "" {
		b.Reason = missing
	}
	return b
}

// clusterIP returns the Service's own address as an endpoint.
func clusterIP(service *corev1.Service, port int32) (upstream.Spec, bool) {
	a, err := netip.ParseAddr(service.Spec.ClusterIP)
	if err != nil || !usable(a) || port <= 0 || port > 65535 {
		return upstream.Spec{}, false
	}
	return upstream.Spec{Address: upstream.Address{AddrPort: netip.AddrPortFrom(a.Unmap(), uint16(port))}}, true
}

// candidate is an endpoint that could be used.
type candidate struct {
	spec upstream.Spec
	// terminating says that it is not ready, but serves until it is gone.
	terminating bool
}

// collect returns the endpoints that the slices hold for a port.
func collect(service *corev1.Service, all []*discoveryv1.EndpointSlice, port *corev1.ServicePort, options *Options) Built {
	sorted := newestFirst(all)
	if len(sorted) == 0 {
		return Built{Reason: NoEndpointSlices}
	}
	seen := false
	var families [2][]candidate
	order := familyOrder(service)
	for _, slice := range sorted {
		family := slices.Index(order[:], slice.AddressType)
		number, ok := numberIn(slice, port)
		if family < 0 || !ok {
			continue
		}
		for i := range slice.Endpoints {
			c, known := candidateOf(&slice.Endpoints[i], slice.AddressType, number, options)
			seen = seen || known != absent
			if known == good {
				families[family] = append(families[family], c)
			}
		}
	}
	for _, terminating := range []bool{false, true} {
		for _, candidates := range families {
			if specs := pick(candidates, terminating); len(specs) > 0 {
				b := Built{Specs: specs}
				if terminating {
					b.Reason = OnlyTerminating
				}
				return b
			}
		}
	}
	if seen {
		return Built{Reason: NoReadyEndpoints}
	}
	return Built{Reason: NoEndpoints}
}

// newestFirst returns the slices that are not nil, newest first, so that of an endpoint that stands in two of
// them the newer word counts.
func newestFirst(all []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	sorted := make([]*discoveryv1.EndpointSlice, 0, len(all))
	for _, s := range all {
		if s != nil {
			sorted = append(sorted, s)
		}
	}
	slices.SortStableFunc(sorted, func(a, b *discoveryv1.EndpointSlice) int {
		return cmp.Or(cmp.Compare(b.CreationTimestamp.Unix(), a.CreationTimestamp.Unix()), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}

// familyOrder returns the address families in the order in which the Service prefers them. Only one of them is
// used at a time: the same pod must not count twice.
func familyOrder(service *corev1.Service) [2]discoveryv1.AddressType {
	if f := service.Spec.IPFamilies; len(f) > 0 && f[0] == corev1.IPv6Protocol {
		return [2]discoveryv1.AddressType{discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeIPv4}
	}
	return [2]discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}
}

// standing is what an endpoint is good for.
type standing uint8

const (
	// absent is an endpoint without an address that could be used.
	absent standing = iota
	// unready is an endpoint that must not get requests.
	unready
	// good is an endpoint that is ready, or that terminates but serves.
	good
)

// candidateOf reads an endpoint. Only its first address counts: the others are the same thing by the contract
// of the API.
func candidateOf(e *discoveryv1.Endpoint, family discoveryv1.AddressType, port uint16, options *Options) (c candidate, known standing) {
	if len(e.Addresses) == 0 {
		return c, absent
	}
	a, err := netip.ParseAddr(e.Addresses[0])
	if err != nil || !usable(a) || a.Unmap().Is4() != (family == discoveryv1.AddressTypeIPv4) {
		return c, absent
	}
	ready := e.Conditions.Ready == nil || *e.Conditions.Ready
	serving := e.Conditions.Serving == nil || *e.Conditions.Serving
	c.terminating = e.Conditions.Terminating != nil && *e.Conditions.Terminating
	switch {
	case ready:
		c.terminating = false
	case !c.terminating || !serving:
		return c, unready
	}
	c.spec.Address.AddrPort = netip.AddrPortFrom(a.Unmap(), port)
	c.spec.Locality = localityOf(e, options)
	return c, good
}

// usable reports whether an address can be a server's. Link-local ones are refused, since cloud providers hand out
// credentials there.
func usable(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// localityOf returns where an endpoint is.
func localityOf(e *discoveryv1.Endpoint, options *Options) upstream.Locality {
	l := upstream.Locality{Cluster: options.Cluster}
	if e.Zone != nil {
		l.Zone = *e.Zone
	}
	if e.NodeName == nil {
		return l
	}
	l.Node = *e.NodeName
	if options.Locate != nil {
		zone, region := options.Locate(l.Node)
		l.Region, l.Zone = region, cmp.Or(l.Zone, zone)
	}
	return l
}

// pick returns the ready or the terminating ones of some candidates, sorted, each address once; the first of several
// counts.
func pick(candidates []candidate, terminating bool) []upstream.Spec {
	found := make([]*upstream.Spec, 0, len(candidates))
	for i := range candidates {
		if candidates[i].terminating == terminating {
			found = append(found, &candidates[i].spec)
		}
	}
	slices.SortStableFunc(found, func(a, b *upstream.Spec) int { return a.Address.Compare(b.Address.AddrPort) })
	specs := make([]upstream.Spec, 0, len(found))
	for i, s := range found {
		if i == 0 || s.Address != found[i-1].Address {
			specs = append(specs, *s)
		}
	}
	return specs
}

package upstream

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Key identifies an upstream: one port of one Service. It is a struct so that no name, however odd, can
// be mistaken for another.
type Key struct {
	Namespace string
	Service   string
	// Port is the port as the Ingress names it: its number or its name.
	Port string
	// UDP says that the port is one of UDP: a Service may have the same number for both protocols.
	UDP bool
}

// String returns the name that ingress-nginx gives the upstream in logs and metrics,
// "namespace-service-port". It is for people, never for comparing.
func (k Key) String() string {
	name := strings.Join([]string{k.Namespace, k.Service, k.Port}, "-")
	if k.UDP {
		name += "-udp"
	}
	return name
}

// Hash returns a number that stands for the key: xxhash of its parts with a separator that no name can hold.
// It is stable across processes and versions, since affinity cookies carry it.
func (k Key) Hash() uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(k.Namespace)
	_, _ = d.WriteString("\x00")
	_, _ = d.WriteString(k.Service)
	_, _ = d.WriteString("\x00")
	_, _ = d.WriteString(k.Port)
	if k.UDP {
		_, _ = d.WriteString("\x00udp")
	}
	return d.Sum64()
}

// Compare orders keys by namespace, Service, port and protocol.
func (k *Key) Compare(o *Key) int {
	c := cmp.Or(strings.Compare(k.Namespace, o.Namespace), strings.Compare(k.Service, o.Service), strings.Compare(k.Port, o.Port))
	switch {
	case c != 0 || k.UDP == o.UDP:
		return c
	case o.UDP:
		return -1
	}
	return 1
}

// IsZero reports whether the key names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// Locality says where an endpoint is. Empty parts are unknown.
type Locality struct {
	Cluster, Region, Zone, Node string
}

// Address is what an endpoint is known by within its upstream. Two endpoints with the same address are
// the same server and share connections, counters and health across sets.
type Address struct {
	netip.AddrPort
	// Name is the host name that was resolved to the address, for upstreams known by name (ExternalName);
	// else "".
	Name string
}

// Spec describes one endpoint of a set to be published.
type Spec struct {
	Address  Address
	Locality Locality
	// Weight is the endpoint's share relative to the others; 0 counts as 1.
	Weight uint32
}

// Algorithm is how an endpoint is chosen.
type Algorithm uint8

// The algorithms, in the order in which ingress-nginx prefers them: a hash goes before load-balance.
const (
	RoundRobin Algorithm = iota
	EWMA
	Hash
	// LeastRequests takes the one of two endpoints that has fewer requests under way; ingress-nginx does not have it.
	LeastRequests
)

// String returns the annotation's spelling.
func (a Algorithm) String() string {
	return [...]string{"round_robin", "ewma", "hash", "least_request"}[a]
}

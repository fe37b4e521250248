package endpoints

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// serviceWith returns a Service with ports written as "port[/udp][:name[:target]]".
func serviceWith(ports ...string) *corev1.Service {
	s := &corev1.Service{}
	for _, text := range ports {
		part := append(strings.Split(text, ":"), "", "")
		number, isUDP := strings.CutSuffix(part[0], "/udp")
		p := corev1.ServicePort{Port: intstr.Parse(number).IntVal, Name: part[1]}
		if isUDP {
			p.Protocol = corev1.ProtocolUDP
		}
		if part[2] != "" {
			p.TargetPort = intstr.Parse(part[2])
		}
		s.Spec.Ports = append(s.Spec.Ports, p)
	}
	return s
}

// slice returns a slice with endpoints written as "address[ unready][ terminating][ unserving][ zone=z][ node=n]" and
// ports written as "name=number"; a number of 0 is all ports.
func slice(ports string, endpoints ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4}
	for _, text := range strings.Fields(ports) {
		name, number, _ := strings.Cut(text, "=")
		p := discoveryv1.EndpointPort{Name: &name}
		if n := intstr.Parse(number).IntVal; n != 0 {
			p.Port = &n
		}
		s.Ports = append(s.Ports, p)
	}
	yes, no := true, false
	for _, text := range endpoints {
		words := strings.Fields(text)
		e := discoveryv1.Endpoint{Addresses: words[:1]}
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "ready":
				e.Conditions.Ready = &yes
			case "unready":
				e.Conditions.Ready = &no
			case "terminating":
				e.Conditions.Ready, e.Conditions.Terminating = &no, &yes
			case "unserving":
				e.Conditions.Serving = &no
			case "zone":
				e.Zone = &value
			case "node":
				e.NodeName = &value
			default:
				panic(w)
			}
		}
		if strings.Contains(words[0], ":") {
			s.AddressType = discoveryv1.AddressTypeIPv6
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

// newer makes a slice younger than others.
func newer(s *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	s.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000, 0))
	return s
}

// list returns slices.
func list(s ...*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice { return s }

// externalNamed returns an ExternalName Service.
func externalNamed(name string, ports ...string) *corev1.Service {
	s := serviceWith(ports...)
	s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, name
	return s
}

// dual returns a Service that prefers a family.
func dual(family corev1.IPFamily) *corev1.Service {
	s := serviceWith("80::8080")
	s.Spec.IPFamilies = []corev1.IPFamily{family}
	return s
}

// withClusterIP gives a Service an address.
func withClusterIP(s *corev1.Service, ip string) *corev1.Service {
	s.Spec.ClusterIP = ip
	return s
}

// fqdn makes a slice one of names.
func fqdn(s *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	s.AddressType = discoveryv1.AddressTypeFQDN
	return s
}

// udp makes the first port of a slice a UDP port.
func udp(s *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	protocol := corev1.ProtocolUDP
	s.Ports[0].Protocol = &protocol
	return s
}

// text writes what was built in one line.
func text(b Built) string {
	words := []string{}
	for _, s := range b.Specs {
		w := s.Address.String()
		if l := s.Locality; l != (upstream.Locality{}) {
			w += fmt.Sprintf("[%s/%s/%s/%s]", l.Cluster, l.Region, l.Zone, l.Node)
		}
		words = append(words, w)
	}
	if b.ExternalName != "" {
		words = append(words, fmt.Sprintf("resolve %s port %d", b.ExternalName, b.ExternalPort))
	}
	if b.Reason != "" {
		words = append(words, string(b.Reason))
	}
	return strings.Join(words, " ")
}

// asked is an upstream with a port; "53/udp" is one of UDP.
func asked(text string, cluster bool) *ir.Upstream {
	text, udp := strings.CutSuffix(text, "/udp")
	return &ir.Upstream{Key: upstream.Key{Port: text, UDP: udp}, ServiceUpstream: cluster}
}

func TestBuild(t *testing.T) {
	web := serviceWith("80:http:8080", "443:https:web-tls")
	for name, tt := range map[string]struct {
		service *corev1.Service
		slices  []*discoveryv1.EndpointSlice
		port    string
		cluster bool
		options Options
		want    string
	}{
		"endpoints of several slices, sorted": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.2", "10.0.0.10"), slice("http=8080", "10.0.0.1")),
			want: "10.0.0.1:8080 10.0.0.2:8080 10.0.0.10:8080",
		},
		"by the name of the port": {
			service: web, port: "http", slices: list(slice("http=8080 https=8443", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"by the targetPort": {
			service: web, port: "web-tls", slices: list(slice("http=8080 https=8443", "10.0.0.1")), want: "10.0.0.1:8443",
		},
		"a named targetPort has other numbers while pods change": {
			service: web, port: "443", slices: list(slice("https=8443", "10.0.0.1"), slice("https=9443", "10.0.0.2")),
			want: "10.0.0.1:8443 10.0.0.2:9443",
		},
		"the same endpoint in two slices counts once, by the newer one": {
			service: web, port: "80",
			slices: list(slice("http=8080", "10.0.0.1 zone=old"), newer(slice("http=8080", "10.0.0.1 zone=new"))),
			want:   "10.0.0.1:8080[//new/]",
		},
		"an endpoint that is ready in one of two slices is ready": {
			service: web, port: "80",
			slices: list(slice("http=8080", "10.0.0.1 ready"), newer(slice("http=8080", "10.0.0.1 unready"))), want: "10.0.0.1:8080",
		},
		"the same address with two ports is two endpoints": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.1"), slice("http=8081", "10.0.0.1")),
			want: "10.0.0.1:8080 10.0.0.1:8081",
		},
		"no conditions at all mean ready": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.1", "10.0.0.2 ready", "10.0.0.3 unready")),
			want: "10.0.0.1:8080 10.0.0.2:8080",
		},
		"terminating endpoints are left out while others are ready": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.1 terminating", "10.0.0.2")), want: "10.0.0.2:8080",
		},
		"terminating endpoints that serve are used if none is ready": {
			service: web, port: "80",
			slices: list(slice("http=8080", "10.0.0.1 terminating", "10.0.0.2 terminating unserving", "10.0.0.3 unready")),
			want:   "10.0.0.1:8080 OnlyTerminating",
		},
		"a ready endpoint that terminates is ready (publishNotReadyAddresses)": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.1 terminating ready", "10.0.0.2 terminating")), want: "10.0.0.1:8080",
		},
		"none is ready": {
			service: web, port: "80", slices: list(slice("http=8080", "10.0.0.1 unready")), want: "NoReadyEndpoints",
		},
		"scaled to zero":           {service: web, port: "80", slices: list(slice("http=8080")), want: "NoEndpoints"},
		"no slices":                {service: web, port: "80", slices: list(nil), want: "NoEndpointSlices"},
		"no Service":               {port: "80", slices: list(slice("http=8080", "10.0.0.1")), want: "ServiceNotFound"},
		"no such port":             {service: web, port: "81", slices: list(slice("http=8080", "10.0.0.1")), want: "PortNotFound"},
		"no endpoint has the port": {service: web, port: "https", slices: list(slice("http=8080", "10.0.0.1")), want: "NoEndpoints"},
		"a slice without ports has the numeric targetPort": {
			service: web, port: "80", slices: list(slice("", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"a slice without ports does not know a named targetPort": {
			service: web, port: "443", slices: list(slice("", "10.0.0.1")), want: "NoEndpoints",
		},
		"a port without a number is any port": {
			service: web, port: "80", slices: list(slice("http=0", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"a port without a number and no targetPort is the Service's port": {
			service: serviceWith("80"), port: "80", slices: list(slice("=0", "10.0.0.1")), want: "10.0.0.1:80",
		},
		"a Service port without a name takes the only port of a slice": {
			service: serviceWith("80"), port: "80", slices: list(slice("anything=8080", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"but not one of several": {
			service: serviceWith("80"), port: "80", slices: list(slice("one=8080 two=8081", "10.0.0.1")), want: "NoEndpoints",
		},
		"another name falls back to the numeric targetPort": {
			service: web, port: "80", slices: list(slice("other=9999", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"a UDP port that is asked for": {
			service: serviceWith("53:dns:5353", "53/udp:dns-udp:5354"), port: "53/udp", want: "10.0.0.1:5354",
			slices: list(udp(slice("dns-udp=5354 dns=5353", "10.0.0.1"))),
		},
		"a TCP port of the same number": {
			service: serviceWith("53/udp:dns-udp:5354", "53:dns:5353"), port: "53", want: "10.0.0.1:5353",
			slices: list(udp(slice("dns-udp=5354 dns=5353", "10.0.0.1"))),
		},
		"a TCP port is no UDP port": {
			service: serviceWith("53:dns:5353"), port: "53/udp", slices: list(slice("dns=5353", "10.0.0.1")), want: "PortNotFound",
		},
		"a UDP port does not count": {
			service: serviceWith("80:http:web"), port: "80", slices: list(udp(slice("http=8080", "10.0.0.1"))), want: "NoEndpoints",
		},
		"a port out of range": {
			service: serviceWith("80:http:web"), port: "80", slices: list(slice("http=70000", "10.0.0.1")), want: "NoEndpoints",
		},
		"one address family, IPv4 by default": {
			service: web, port: "80", slices: list(slice("http=8080", "fd00::1"), slice("http=8080", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"one address family, the Service's first": {
			service: dual(corev1.IPv6Protocol), port: "80", slices: list(slice("=8080", "10.0.0.1"), slice("=8080", "fd00::1")), want: "[fd00::1]:8080",
		},
		"the other family if the first has nothing ready": {
			service: dual(corev1.IPv6Protocol), port: "80",
			slices: list(slice("=8080", "10.0.0.1"), slice("=8080", "fd00::1 terminating")), want: "10.0.0.1:8080",
		},
		"slices of names are ignored": {
			service: web, port: "80", slices: list(fqdn(slice("http=8080", "example.org"))), want: "NoEndpoints",
		},
		"an address of the wrong family, and none, are ignored": {
			service: web, port: "80", slices: list(func() *discoveryv1.EndpointSlice {
				s := slice("http=8080", "fd00::1", "10.0.0.1", "10.0.0.2")
				s.AddressType = discoveryv1.AddressTypeIPv4
				s.Endpoints[2].Addresses = nil
				return s
			}()), want: "10.0.0.1:8080",
		},
		"only the first address of an endpoint counts": {
			service: web, port: "80", slices: list(func() *discoveryv1.EndpointSlice {
				s := slice("http=8080", "10.0.0.1")
				s.Endpoints[0].Addresses = []string{"10.0.0.1", "10.0.0.9"}
				return s
			}()), want: "10.0.0.1:8080",
		},
		"addresses that are no server's": {
			service: web, port: "80",
			slices: list(slice("http=8080", "0.0.0.0", "224.0.0.1", "169.254.169.254", "junk", "10.0.0.1")), want: "10.0.0.1:8080",
		},
		"loopback, which comes from files": {
			service: web, port: "80", slices: list(slice("http=8080", "127.0.0.1")), want: "127.0.0.1:8080",
		},
		"localities": {
			service: web, port: "80",
			slices: list(slice("http=8080", "10.0.0.1 zone=a1 node=n1", "10.0.0.2 node=n2", "10.0.0.3 node=n3", "10.0.0.4")),
			options: Options{Cluster: "east", Locate: func(node string) (zone, region string) {
				switch node {
				case "n1":
					return "other", "a"
				case "n2":
					return "b2", "b"
				}
				return "", ""
			}},
			want: "10.0.0.1:8080[east/a/a1/n1] 10.0.0.2:8080[east/b/b2/n2] 10.0.0.3:8080[east///n3] 10.0.0.4:8080[east///]",
		},
		"service-upstream": {
			service: withClusterIP(serviceWith("80:http:8080"), "10.96.0.1"), port: "http", cluster: true,
			slices: list(slice("http=8080", "10.0.0.1")), want: "10.96.0.1:80",
		},
		"service-upstream of a headless Service": {
			service: withClusterIP(serviceWith("80:http:8080"), "None"), port: "80", cluster: true,
			slices: list(slice("http=8080", "10.0.0.1")), want: "10.0.0.1:8080 NoClusterIP",
		},
		"service-upstream without such a port": {
			service: withClusterIP(serviceWith("80:http:8080"), "10.96.0.1"), port: "81", cluster: true, want: "PortNotFound",
		},
		"ExternalName":                      {service: externalNamed("Example.org."), port: "443", want: "resolve example.org port 443"},
		"ExternalName with a port":          {service: externalNamed("example.org", "80:http:8080"), port: "http", want: "resolve example.org port 8080"},
		"ExternalName without targetPort":   {service: externalNamed("example.org", "80:http"), port: "80", want: "resolve example.org port 80"},
		"ExternalName without a number":     {service: externalNamed("example.org"), port: "http", want: "PortNotFound"},
		"ExternalName with port 0":          {service: externalNamed("example.org"), port: "0", want: "PortNotFound"},
		"ExternalName that is an address":   {service: externalNamed("192.0.2.1"), port: "443", want: "192.0.2.1:443"},
		"ExternalName that is this host":    {service: externalNamed("localhost"), port: "443", want: "ExternalNameInvalid"},
		"ExternalName that is loopback":     {service: externalNamed("127.0.0.1"), port: "443", want: "ExternalNameInvalid"},
		"ExternalName that may be loopback": {service: externalNamed("127.0.0.1"), port: "443", options: Options{AllowLoopback: true}, want: "127.0.0.1:443"},
		"ExternalName that may be this host": {
			service: externalNamed("localhost"), port: "443", options: Options{AllowLoopback: true}, want: "resolve localhost port 443",
		},
		"ExternalName of metadata":     {service: externalNamed("169.254.169.254"), port: "80", want: "ExternalNameInvalid"},
		"ExternalName that is no name": {service: externalNamed("a b"), port: "80", want: "ExternalNameInvalid"},
		"ExternalName, empty":          {service: externalNamed(""), port: "80", want: "ExternalNameInvalid"},
		"ExternalName, refused": {
			service: externalNamed("example.org"), port: "443", options: Options{DisableExternalName: true}, want: "ExternalNameDisabled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(Build(tt.service, tt.slices, asked(tt.port, tt.cluster), tt.options)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestBuildDoesNotDependOnTheOrderOfSlices(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"", " unready", " terminating", " terminating unserving", " ready", " zone=a", " zone=b"}
	for range 300 {
		var all []*discoveryv1.EndpointSlice
		for i := range 4 {
			var endpoints []string
			for range random.IntN(5) {
				endpoints = append(endpoints, fmt.Sprintf("10.0.0.%d%s", random.IntN(6), words[random.IntN(len(words))]))
			}
			s := slice("http=8080", endpoints...)
			s.Name = fmt.Sprint("s", i)
			s.CreationTimestamp = metav1.Unix(int64(random.IntN(2)), 0)
			all = append(all, s)
		}
		want := Build(serviceWith("80:http:8080"), all, asked("80", false), Options{})
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(text(want), text(Build(serviceWith("80:http:8080"), all, asked("80", false), Options{}))); diff != "" {
			t.Fatal(diff)
		}
		if !slices.IsSortedFunc(want.Specs, func(a, b upstream.Spec) int { return a.Address.Compare(b.Address.AddrPort) }) {
			t.Fatal("not sorted")
		}
	}
}

func FuzzBuild(f *testing.F) {
	f.Add("http", int32(80), int32(8080), "http", int32(8080), "10.0.0.1", uint8(0), "80", "None")
	f.Add("", int32(-1), int32(0), "", int32(70000), "fd00::1%eth0", uint8(0xff), "", "::")
	f.Fuzz(func(t *testing.T, name string, port, target int32, sliceName string, slicePort int32, address string, bits uint8, want, ip string) {
		s := &corev1.Service{Spec: corev1.ServiceSpec{
			ClusterIP: ip, ExternalName: ip,
			Ports: []corev1.ServicePort{{Name: name, Port: port, TargetPort: intstr.FromInt32(target)}},
		}}
		if bits&1 != 0 {
			s.Spec.Type = corev1.ServiceTypeExternalName
		}
		e := discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{}, {Addresses: []string{address, ""}}}}
		if bits&2 != 0 {
			e.AddressType = discoveryv1.AddressTypeIPv6
		}
		if bits&4 != 0 {
			e.Ports = []discoveryv1.EndpointPort{{}, {Name: &sliceName, Port: &slicePort}}
		}
		b := Build(s, list(nil, &e), asked(want, bits&8 != 0), Options{AllowLoopback: bits&16 != 0})
		for _, spec := range b.Specs {
			if !spec.Address.IsValid() || spec.Address.Port() == 0 {
				t.Errorf("endpoint %v", spec)
			}
		}
		if len(b.Specs) == 0 && b.ExternalName == "" && b.Reason == "" {
			t.Error("neither endpoints nor a reason")
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	var all []*discoveryv1.EndpointSlice
	for i := range 10 {
		var endpoints []string
		for j := range 100 {
			endpoints = append(endpoints, fmt.Sprintf("10.0.%d.%d zone=z%d", (i*100+j)%250, (i*100+j)/250, j%3))
		}
		all = append(all, slice("http=8080", endpoints...))
	}
	s := serviceWith("80:http:8080")
	b.ReportAllocs()
	for b.Loop() {
		Build(s, all, asked("80", false), Options{})
	}
}

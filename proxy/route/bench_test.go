package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// manyHosts makes n hosts with two paths each.
func manyHosts(n int) *ir.Config {
	cfg := &ir.Config{Settings: ir.DefaultSettings()}
	for i := range n {
		key := upstream.Key{Namespace: fmt.Sprintf("ns-%03d", i%200), Service: fmt.Sprintf("svc-%05d", i), Port: "80"}
		h := ir.VirtualHost{Name: fmt.Sprintf("app-%05d.example.com", i), TLS: true}
		for _, path := range []string{"/", "/api"} {
			r := newRoute(path, ir.Prefix)
			r.Origin = filter.Origin{Namespace: key.Namespace, Ingress: key.Service, Service: key.Service, ServicePort: "80", Host: h.Name, Path: path}
			r.Backend.Upstream = key
			h.Routes = append(h.Routes, r)
		}
		cfg.Hosts = append(cfg.Hosts, h)
		cfg.Upstreams = append(cfg.Upstreams, ir.Upstream{Key: key})
	}
	return cfg
}

// manyPaths makes one host with n paths, some within others.
func manyPaths(n int) *ir.Config {
	h := ir.VirtualHost{Name: "a.example.com"}
	for i := range n {
		path := fmt.Sprintf("/team-%03d/service-%05d", i%100, i)
		if i%10 == 0 {
			path += "/v1/items"
		}
		h.Routes = append(h.Routes, newRoute(path, ir.PathType(i%2)))
	}
	h.Routes = append(h.Routes, newRoute("/", ir.Prefix))
	return &ir.Config{Hosts: []ir.VirtualHost{h}}
}

// mixes are which hosts requests ask for: the same 50 whatever the size of the table, which tells what its size costs;
// few of them most of the time, or 1 of 50 000 as often as any other, which tells what the caches of the machine cost, too.
var mixes = map[string]func(n int) func() uint64{
	"the same 50": func(n int) func() uint64 {
		r := rand.New(rand.NewPCG(1, 2))
		return func() uint64 { return r.Uint64N(uint64(min(n, 50))) }
	},
	"uniform": func(n int) func() uint64 {
		r := rand.New(rand.NewPCG(1, 2))
		return func() uint64 { return r.Uint64N(uint64(n)) }
	},
	"zipf": func(n int) func() uint64 {
		return rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(n-1)).Uint64
	},
}

// draw returns places, in an order that memory is read in, so that reading it costs next to nothing.
func draw(n int, mix string) []uint32 {
	next := mixes[mix](n)
	places := make([]uint32, 1<<18)
	for i := range places {
		places[i] = uint32(next() * 2654435761 % uint64(n)) // the popular ones are not neighbours
	}
	return places
}

// BenchmarkMatchHosts asks for hosts in the two mixes. Names are composed in one place, as a connection's buffer is: what
// is measured are the table's memory accesses, not those of the benchmark.
func BenchmarkMatchHosts(b *testing.B) {
	for _, n := range []int{5, 50, 500, 50_000} {
		table, _ := Compile(manyHosts(n), &Env{Registry: upstream.NewRegistry()})
		for _, mix := range []string{"the same 50", "zipf", "uniform"} {
			b.Run(fmt.Sprint(2*n, " routes, ", mix), func(b *testing.B) {
				places := draw(n, mix)
				name := []byte("app-00000.example.com")
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					compose(name, places[i%len(places)])
					if m := table.Match(unsafe.String(&name[0], len(name)), "/api/v1/items/17"); m.Route == nil {
						b.Fatal("no route")
					}
					i++
				}
			})
		}
	}
}

// compose writes the number of a host into its name.
func compose(name []byte, number uint32) {
	for d := 8; d >= 4; d-- {
		name[d] = '0' + byte(number%10)
		number /= 10
	}
}

// BenchmarkFloorOfMatchHosts is what the machine asks for composing a name and one access to one cache line of as many as
// there are hosts, with nothing computed: no table can be faster.
func BenchmarkFloorOfMatchHosts(b *testing.B) {
	for _, n := range []int{50, 50_000} {
		lines := make([][64]byte, n)
		for i := range lines {
			lines[i][0] = byte(i)
		}
		for _, mix := range []string{"zipf", "uniform"} {
			b.Run(fmt.Sprint(n, " lines, ", mix), func(b *testing.B) {
				places := draw(n, mix)
				name := []byte("app-00000.example.com")
				i, sum := 0, uint32(0)
				for b.Loop() {
					at := places[i%len(places)]
					compose(name, at)
					// The place depends on the line before, as a request's work does on its route.
					sum = uint32(lines[(at+sum>>8)%uint32(n)][0])
					i++
				}
				if sum > 255 {
					b.Fatal("never")
				}
			})
		}
	}
}

func BenchmarkMatchPaths(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n, " paths"), func(b *testing.B) {
			cfg := manyPaths(n)
			table, _ := Compile(cfg, &Env{Registry: upstream.NewRegistry()})
			paths := make([]string, 0, 1024)
			for i := range 1024 {
				paths = append(paths, cfg.Hosts[0].Routes[i*7919%n].Path+[]string{"", "/x/y", "-other"}[i%3])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if m := table.Match("a.example.com", paths[i%1024]); m.Route == nil {
					b.Fatal("no route")
				}
				i++
			}
		})
	}
}

func BenchmarkMatchRegexPaths(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n, " paths"), func(b *testing.B) {
			h := ir.VirtualHost{Name: "a.example.com", Regex: true}
			for i := range n {
				h.Routes = append(h.Routes, newRoute(fmt.Sprintf("~/service-%05d(/|$)(.*)", i), ir.Prefix))
			}
			table, _ := Compile(&ir.Config{Hosts: []ir.VirtualHost{h}}, &Env{Registry: upstream.NewRegistry()})
			path := fmt.Sprintf("/service-%05d/x/y", n/2)
			b.ReportAllocs()
			for b.Loop() {
				if m := table.Match("a.example.com", path); m.Route == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}

func BenchmarkChoose(b *testing.B) {
	r, _ := splitCase{canary: ir.Canary{Header: "X-Canary", Cookie: "c", Weight: 20}}.compile(b)
	x := request("Host: a.test", "User-Agent: bench", "Accept: */*", "Cookie: a=b; session=0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		r.Split.Choose(x)
	}
}

// BenchmarkCompile is 5 000 Ingresses with two paths each. The whole rebuild has 20 ms.
func BenchmarkCompile(b *testing.B) {
	cfg := manyHosts(5000)
	regex := manyHosts(5000)
	for i := range regex.Hosts {
		h := &regex.Hosts[i]
		h.Regex = true
		h.Routes[1].Path, h.Routes[1].Literal = fmt.Sprintf("/api-%d(/|$)(.*)", i), false
	}
	for name, cfg := range map[string]*ir.Config{"plain": cfg, "one path in two a regular expression": regex} {
		b.Run(name, func(b *testing.B) {
			f := forward.New(forward.Options{})
			defer f.Close()
			env := &Env{Registry: upstream.NewRegistry(), State: filter.NewState(), Forwarder: f, Metrics: observe.NewMetrics(observe.Options{})}
			Compile(cfg, env) // patterns and upstreams outlive tables
			b.ReportAllocs()
			for b.Loop() {
				Compile(cfg, env)
			}
		})
	}
}

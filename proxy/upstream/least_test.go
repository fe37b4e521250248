package upstream

import (
	"fmt"
	"net/netip"
	"testing"
)

// leastUpstream returns an upstream that balances by least requests, with endpoints of some weights.
func leastUpstream(weights ...uint32) *Upstream {
	u := NewRegistry().Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	u.Configure(Options{Algorithm: LeastRequests})
	var specs []Spec
	for i, w := range weights {
		specs = append(specs, Spec{Address: Address{AddrPort: netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:80", i+1))}, Weight: w})
	}
	u.Publish(specs)
	return u
}

func TestLeastRequestsDistribution(t *testing.T) {
	const picks = 20000
	for name, tt := range map[string]struct {
		weights []uint32
		// held are the requests that each endpoint has all the time.
		held []int
		// low and high bound each endpoint's share in percent.
		low, high []int
	}{
		"nothing to do: evenly":                         {[]uint32{1, 1, 1, 1}, []int{0, 0, 0, 0}, []int{22, 22, 22, 22}, []int{28, 28, 28, 28}},
		"one of two is busy: the other":                 {[]uint32{1, 1}, []int{5, 0}, []int{0, 97}, []int{3, 100}},
		"one of four is busy: it is seldom drawn twice": {[]uint32{1, 1, 1, 1}, []int{9, 0, 0, 0}, []int{0, 30, 30, 30}, []int{2, 37, 37, 37}},
		"nothing to do: by weight":                      {[]uint32{3, 1}, []int{0, 0}, []int{70, 20}, []int{80, 30}},
		"busy as their weights say: by weight":          {[]uint32{3, 1}, []int{6, 2}, []int{70, 20}, []int{80, 30}},
	} {
		t.Run(name, func(t *testing.T) {
			u := leastUpstream(tt.weights...)
			got := map[*Endpoint]int{}
			for i, n := range tt.held {
				for range n {
					u.Set().Endpoints()[i].Begin()
				}
			}
			for i := range picks {
				c := Choice{Serial: uint64(i)}
				got[u.Pick(&c)]++
			}
			for i, e := range u.Set().Endpoints() {
				if share := got[e] * 100 / picks; share < tt.low[i] || share > tt.high[i] {
					t.Errorf("endpoint %d got %d %%, want %d to %d", i, share, tt.low[i], tt.high[i])
				}
			}
		})
	}
}

func TestLeastRequestsKeepsQueuesLevel(t *testing.T) {
	u := leastUpstream(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	for i := range 1000 { // that never end
		c := Choice{Serial: uint64(i)}
		u.Pick(&c).Begin()
	}
	for _, e := range u.Set().Endpoints() {
		if n := e.InFlight(); n < 94 || n > 106 {
			t.Errorf("an endpoint has %d of 1000 requests, want about 100", n)
		}
	}
}

func TestLeastRequestsTriesOthersFirst(t *testing.T) {
	u := leastUpstream(1, 1, 1)
	for range 200 {
		c, seen := Choice{}, map[*Endpoint]bool{}
		for range 3 {
			seen[u.Pick(&c)] = true
		}
		if len(seen) != 3 {
			t.Fatalf("three tries went to %d endpoints", len(seen))
		}
	}
}

func BenchmarkLeastRequests(b *testing.B) {
	u := leastUpstream(1, 1, 1, 1, 1, 1, 1, 1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for c := (Choice{}); pb.Next(); c.Reset() {
			e := u.Pick(&c)
			e.Begin()
			e.Done()
		}
	})
}

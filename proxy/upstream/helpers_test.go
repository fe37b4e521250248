package upstream

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
)

// specs returns n specs with equal weights.
func specs(n int) []Spec {
	list := make([]Spec, n)
	for i := range list {
		list[i] = Spec{Address: address(i)}
	}
	return list
}

// address returns the i-th address of a network.
func address(i int) Address {
	ip := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return Address{AddrPort: netip.AddrPortFrom(ip, 8080)}
}

// published returns an upstream with endpoints.
func published(t testing.TB, o Options, list []Spec) *Upstream {
	t.Helper()
	u := NewRegistry().Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	u.Configure(o)
	u.Publish(list)
	if u.Set().Len() != len(list) {
		t.Fatalf("%d endpoints published, want %d", u.Set().Len(), len(list))
	}
	return u
}

// count picks n times with fresh choices made by choice and counts the endpoints.
func count(u *Upstream, n int, choice func(i int) Choice) map[string]int {
	counts := map[string]int{}
	for i := range n {
		c := choice(i)
		counts[u.Pick(&c).String()]++
	}
	return counts
}

// testConn is a connection without a peer.
type testConn struct {
	Pooled
	name   string
	dead   atomic.Bool
	closed atomic.Int32
}

func (c *testConn) Dead() bool { return c.dead.Load() }

func (c *testConn) Close() error {
	if c.closed.Add(1) > 1 {
		panic(fmt.Sprintf("connection %s closed twice", c.name))
	}
	return nil
}

package cidr_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/yettproxy/yett/proxy/cidr"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func TestContains(t *testing.T) {
	list := prefixes("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "fe80::/10")
	long := cidr.New(list)
	short := []*cidr.Set{cidr.New(list[:2]), cidr.New(list[2:])}
	for address, want := range map[string]bool{
		"10.1.2.3":              true,
		"11.0.0.0":              false,
		"192.0.2.7":             true,
		"192.0.2.8":             false,
		"::ffff:10.1.1.1":       true,
		"::ffff:11.1.1.1":       false,
		"2001:db8:ffff::1":      true,
		"2001:db9::1":           false,
		"fe80::1%eth0":          true,
		"::10.1.1.1":            false,
		"0:0:0:0:0:ffff:a01:01": true,
	} {
		a := netip.MustParseAddr(address)
		if got := long.Contains(a); got != want {
			t.Errorf("long list: Contains(%s) = %v, want %v", address, got, want)
		}
		if got := short[0].Contains(a) || short[1].Contains(a); got != want {
			t.Errorf("short lists: Contains(%s) = %v, want %v", address, got, want)
		}
	}
	if long.Contains(netip.Addr{}) || short[0].Contains(netip.Addr{}) {
		t.Error("the invalid address is in the set")
	}
	var none *cidr.Set
	if none.Contains(netip.MustParseAddr("10.0.0.1")) || none.Len() != 0 {
		t.Error("the nil set is not empty")
	}
}

func TestLongListsAnswerAsShortOnes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var list []netip.Prefix
	for range 200 {
		a := netip.AddrFrom4([4]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), 0})
		list = append(list, netip.PrefixFrom(a, 4+rnd.IntN(29)).Masked())
		var b [16]byte
		b[0], b[1] = 0x20, byte(rnd.Uint32())
		list = append(list, netip.PrefixFrom(netip.AddrFrom16(b), 8+rnd.IntN(100)).Masked())
	}
	set := cidr.New(list)
	hits := 0
	for range 20000 {
		a := netip.AddrFrom4([4]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())})
		want := false
		for _, p := range list {
			want = want || p.Contains(a)
		}
		if got := set.Contains(a); got != want {
			t.Fatalf("Contains(%s) = %v, want %v", a, got, want)
		}
		if want {
			hits++
		}
	}
	if hits == 0 || hits == 20000 {
		t.Fatalf("%d of 20000 addresses hit: the test says nothing", hits)
	}
}

func TestContainsDoesNotAllocate(t *testing.T) {
	a := netip.MustParseAddr("fe80::1%eth0")
	for _, n := range []int{1, 100} {
		list := prefixes("fe80::/10")
		for i := 1; i < n; i++ {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
		}
		set := cidr.New(list)
		if n := testing.AllocsPerRun(100, func() { set.Contains(a) }); n != 0 {
			t.Errorf("%d prefixes: %v allocations", set.Len(), n)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	a := netip.MustParseAddr("192.0.2.1")
	for _, n := range []int{1, 3, 4, 1000} {
		list := make([]netip.Prefix, n)
		for i := range list {
			list[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		}
		set := cidr.New(list)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Contains(a)
			}
		})
	}
}

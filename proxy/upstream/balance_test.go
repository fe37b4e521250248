package upstream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

func TestRoundRobinGivesEveryEndpointItsTurn(t *testing.T) {
	u := published(t, Options{}, specs(7))
	for serial := range uint64(5) {
		counts := count(u, 700, func(int) Choice { return Choice{Serial: serial} })
		for e, n := range counts {
			if n != 100 {
				t.Errorf("serial %d: endpoint %s picked %d times, want 100", serial, e, n)
			}
		}
		if len(counts) != 7 {
			t.Errorf("serial %d: %d endpoints picked, want 7", serial, len(counts))
		}
	}
}

func TestRoundRobinHonoursWeights(t *testing.T) {
	list := specs(3)
	list[0].Weight, list[1].Weight, list[2].Weight = 50, 30, 20
	u := published(t, Options{}, list)
	counts := count(u, 1000, func(int) Choice { return Choice{} })
	for i, want := range []int{500, 300, 200} {
		if got := counts[list[i].Address.AddrPort.String()]; got != want {
			t.Errorf("endpoint %d picked %d times, want %d", i, got, want)
		}
	}
}

func TestScheduleSpreadsTheTurnsOfHeavyEndpoints(t *testing.T) {
	list := specs(2)
	list[0].Weight, list[1].Weight = 3, 1
	longest, run, last := 0, 0, uint32(9)
	schedule := append(spread(list), spread(list)...)
	for _, owner := range schedule {
		if owner == last {
			run++
		} else {
			run, last = 1, owner
		}
		longest = max(longest, run)
	}
	if longest > 3 || len(schedule) != 8 {
		t.Errorf("schedule %v has a run of %d, want 3 at most in 8 turns", schedule, longest)
	}
}

func TestHugeWeightsAreRoundedNotForgotten(t *testing.T) {
	list := specs(3)
	list[0].Weight, list[1].Weight, list[2].Weight = math.MaxUint32, math.MaxUint32/3, 1
	s := spread(list)
	if len(s) > maxSchedule+len(list) {
		t.Fatalf("schedule of %d turns", len(s))
	}
	counts := map[uint32]int{}
	for _, owner := range s {
		counts[owner]++
	}
	if ratio := float64(counts[0]) / float64(counts[1]); math.Abs(ratio-3) > 0.01 || counts[2] != 1 {
		t.Errorf("turns %v, want about 3 to 1 and one of the lightest", counts)
	}
}

func TestEWMAPrefersFastEndpoints(t *testing.T) {
	u := published(t, Options{Algorithm: EWMA}, specs(3))
	for i, e := range u.Set().Endpoints() {
		e.Observe(time.Duration(i+1) * 10 * time.Millisecond)
	}
	counts := count(u, 3000, func(int) Choice { return Choice{} })
	slowest := u.Set().Endpoints()[2].String()
	fastest := u.Set().Endpoints()[0].String()
	if counts[slowest] != 0 || counts[fastest] < 1800 {
		t.Errorf("picked %v; want %s never (it loses every comparison), %s in two of three", counts, slowest, fastest)
	}
}

func TestEWMAPrefersEndpointsWithFewerRequestsOnTheirWay(t *testing.T) {
	u := published(t, Options{Algorithm: EWMA}, specs(2))
	busy := u.Set().Endpoints()[0]
	for range 3 {
		busy.Begin()
	}
	if n := count(u, 100, func(int) Choice { return Choice{} })[busy.String()]; n != 0 {
		t.Errorf("the busy endpoint was picked %d times of 100", n)
	}
	for range 3 {
		busy.Done()
	}
	if busy.InFlight() != 0 {
		t.Errorf("InFlight() = %d after as many Done as Begin", busy.InFlight())
	}
}

func TestEWMAHonoursWeights(t *testing.T) {
	list := specs(2)
	list[0].Weight, list[1].Weight = 10, 1
	u := published(t, Options{Algorithm: EWMA}, list)
	for _, e := range u.Set().Endpoints() {
		e.Observe(10 * time.Millisecond)
	}
	heavy := u.Set().Endpoints()[0]
	for range 5 { // six times the load of the light one is still less than its share
		heavy.Begin()
	}
	if n := count(u, 100, func(int) Choice { return Choice{} })[heavy.String()]; n != 100 {
		t.Errorf("the heavy endpoint was picked %d times of 100", n)
	}
}

func TestAverageFadesAndPeaksAtOnce(t *testing.T) {
	var a average
	now := int64(time.Hour)
	a.observe(now, 100*time.Millisecond)
	a.observe(now, 400*time.Millisecond)
	if got := a.micros(now); got != 400_000 {
		t.Errorf("after a slow answer the average is %v µs, want 400000", got)
	}
	now += int64(10 * time.Second)
	if got, want := float64(a.micros(now)), 400_000/math.E; math.Abs(got-want) > 100 {
		t.Errorf("after one time constant it is %v µs, want %v", got, want)
	}
	a.observe(now, 10*time.Millisecond)
	// As in ingress-nginx: old*w + sample*(1-w), w = 1/e.
	if got, want := float64(a.micros(now)), 400_000/math.E+10_000*(1-1/math.E); math.Abs(got-want) > 100 {
		t.Errorf("after a fast answer it is %v µs, want %v", got, want)
	}
}

func TestNewEndpointsBeginAtTheAverage(t *testing.T) {
	u := published(t, Options{Algorithm: EWMA}, specs(2))
	for i, e := range u.Set().Endpoints() {
		e.Observe(time.Duration(i+1) * 20 * time.Millisecond)
	}
	u.Publish(specs(3))
	got := u.Set().Endpoints()[2].load.micros(Now())
	if got < 29_000 || got > 31_000 {
		t.Errorf("the new endpoint begins at %v µs, want the average of 20 and 40 ms", got)
	}
}

func TestHashKeepsAKeyOnItsEndpoint(t *testing.T) {
	u := published(t, Options{Algorithm: Hash}, specs(10))
	seen := map[string]bool{}
	for i := range 200 {
		hash := mix(uint64(i))
		first := u.Pick(&Choice{Hash: hash, HasHash: true})
		seen[first.String()] = true
		for range 5 {
			if again := u.Pick(&Choice{Hash: hash, HasHash: true, Serial: rand.Uint64()}); again != first {
				t.Fatalf("key %d went to %s and %s", i, first, again)
			}
		}
	}
	if len(seen) != 10 {
		t.Errorf("200 keys reached %d of 10 endpoints", len(seen))
	}
}

func TestHashMovesFewKeysWhenEndpointsChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(rt, "endpoints")
		gone := rapid.IntRange(0, n-1).Draw(rt, "gone")
		salt := rapid.Uint64().Draw(rt, "salt")
		list := specs(n)
		before := published(t, Options{Algorithm: Hash}, list)
		after := published(t, Options{Algorithm: Hash}, append(append([]Spec{}, list[:gone]...), list[gone+1:]...))
		const keys = 2000
		moved := 0
		for k := range keys {
			c := Choice{Hash: mix(salt + uint64(k)), HasHash: true}
			d := c
			a, b := before.Pick(&c), after.Pick(&d)
			if a.address == list[gone].Address {
				moved++
				continue
			}
			if a.address != b.address {
				rt.Fatalf("key %d moved from %s to %s although its endpoint stayed", k, a, b)
			}
		}
		if limit := 2*keys/n + 20; moved > limit {
			rt.Fatalf("%d of %d keys moved when one of %d endpoints left, want %d at most", moved, keys, n, limit)
		}
	})
}

func TestHashOfLargeSetsMovesFewKeys(t *testing.T) {
	const n, keys = 2000, 20000
	before := published(t, Options{Algorithm: Hash}, specs(n))
	after := published(t, Options{Algorithm: Hash}, specs(n+1))
	moved := 0
	for k := range keys {
		c := Choice{Hash: mix(uint64(k)), HasHash: true}
		d := c
		if before.Pick(&c).address != after.Pick(&d).address {
			moved++
		}
	}
	if moved > 6*keys/n {
		t.Errorf("%d of %d keys moved when endpoint %d came, want about %d", moved, keys, n+1, 2*keys/n)
	}
}

func TestHashSharesAreBearable(t *testing.T) {
	list := specs(5)
	list[4].Weight = 2
	u := published(t, Options{Algorithm: Hash}, list)
	counts := count(u, 60000, func(i int) Choice { return Choice{Hash: mix(uint64(i)), HasHash: true} })
	for i := range list {
		want := 10000.0 * float64(max(list[i].Weight, 1))
		if got := float64(counts[list[i].Address.AddrPort.String()]); got < want*0.7 || got > want*1.3 {
			t.Errorf("endpoint %d has %v of 60000 keys, want about %v", i, got, want)
		}
	}
}

func TestSubsetsKeepAKeyInItsGroup(t *testing.T) {
	u := published(t, Options{Algorithm: Hash, SubsetSize: 3}, specs(10))
	for i := range 50 {
		group := map[string]bool{}
		for range 100 {
			group[u.Pick(&Choice{Hash: mix(uint64(i)), HasHash: true}).String()] = true
		}
		if len(group) != 3 {
			t.Fatalf("key %d reached %d endpoints, want the 3 of its group", i, len(group))
		}
	}
}

func TestSubsetsReachAllEndpoints(t *testing.T) {
	u := published(t, Options{Algorithm: Hash, SubsetSize: 4}, specs(10))
	counts := count(u, 5000, func(i int) Choice { return Choice{Hash: mix(uint64(i)), HasHash: true} })
	if len(counts) != 10 {
		t.Errorf("%d of 10 endpoints reached", len(counts))
	}
}

func TestHashWithoutAKeyGoesRound(t *testing.T) {
	u := published(t, Options{Algorithm: Hash}, specs(4))
	if counts := count(u, 400, func(int) Choice { return Choice{} }); len(counts) != 4 {
		t.Errorf("%d of 4 endpoints reached", len(counts))
	}
}

// TestRetriesExhaustTheOthersFirst holds for all algorithms and any number of endpoints.
func TestRetriesExhaustTheOthersFirst(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "endpoints")
		list := specs(n)
		for i := range list {
			list[i].Weight = rapid.Uint32Range(0, 300).Draw(rt, "weight")
		}
		o := Options{
			Algorithm:  rapid.SampledFrom([]Algorithm{RoundRobin, EWMA, Hash}).Draw(rt, "algorithm"),
			SubsetSize: rapid.IntRange(0, 4).Draw(rt, "subset"),
		}
		u := published(t, o, list)
		c := Choice{Hash: rapid.Uint64().Draw(rt, "hash"), HasHash: rapid.Bool().Draw(rt, "keyed"), Serial: rapid.Uint64().Draw(rt, "serial")}
		seen := map[*Endpoint]bool{}
		for try := range min(n, MaxTries) {
			e := u.Pick(&c)
			if seen[e] {
				rt.Fatalf("try %d of %d endpoints went to %s again", try, n, e)
			}
			seen[e] = true
		}
		if e := u.Pick(&c); n < MaxTries && !seen[e] {
			rt.Fatalf("a try after all %d endpoints went to an unknown one", n)
		}
	})
}

func TestPickWithoutEndpointsIsNil(t *testing.T) {
	u := NewRegistry().Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	for _, a := range []Algorithm{RoundRobin, EWMA, Hash} {
		for _, s := range []Sticky{NotSticky, Balanced, Persistent} {
			u.Configure(Options{Algorithm: a})
			if e := u.Pick(&Choice{Sticky: s, HasHash: true, HasKey: true}); e != nil {
				t.Errorf("algorithm %v, sticky %v: picked %v of nothing", a, s, e)
			}
		}
	}
	if u.Ready() {
		t.Error("ready without endpoints")
	}
}

func TestStickyKeepsClients(t *testing.T) {
	for _, mode := range []Sticky{Balanced, Persistent} {
		for _, n := range []int{1, 2, 9} {
			u := published(t, Options{Sticky: mode}, specs(n))
			for range 100 {
				c := Choice{Sticky: mode}
				first := u.Pick(&c)
				if !c.NewKey {
					t.Fatalf("mode %v: a client without cookie gets none", mode)
				}
				again := Choice{Sticky: mode, Key: c.Key, HasKey: true}
				if e := u.Pick(&again); e != first || again.NewKey {
					t.Fatalf("mode %v of %d: client of %s went to %s, new cookie %v", mode, n, first, e, again.NewKey)
				}
			}
		}
	}
}

func TestPersistentClientsStayWhenEndpointsAreAdded(t *testing.T) {
	u := published(t, Options{Sticky: Persistent}, specs(3))
	type client struct {
		key uint64
		at  Address
	}
	var clients []client
	for range 200 {
		c := Choice{Sticky: Persistent}
		e := u.Pick(&c)
		clients = append(clients, client{c.Key, e.Address()})
	}
	u.Publish(specs(9))
	for _, cl := range clients {
		c := Choice{Sticky: Persistent, Key: cl.key, HasKey: true}
		if e := u.Pick(&c); e.Address() != cl.at || c.NewKey {
			t.Fatalf("client of %v went to %v", cl.at, e)
		}
	}
	u.Publish(specs(9)[1:])
	for _, cl := range clients {
		c := Choice{Sticky: Persistent, Key: cl.key, HasKey: true}
		e := u.Pick(&c)
		if left := cl.at == address(0); left != c.NewKey || !left && e.Address() != cl.at {
			t.Fatalf("client of %v went to %v, new cookie %v", cl.at, e, c.NewKey)
		}
	}
}

func TestStickyRetriesStayUnlessToldToMove(t *testing.T) {
	for _, mode := range []Sticky{Balanced, Persistent} {
		u := published(t, Options{Sticky: mode}, specs(4))
		c := Choice{Sticky: mode}
		first := u.Pick(&c)
		key := c.Key
		if e := u.Pick(&c); e != first || c.Key != key {
			t.Errorf("mode %v: a retry moved from %v to %v", mode, first, e)
		}
		moved := 0
		for range 50 {
			c := Choice{Sticky: mode, Key: key, HasKey: true, Renew: true}
			u.Pick(&c)
			if e := u.Pick(&c); e != first && c.NewKey && c.Key != key {
				moved++
			}
		}
		if moved != 50 {
			t.Errorf("mode %v: %d of 50 retries with change-on-failure moved with a new cookie", mode, moved)
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	list := specs(20)
	list[3].Weight = 7
	for name, o := range map[string]Options{
		"round robin": {}, "ewma": {Algorithm: EWMA}, "hash": {Algorithm: Hash}, "subset": {Algorithm: Hash, SubsetSize: 3},
		"balanced": {Sticky: Balanced}, "persistent": {Sticky: Persistent},
	} {
		u := published(t, o, list)
		var c Choice
		i := uint64(0)
		n := testing.AllocsPerRun(1000, func() {
			i++
			c.Reset()
			c.Serial, c.Hash, c.HasHash, c.Sticky = i, i*0x9e3779b97f4a7c15, true, o.Sticky
			u.Pick(&c)
			u.Pick(&c)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestKeysWithEqualTextHaveDifferentHashes(t *testing.T) {
	a, b := Key{Namespace: "a-b", Service: "c", Port: "80"}, Key{Namespace: "a", Service: "b-c", Port: "80"}
	if a.String() != b.String() {
		t.Fatal("the keys of this test should read the same")
	}
	if a.Hash() == b.Hash() {
		t.Error("the cookies of one would be taken for the other's")
	}
	// The format is in cookies of clients: it must not change.
	if got := (Key{Namespace: "ns", Service: "service", Port: "80"}).Hash(); got != xxhash.Sum64String("ns\x00service\x0080") {
		t.Errorf("Hash() = %x", got)
	}
}

func TestParseCookieTakesNothingButOurs(t *testing.T) {
	good := Cookie{Key: 0x0123456789abcdef, Owner: Key{Namespace: "ns", Service: "service", Port: "80"}.Hash()}
	if got, ok := ParseCookie(good.String()); !ok || got != good {
		t.Errorf("ParseCookie(%q) = %v, %v", good.String(), got, ok)
	}
	for _, bad := range []string{
		"", "|", "10.0.0.1:22", "10.0.0.1:8080|0123456789abcdef", good.String() + "x", good.String()[1:],
		"0123456789ABCDEF|0123456789abcdef", "0123456789abcdef 0123456789abcdef", "0123456789abcde-|0123456789abcdef",
	} {
		if c, ok := ParseCookie(bad); ok {
			t.Errorf("ParseCookie(%q) = %v, want none", bad, c)
		}
	}
}

func FuzzParseCookie(f *testing.F) {
	f.Add("0123456789abcdef|0123456789abcdef")
	f.Add("1700000000.123.31.456789|abc")
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		if c, ok := ParseCookie(value); ok && c.String() != value {
			t.Errorf("%q was read as %q", value, c.String())
		}
	})
}

func BenchmarkPick(b *testing.B) {
	list := specs(100)
	for name, o := range map[string]Options{"roundrobin": {}, "ewma": {Algorithm: EWMA}, "hash": {Algorithm: Hash}} {
		u := published(b, o, list)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var c Choice
			for i := range b.N {
				c.Reset()
				c.Hash, c.HasHash = mix(uint64(i)), true
				u.Pick(&c)
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	for name, o := range map[string]Options{"roundrobin": {}, "hash": {Algorithm: Hash}} {
		u := published(b, o, specs(5000))
		sets := [2][]Spec{specs(5000), specs(5000)[1:]}
		b.Run(name+"-5000", func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				u.Publish(sets[i%2])
			}
		})
	}
}

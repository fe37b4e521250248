package upstream

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRegistryKnowsUpstreamsByKey(t *testing.T) {
	r := NewRegistry()
	a, b := r.Upstream(Key{Namespace: "a-b", Service: "c", Port: "80"}), r.Upstream(Key{Namespace: "a", Service: "b-c", Port: "80"})
	if a == b {
		t.Error("two keys that read the same share an upstream")
	}
	if r.Upstream(a.Key()) != a || r.Lookup(b.Key()) != b {
		t.Error("an upstream is not found again")
	}
	if r.Lookup(Key{Namespace: "x", Service: "y", Port: "z"}) != nil {
		t.Error("Lookup makes upstreams")
	}
	if got := r.Keys(); !slices.Equal(got, []Key{b.Key(), a.Key()}) {
		t.Errorf("Keys() = %v", got)
	}
}

func TestSweepDropsWhatTwoCallsInARowFoundUnused(t *testing.T) {
	r := NewRegistry()
	used, unused, again := Key{Namespace: "ns", Service: "used", Port: "80"}, Key{Namespace: "ns", Service: "unused", Port: "80"}, Key{Namespace: "ns", Service: "again", Port: "80"}
	for _, k := range []Key{used, unused, again} {
		r.Upstream(k).Publish(specs(1))
	}
	conn := &testConn{}
	u := r.Lookup(unused)
	u.Set().Endpoints()[0].Pool(Profile{}).Put(0, conn, Now())
	inUse := func(k Key) bool { return k == used }
	if n := r.Sweep(inUse); n != 0 {
		t.Fatalf("the first sweep dropped %d", n)
	}
	r.Upstream(again) // a table that is being built asks for it
	if n := r.Sweep(inUse); n != 1 || r.Lookup(unused) != nil || r.Lookup(again) == nil {
		t.Fatalf("the second sweep dropped %d; left %v", n, r.Keys())
	}
	if conn.closed.Load() != 1 {
		t.Error("an idle connection of a dropped upstream stays open")
	}
	if u.Pick(&Choice{}) == nil {
		t.Error("requests of an old table find no endpoint any more")
	}
	late := &testConn{}
	u.Publish(specs(2))
	u.Set().Endpoints()[1].Pool(Profile{}).Put(0, late, Now())
	if late.closed.Load() != 1 {
		t.Error("a dropped upstream keeps connections that nobody will ever close")
	}
}

func TestPublishKeepsWhatItKnows(t *testing.T) {
	u := published(t, Options{}, specs(3))
	before := u.Set()
	stays := before.Endpoints()[1]
	stays.Begin()
	stays.Fail(ReadTimeout)
	if added, removed := u.Publish(specs(3)); added != 0 || removed != 0 || u.Set() != before {
		t.Errorf("the same endpoints again: %d added, %d removed, new set: %v", added, removed, u.Set() != before)
	}
	list := specs(5)[1:]
	list = append(list, list[0]) // a duplicate
	if added, removed := u.Publish(list); added != 2 || removed != 1 {
		t.Errorf("%d added, %d removed; want 2, 1", added, removed)
	}
	if u.Set().Len() != 4 || u.Set().Endpoints()[0] != stays || stays.InFlight() != 1 {
		t.Error("an endpoint that stays is not the same")
	}
	if f, ago := stays.LastFailure(); f != ReadTimeout || ago > time.Minute {
		t.Errorf("LastFailure() = %v, %v", f, ago)
	}
	list[0].Locality.Zone = "b"
	u.Publish(list)
	if u.Set().Spec(0).Locality.Zone != "b" {
		t.Error("a change of locality alone is not taken over")
	}
}

func TestPublishDoesNotKeepTheSlice(t *testing.T) {
	list := specs(2)
	u := published(t, Options{}, list)
	list[0].Address = address(99)
	if u.Set().Spec(0).Address != address(0) {
		t.Error("the set changed with the caller's slice")
	}
}

// TestPickIsAlwaysOfTheSet publishes random sets one after the other.
func TestPickIsAlwaysOfTheSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := NewRegistry().Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			u.Configure(Options{
				Algorithm:  rapid.SampledFrom([]Algorithm{RoundRobin, EWMA, Hash}).Draw(rt, "algorithm"),
				SubsetSize: rapid.IntRange(0, 3).Draw(rt, "subset"),
			})
			in := map[Address]bool{}
			var list []Spec
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 10, rapid.ID).Draw(rt, "addresses") {
				list = append(list, Spec{Address: address(i), Weight: rapid.Uint32Range(0, 9).Draw(rt, "weight")})
				in[address(i)] = true
			}
			u.Publish(list)
			for range 30 {
				c := Choice{
					Serial: rapid.Uint64().Draw(rt, "serial"), Hash: rapid.Uint64().Draw(rt, "hash"), HasHash: true,
					Sticky: rapid.SampledFrom([]Sticky{NotSticky, Balanced, Persistent}).Draw(rt, "sticky"),
					Key:    rapid.Uint64().Draw(rt, "key"), HasKey: rapid.Bool().Draw(rt, "keyed"),
				}
				for range 3 {
					e := u.Pick(&c)
					if (e == nil) != (len(list) == 0) || e != nil && !in[e.Address()] {
						rt.Fatalf("picked %v of %v", e, list)
					}
				}
			}
		}
	})
}

// TestPublishRacesWithPick is for the race detector: everything that requests do while sets change.
func TestPublishRacesWithPick(t *testing.T) {
	r := NewRegistry()
	u := r.Upstream(Key{Namespace: "ns", Service: "service", Port: "80"})
	u.Publish(specs(5))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for !stop.Load() {
				c := Choice{Serial: g, Hash: rand.Uint64(), HasHash: true, Sticky: Sticky(rand.IntN(3))}
				e := u.Pick(&c)
				if e == nil {
					t.Error("no endpoint although every set has some")
					return
				}
				e.Begin()
				pool := e.Pool(Profile{byte(rand.IntN(2))})
				conn := pool.Get(g, Now())
				if conn == nil {
					conn = &testConn{Pooled: Pooled{Created: Now()}}
				}
				pool.Put(g, conn, Now())
				e.Observe(time.Millisecond)
				e.Done()
				u.Pick(&c)
			}
		})
	}
	for i := range 300 {
		list := specs(1 + rand.IntN(12))
		list[0].Weight = rand.Uint32N(4)
		u.Publish(list)
		u.Configure(Options{Algorithm: Algorithm(i % 3), SubsetSize: i % 2 * 2})
		r.Prune()
	}
	stop.Store(true)
	wg.Wait()
	for _, e := range u.Set().Endpoints() {
		if e.InFlight() != 0 {
			t.Errorf("%s has %d requests on their way", e, e.InFlight())
		}
	}
}

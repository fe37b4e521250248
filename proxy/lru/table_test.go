package lru_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/yettproxy/yett/proxy/lru"
)

// oneShard sends all keys to the same shard, where the order of use is exact.
func oneShard(int) uint64 { return 7 }

// spread is a hash that spreads well.
func spread(k int) uint64 {
	h := uint64(k) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// naive is the same table as a slice, the one used last at the end.
type naive struct {
	keys   []int
	values map[int]int
	limit  int
}

func (n *naive) get(k int) (int, bool) {
	v, ok := n.values[k]
	if ok {
		n.keys = append(slices.DeleteFunc(n.keys, func(x int) bool { return x == k }), k)
	}
	return v, ok
}

func (n *naive) add(k, v int) {
	if len(n.keys) == n.limit {
		n.remove(n.keys[0])
	}
	n.keys = append(n.keys, k)
	n.values[k] = v
}

func (n *naive) remove(k int) {
	delete(n.values, k)
	n.keys = slices.DeleteFunc(n.keys, func(x int) bool { return x == k })
}

func TestTableBehavesLikeAListInOrderOfUse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	table := lru.New[int, int](64*5, oneShard)
	want := &naive{values: map[int]int{}, limit: 5}
	for step := range 20000 {
		k := rnd.IntN(9)
		s := table.Lock(k)
		got := s.Get(k)
		v, ok := want.get(k)
		switch {
		case ok != (got != nil):
			t.Fatalf("step %d: key %d is there: %v, want %v", step, k, got != nil, ok)
		case ok && *got != v:
			t.Fatalf("step %d: key %d has %d, want %d", step, k, *got, v)
		case ok && rnd.IntN(4) == 0:
			s.Remove(k)
			want.remove(k)
		case !ok && rnd.IntN(3) > 0:
			*s.Add(k) = step
			want.add(k, step)
		}
		if rnd.IntN(50) == 0 {
			s.RemoveOldest()
			if len(want.keys) > 0 {
				want.remove(want.keys[0])
			}
		}
		if o := s.Oldest(); (o == nil) != (len(want.keys) == 0) || o != nil && *o != want.values[want.keys[0]] {
			t.Fatalf("step %d: the oldest differs", step)
		}
		s.Unlock()
		if table.Len() != len(want.keys) {
			t.Fatalf("step %d: %d entries, want %d", step, table.Len(), len(want.keys))
		}
	}
}

func TestTableStaysWithinItsCapacity(t *testing.T) {
	table := lru.New[int, [2]int64](1000, spread)
	for k := range 100000 {
		s := table.Lock(k)
		if s.Get(k) == nil {
			s.Add(k)
		}
		s.Unlock()
	}
	if n := table.Len(); n < 900 || n > 1024 {
		t.Errorf("%d entries, want about 1000", n)
	}
}

func TestTableIsSafeForConcurrentUse(t *testing.T) {
	table := lru.New[int, int](128, spread)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 0))
			for range 5000 {
				k := rnd.IntN(500)
				s := table.Lock(k)
				v := s.Get(k)
				if v == nil {
					v = s.Add(k)
				}
				*v = k
				s.Unlock()
			}
		})
	}
	wg.Wait()
	for k := range 500 {
		s := table.Lock(k)
		if v := s.Get(k); v != nil && *v != k {
			t.Errorf("key %d has the value of %d", k, *v)
		}
		s.Unlock()
	}
}

func TestKnownKeysCostNoAllocation(t *testing.T) {
	table := lru.New[int, int](64*4, spread)
	k := 0
	use := func() {
		s := table.Lock(k)
		if s.Get(k) == nil {
			s.Add(k)
		}
		s.Unlock()
		k = (k + 1) % 16
	}
	for range 32 {
		use()
	}
	if n := testing.AllocsPerRun(1000, use); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	table := lru.New[int, int](100000, spread)
	for k := range 50000 {
		s := table.Lock(k)
		s.Add(k)
		s.Unlock()
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		k := rand.IntN(50000)
		for pb.Next() {
			s := table.Lock(k)
			s.Get(k)
			s.Unlock()
			if k++; k == 50000 {
				k = 0
			}
		}
	})
}

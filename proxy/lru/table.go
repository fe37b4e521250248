package lru

// Each shard is a map from keys to places in a slice; the places are linked in the order of their use. Links
// are indexes instead of pointers, so that the garbage collector has nothing to follow in a table of
// addresses and numbers.
//
// The surprise: "used longest ago" holds within a shard, not for the table as a whole. With a hash that
// spreads well nobody can tell the difference; where an attacker could choose keys of one shard, the hash must be
// keyed.

import "sync"

// shards is how many parts a table has; a power of two.
const shards = 64

// Table is a bounded map. Make one with New.
type Table[K comparable, V any] struct {
	hash   func(K) uint64
	shards [shards]Shard[K, V]
}

// Shard is a part of a table, locked by whoever holds it.
type Shard[K comparable, V any] struct {
	mu    sync.Mutex
	index map[K]uint32
	// slots[0] is the end of the ring: its next is the one used last, its prev the one used longest ago.
	slots []slot[K, V]
	free  uint32
	limit int
	_     [64]byte // keeps locks of neighbours off one cache line
}

type slot[K comparable, V any] struct {
	key        K
	value      V
	prev, next uint32
}

// New returns a table for about capacity entries, at least one a shard. The hash must spread keys over
// all 64 bits; its low bits choose the shard.
func New[K comparable, V any](capacity int, hash func(K) uint64) *Table[K, V] {
	t := &Table[K, V]{hash: hash}
	for i := range t.shards {
		t.shards[i].limit = max(1, (capacity+shards-1)/shards)
	}
	return t
}

// Lock locks the part of the table that a key belongs to, and returns it. Unlock it soon, and use it for
// no other key.
func (t *Table[K, V]) Lock(key K) *Shard[K, V] {
	s := &t.shards[t.hash(key)%shards]
	s.mu.Lock()
	return s
}

// Unlock lets others in. Pointers to values must not be used any more.
func (s *Shard[K, V]) Unlock() { s.mu.Unlock() }

// Len returns how many entries the table holds.
func (t *Table[K, V]) Len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}

// Get returns the value of a key and makes it the one used last, or returns nil. The pointer is valid
// until the shard changes or is unlocked.
func (s *Shard[K, V]) Get(key K) *V {
	i, ok := s.index[key]
	if !ok {
		return nil
	}
	s.unlink(i)
	s.linkFront(i)
	return &s.slots[i].value
}

// Add enters a key that is not there, with the zero value, and forgets the one used longest ago if there
// is no room. The pointer is valid until the shard changes or is unlocked.
func (s *Shard[K, V]) Add(key K) *V {
	if s.index == nil {
		s.index = make(map[K]uint32)
		s.slots = make([]slot[K, V], 1, 8)
	}
	if len(s.index) >= s.limit {
		s.RemoveOldest()
	}
	i := s.free
	if i != 0 {
		s.free = s.slots[i].next
		s.slots[i] = slot[K, V]{key: key}
	} else {
		i = uint32(len(s.slots))
		s.slots = append(s.slots, slot[K, V]{key: key})
	}
	s.linkFront(i)
	s.index[key] = i
	return &s.slots[i].value
}

// Oldest returns the value used longest ago, or nil.
func (s *Shard[K, V]) Oldest() *V {
	if len(s.index) == 0 {
		return nil
	}
	return &s.slots[s.slots[0].prev].value
}

// RemoveOldest forgets the key used longest ago, if there is any.
func (s *Shard[K, V]) RemoveOldest() {
	if len(s.index) != 0 {
		s.remove(s.slots[0].prev)
	}
}

// Remove forgets a key, if it is there.
func (s *Shard[K, V]) Remove(key K) {
	if i, ok := s.index[key]; ok {
		s.remove(i)
	}
}

// remove frees a slot.
func (s *Shard[K, V]) remove(i uint32) {
	delete(s.index, s.slots[i].key)
	s.unlink(i)
	s.slots[i] = slot[K, V]{next: s.free} // values may hold memory
	s.free = i
}

// unlink takes a slot out of the order of use.
func (s *Shard[K, V]) unlink(i uint32) {
	prev, next := s.slots[i].prev, s.slots[i].next
	s.slots[prev].next, s.slots[next].prev = next, prev
}

// linkFront makes a slot the one used last.
func (s *Shard[K, V]) linkFront(i uint32) {
	first := s.slots[0].next
	s.slots[i].prev, s.slots[i].next = 0, first
	s.slots[first].prev, s.slots[0].next = i, i
}

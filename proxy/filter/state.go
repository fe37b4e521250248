package filter

import "sync"

// State keeps what filters must remember across requests and across tables: buckets, counters, caches.
// Things are known by comparable keys, which should be structs that hold everything that makes the thing
// what it is (owner and settings), so that a table built anew finds what the last one left. What no
// table has asked for in two successive generations is dropped.
//
// A State is safe for concurrent use.
type State struct {
	mu         sync.Mutex
	generation uint64
	entries    map[any]*stateEntry
}

type stateEntry struct {
	value any
	seen  uint64
}

// NewState returns an empty State.
func NewState() *State { return &State{entries: make(map[any]*stateEntry)} }

// StateFor returns the thing known by key, made by create the first time. It is for Spec.New, not for
// the request path. The type of the key should belong to the caller's package.
func StateFor[T any](s *State, key any, create func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[key]; ok {
		if v, ok := e.value.(T); ok {
			e.seen = s.generation
			return v
		}
	}
	v := create()
	s.entries[key] = &stateEntry{value: v, seen: s.generation}
	return v
}

// Advance begins a generation: call it before a table is built.
func (s *State) Advance() {
	s.mu.Lock()
	s.generation++
	s.mu.Unlock()
}

// Sweep drops what neither the current generation nor the one before asked for, and returns how many
// things that were: call it after a table was published.
func (s *State) Sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k, e := range s.entries {
		if e.seen+1 < s.generation {
			delete(s.entries, k)
			n++
		}
	}
	return n
}

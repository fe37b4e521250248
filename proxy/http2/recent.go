package http2

import "hash/maphash"

// Strings that are neither kept in the table nor in the memory of an exchange would be made on the heap, each time anew: an
// upstream that does not use the table says grpc-status with each response. Those that came last are found again here.

const (
	// recentSets and recentWays are how many strings there are: a string belongs to one set, and drives out the oldest there. With
	// one place for each string two that fall together would drive each other out for ever.
	recentSets, recentWays = 8, 4
	// recentLength is the longest string that is remembered, in bytes.
	recentLength = 64
)

// recent remembers short strings of heads. A string that is forgotten stays valid for whoever has it.
type recent struct {
	seed maphash.Seed
	sets [recentSets][recentWays]string
}

// newRecent returns an empty one.
func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// string returns the bytes as a string.
func (r *recent) string(p []byte) string {
	if len(p) > recentLength {
		return string(p)
	}
	set := &r.sets[maphash.Bytes(r.seed, p)%recentSets]
	for i := range set {
		if set[i] == string(p) {
			return set[i]
		}
	}
	copy(set[1:], set[:])
	set[0] = string(p)
	return set[0]
}

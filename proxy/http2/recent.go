package http2

import "hash/maphash"

// Strings that are neither kept in the table nor in the memory of an exchange would be made on the heap, each time anew: an
// upstream that does not use the table says grpc-status with each response. Those that came last are found again here.

const (
	// recentStrings is how many places there are: a string has one place, and drives out what was there.
	recentStrings = 32
	// recentLength is the longest string that is remembered, in bytes.
	recentLength = 64
)

// recent remembers short strings of heads. A string that is forgotten stays valid for whoever has it.
type recent struct {
	seed maphash.Seed
	list [recentStrings]string
}

// newRecent returns an empty one.
func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// string returns the bytes as a string.
func (r *recent) string(p []byte) string {
	if len(p) > recentLength {
		return string(p)
	}
	s := &r.list[maphash.Bytes(r.seed, p)%recentStrings]
	if *s != string(p) {
		*s = string(p)
	}
	return *s
}

package cidr

// Comparing an address with a prefix takes 5 ns, asking a trie 8 to 24 ns, however many prefixes it holds. So a trie
// is worth its memory from the fourth prefix on.

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// linear is up to how many prefixes a set is searched one by one.
const linear = 3

// Set is a set of networks. The nil Set is empty.
type Set struct {
	list []netip.Prefix
	trie *bart.Lite
}

// New returns the set of some networks, which must be valid. It keeps list, which must not change any more.
func New(list []netip.Prefix) *Set {
	s := &Set{list: list}
	if len(list) > linear {
		s.trie = new(bart.Lite)
		for _, p := range list {
			s.trie.Insert(p)
		}
	}
	return s
}

// Contains reports whether a network of the set holds the address. IPv4 addresses mapped into IPv6 count as
// IPv4, and zones are not looked at. The invalid address is in no set.
func (s *Set) Contains(a netip.Addr) bool {
	if s == nil || !a.IsValid() {
		return false
	}
	a = Canonical(a)
	if s.trie != nil {
		return s.trie.Contains(a)
	}
	for _, p := range s.list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Len returns how many networks the set was made of.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.list)
}

// Canonical returns the one form of an address under which people are known: IPv4 if it is mapped into IPv6,
// without zone.
func Canonical(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

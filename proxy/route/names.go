package route

// Host names, exact or what follows the "*." of wildcards, in a table that is made once and then only read.
//
// With many hosts a lookup costs what it misses in the caches, hardly what it computes. So a name is found by two accesses:
// one into an open-addressing table of 8 bytes a slot, most of which fits the second-level cache (a part of the hash, and
// where the entry stands), one to the entry. An entry fills two neighbouring cache lines, which processors fetch together.
// The first has the name itself, the second the paths of the host if they are few and short, as they mostly are, with their
// routes: nothing else is touched before the route is known.
//
// The surprise: what does not fit (a name over 50 bytes, more than three paths, regular expressions) takes the long way, through a
// map or the VirtualHost; and a path with a slash at its end counts twice, as it does in pathIndex.

import (
	"hash/maphash"
	"math/bits"
)

// What an entry has room for.
const (
	nameRoom  = 50
	pathRoom  = 34
	pathCount = 3
)

// nameTable finds hosts by name. The zero value is empty.
type nameTable struct {
	seed    maphash.Seed
	slots   []nameSlot // a power of two of them, at most half of them used
	entries []nameEntry
	long    map[string]*VirtualHost // names that do not fit an entry
}

// nameSlot is a part of a name's hash and the place of its entry, counted from 1; 0 is an empty slot.
type nameSlot struct{ tag, place uint32 }

// nameEntry is a host as a lookup sees it. It fills two cache lines.
type nameEntry struct {
	host   *VirtualHost
	count  uint8 // of the paths below; viaHost if they are not all here
	length uint8
	name   [nameRoom]byte
	_      [4]byte

	routes  [pathCount]*Route
	kinds   [pathCount]pathKind
	lengths [pathCount]uint8
	paths   [pathRoom]byte // one behind the other, sorted as in pathIndex
}

// viaHost is the count of an entry whose paths must be looked up in the host.
const viaHost = 255

// pathKind is what a path of an entry does.
type pathKind uint8

const (
	exactPath  pathKind = iota // serves the path itself
	prefixPath                 // serves what begins with it, element by element
	slashPath                  // redirects to itself with a slash
)

// newNameTable makes the table of a set of names. The hosts must have their paths.
func newNameTable(names map[string]*VirtualHost) nameTable {
	t := nameTable{}
	if len(names) == 0 {
		return t
	}
	t.seed = maphash.MakeSeed()
	t.slots = make([]nameSlot, 1<<bits.Len(uint(2*len(names)-1)))
	t.entries = make([]nameEntry, 0, len(names))
	for name, host := range names {
		if len(name) > nameRoom {
			if t.long == nil {
				t.long = make(map[string]*VirtualHost)
			}
			t.long[name] = host
			continue
		}
		t.entries = append(t.entries, newNameEntry(name, host))
		hash := maphash.String(t.seed, name)
		mask := uint64(len(t.slots) - 1)
		i := hash & mask
		for t.slots[i].place != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = nameSlot{uint32(hash >> 32), uint32(len(t.entries))}
	}
	return t
}

// find returns the entry of a name. A name that has none, but is known, comes as its host.
func (t *nameTable) find(name string) (*nameEntry, *VirtualHost) {
	if len(name) > nameRoom {
		return nil, t.long[name]
	}
	if len(t.slots) == 0 {
		return nil, nil
	}
	hash := maphash.String(t.seed, name)
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.place == 0 {
			return nil, nil
		}
		if s.tag != uint32(hash>>32) {
			continue
		}
		if e := &t.entries[s.place-1]; string(e.name[:e.length]) == name {
			return e, e.host
		}
	}
}

// newNameEntry makes an entry of a name of at most nameRoom bytes.
func newNameEntry(name string, host *VirtualHost) nameEntry {
	e := nameEntry{host: host, length: uint8(len(name))}
	copy(e.name[:], name)
	if host.Regex || !e.take(host.paths) {
		e.count = viaHost
	}
	return e
}

// take copies the paths of a host. It reports false if they do not fit.
func (e *nameEntry) take(paths pathIndex) bool {
	end := 0
	for i := range paths {
		p := &paths[i]
		for _, bearer := range []struct {
			route *Route
			kind  pathKind
		}{{p.slash, slashPath}, {p.prefix, prefixPath}, {p.exact, exactPath}} { // the last goes first
			if bearer.route == nil {
				continue
			}
			if e.count == pathCount || end+len(p.path) > pathRoom {
				return false
			}
			e.routes[e.count], e.kinds[e.count], e.lengths[e.count] = bearer.route, bearer.kind, uint8(len(p.path))
			end += copy(e.paths[end:], p.path)
			e.count++
		}
	}
	return true
}

// match is pathIndex.find for the paths of an entry. From the last to the first the longest comes first.
func (e *nameEntry) match(path string) (r *Route, slash bool) {
	end := 0
	for i := range e.count {
		end += int(e.lengths[i%pathCount])
	}
	for i := int(e.count) - 1; i >= 0; i-- {
		at := end - int(e.lengths[i])
		text := e.paths[at:end]
		end = at
		switch kind := e.kinds[i]; {
		case len(text) == len(path):
			if string(text) == path {
				return e.routes[i], kind == slashPath
			}
		case kind == prefixPath && coversBytes(text, path):
			return e.routes[i], false
		}
	}
	return nil, false
}

// coversBytes is covers for a prefix that is shorter or longer than the path, but not as long.
func coversBytes(prefix []byte, path string) bool {
	n := len(prefix)
	return n < len(path) && path[:n] == string(prefix) && (path[n] == '/' || n > 0 && prefix[n-1] == '/')
}

package route

// Paths of ordinary hosts, where Exact goes before Prefix and the longest prefix wins, element by
// element: /foo covers /foo and /foo/bar but not /foobar.
//
// All distinct path texts of a host stand in one sorted slice. The last entry that is not greater than a
// request's path either is the longest prefix of it or begins with the longest prefix: whatever begins with
// a text stands directly behind it. So each entry points to its parent, the longest entry that is a
// prefix of its text, and the answer is found by one binary search and a short climb.
//
// The surprise is that parents go by text and not by element. "/foo-bar" sorts between "/foo" and
// "/foo/x", since "-" is less than "/"; a search for "/foo/a" lands on it, and has to climb to "/foo", which is
// no parent of it by elements.

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yettproxy/yett/proxy/ir"
)

// pathIndex finds the route of a path in one host.
type pathIndex []pathEntry

// pathEntry is a path text and what its bearers do.
type pathEntry struct {
	path string
	// exact serves the path itself, prefix what begins with it, element by element.
	exact, prefix *Route
	// slash is the route whose path is this one plus "/", if there is one: it redirects there.
	slash *Route
	// parent is the place of the longest other entry that has a prefix route and that this text begins
	// with; -1 for none.
	parent int32
}

// find returns the route of a path, and whether the path only lacks the slash at the end of the route's.
func (x pathIndex) find(path string) (r *Route, slash bool) {
	lo, hi := 0, len(x)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x[mid].path <= path {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	i := int32(lo - 1)
	if i < 0 {
		return nil, false
	}
	if e := &x[i]; len(e.path) == len(path) && e.path == path {
		switch {
		case e.exact != nil:
			return e.exact, false
		case e.prefix != nil:
			return e.prefix, false
		case e.slash != nil:
			return e.slash, true
		}
	}
	for ; i >= 0; i = x[i].parent {
		if e := &x[i]; e.prefix != nil && covers(e.path, path) {
			return e.prefix, false
		}
	}
	return nil, false
}

// covers reports whether the prefix covers the path, element by element.
func covers(prefix, path string) bool {
	n := len(prefix)
	if len(path) < n || path[:n] != prefix {
		return false
	}
	return len(path) == n || path[n] == '/' || n > 0 && prefix[n-1] == '/'
}

// newPathIndex indexes routes. It calls duplicate for each route whose path and type an earlier one has.
func newPathIndex(routes []*Route, duplicate func(*Route)) pathIndex {
	x := make(pathIndex, 0, len(routes))
	for _, r := range routes {
		e := pathEntry{path: r.Path, parent: -1}
		if r.Type == ir.Exact {
			e.exact = r
		} else {
			e.prefix = r
		}
		x = append(x, e)
		if bare, ok := strings.CutSuffix(r.Path, "/"); ok && bare != "" {
			x = append(x, pathEntry{path: bare, slash: r, parent: -1})
		}
	}
	// Stable, so that of two routes for the same thing the first stays the first.
	slices.SortStableFunc(x, func(a, b pathEntry) int { return cmp.Compare(a.path, b.path) })
	x = x.merge(duplicate)
	x.link()
	return x
}

// merge makes one entry of all entries with the same path.
func (x pathIndex) merge(duplicate func(*Route)) pathIndex {
	n := 0
	for _, e := range x {
		if n == 0 || x[n-1].path != e.path {
			x[n] = e
			n++
			continue
		}
		into := &x[n-1]
		for _, s := range []struct{ have, more **Route }{{&into.exact, &e.exact}, {&into.prefix, &e.prefix}} {
			switch {
			case *s.have == nil:
				*s.have = *s.more
			case *s.more != nil:
				duplicate(*s.more)
			}
		}
		if e.slash != nil && (into.slash == nil || into.slash.Type != ir.Exact && e.slash.Type == ir.Exact) {
			into.slash = e.slash // of both types the Exact one answers, as it will after the redirect
		}
	}
	return slices.Clip(x[:n])
}

// link sets the parents.
func (x pathIndex) link() {
	open := make([]int32, 0, 16) // the entries with a prefix route that the current text begins with
	for i := range x {
		for len(open) > 0 && !strings.HasPrefix(x[i].path, x[open[len(open)-1]].path) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			x[i].parent = open[len(open)-1]
		}
		if x[i].prefix != nil {
			open = append(open, int32(i))
		}
	}
}

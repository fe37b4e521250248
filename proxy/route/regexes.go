package route

// Paths of regex hosts. As soon as one path of a host is a regular expression (use-regex, or a
// rewrite-target), ingress-nginx makes all of them expressions, those of other Ingresses, Exact ones and
// "/" included: "^" and the path, in either case, open at the end. The first one that matches wins, in an order that
// has nothing to do with how much it matches: longest text first, then reverse alphabetical.
//
// The surprise is that /foobar then matches a path /foo, Exact or not, and that a long expression beats
// a shorter literal path that fits better. People know this trap; it is part of the contract.
//
// Expressions that cannot match are left out by the literal text they begin with: those whose text the
// path begins with are found as in paths.go, by a binary search and a climb. They are few, and of them the
// first in order is tried first.

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// regexIndex is the paths of a regex host.
type regexIndex struct {
	// entries are in the order in which they are tried.
	entries []regexEntry
	// leads are the distinct texts that the expressions begin with, sorted; nil if there are few entries.
	leads []regexLead
	// ranks are the places of entries, grouped by lead, in ascending order within a group.
	ranks []int32
}

// regexEntry is one path.
type regexEntry struct {
	pattern *pattern.Pattern
	route   *Route
}

// regexLead is a text, in lower case, that expressions begin with.
type regexLead struct {
	text string
	// parent is the place of the longest other lead that the text begins with; -1 for none.
	parent int32
	// first and end are the group of ranks.
	first, end int32
}

// fewRegexes is how many expressions are tried one after the other without looking for leads; maxChain is how
// many leads of one path are looked at, which is also how deep one path may be in others.
const (
	fewRegexes = 16
	maxChain   = 16
)

// find returns the route of a path, or nil. It reports gaveUp if an expression could not be tried to the end: the routes
// behind it may be more open, so none of them is taken.
func (x *regexIndex) find(path string) (_ *Route, gaveUp bool) {
	var groups [maxChain]struct{ next, end int32 }
	n := 0
	for i := x.lastLead(path); i >= 0; i = x.leads[i].parent {
		l := &x.leads[i]
		if len(l.text) > len(path) || compareFold(l.text, path[:len(l.text)]) != 0 {
			continue
		}
		if n == maxChain {
			return x.scan(path)
		}
		groups[n].next, groups[n].end = l.first, l.end
		n++
	}
	if x.leads == nil {
		return x.scan(path)
	}
	for {
		best := -1
		for i := range n {
			g := &groups[i]
			if g.next < g.end && (best < 0 || x.ranks[g.next] < x.ranks[groups[best].next]) {
				best = i
			}
		}
		if best < 0 {
			return nil, false
		}
		e := &x.entries[x.ranks[groups[best].next]]
		if found, err := e.pattern.Find(path, nil); found || err != nil {
			return e.take(err)
		}
		groups[best].next++
	}
}

// scan tries all expressions.
func (x *regexIndex) scan(path string) (_ *Route, gaveUp bool) {
	for i := range x.entries {
		e := &x.entries[i]
		if found, err := e.pattern.Find(path, nil); found || err != nil {
			return e.take(err)
		}
	}
	return nil, false
}

// take returns the route of an entry whose expression was found, unless the search was given up.
func (e *regexEntry) take(err error) (_ *Route, gaveUp bool) {
	if err != nil {
		return nil, true
	}
	return e.route, false
}

// lastLead returns the place of the last lead that is not greater than the path, or -1.
func (x *regexIndex) lastLead(path string) int32 {
	lo, hi := 0, len(x.leads)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if compareFold(x.leads[mid].text, path) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return int32(lo - 1)
}

// compareFold compares a text in lower case with another in any case (ASCII, as nginx).
func compareFold(lower, s string) int {
	for i := 0; i < len(lower) && i < len(s); i++ {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return int(lower[i]) - int(c)
		}
	}
	return len(lower) - len(s)
}

// index groups the entries by their leads.
func (x *regexIndex) index() {
	if len(x.entries) <= fewRegexes {
		return
	}
	x.ranks = make([]int32, len(x.entries))
	for i := range x.ranks {
		x.ranks[i] = int32(i)
	}
	lead := func(rank int32) string { return x.entries[rank].pattern.Lead() }
	slices.SortStableFunc(x.ranks, func(a, b int32) int { return cmp.Compare(lead(a), lead(b)) })
	var open []int32 // the leads that the current one begins with
	for i, rank := range x.ranks {
		text := lead(rank)
		if n := len(x.leads); n == 0 || x.leads[n-1].text != text {
			for len(open) > 0 && !strings.HasPrefix(text, x.leads[open[len(open)-1]].text) {
				open = open[:len(open)-1]
			}
			parent := int32(-1)
			if len(open) > 0 {
				parent = open[len(open)-1]
			}
			open = append(open, int32(n))
			x.leads = append(x.leads, regexLead{text: text, parent: parent, first: int32(i)})
		}
		x.leads[len(x.leads)-1].end = int32(i) + 1
	}
}

// location is a route of a regex host while the index is made.
type location struct {
	route   *Route
	literal bool
	// below says that the location covers only what is below its path: ^/foo/ instead of the pair
	// ^/foo/ and ^/foo, since an Exact route has /foo.
	below bool
}

// newRegexIndex indexes the routes of a regex host. It calls duplicate for each route that an earlier one
// leaves nothing to match.
func (c *compiler) newRegexIndex(locations []location, duplicate func(*Route)) regexIndex {
	var exact map[string]bool
	for _, l := range locations {
		if l.route.Type == ir.Exact {
			if exact == nil {
				exact = make(map[string]bool)
			}
			exact[l.route.Path] = true
		}
	}
	for i := range locations {
		l := &locations[i]
		l.below = l.literal && l.route.Type == ir.Prefix && exact[l.route.Path]
	}
	slices.SortStableFunc(locations, compareLocations)
	x := regexIndex{entries: make([]regexEntry, 0, len(locations))}
	for i := range locations {
		l := &locations[i]
		if i > 0 && compareLocations(locations[i-1], *l) == 0 {
			duplicate(l.route)
			continue
		}
		x.entries = append(x.entries, regexEntry{c.locationPattern(l), l.route})
	}
	x.index()
	return x
}

// compareLocations orders locations as they are tried.
func compareLocations(a, b location) int {
	return cmp.Or(
		cmp.Compare(len(b.route.Path), len(a.route.Path)),
		cmp.Compare(b.route.Path, a.route.Path),
		compareBools(b.below, a.below),
		cmp.Compare(b.route.Type, a.route.Type), // Exact before Prefix
	)
}

// compareBools orders false before true.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// locationPattern returns what a location matches. An expression that does not compile denies everything that
// begins with its literal part: nginx would refuse the whole configuration.
func (c *compiler) locationPattern(l *location) *pattern.Pattern {
	r := l.route
	expr := "^" + r.Path
	if l.below && r.Path[len(r.Path)-1] != '/' {
		expr += "/"
	}
	p, err := c.pattern(expr, true)
	switch {
	case err == nil:
		return p
	case l.literal:
		// Nobody meant it as an expression.
		return pattern.Literal(expr[1:], true)
	}
	lead := pattern.Lead(expr)
	c.deny(r, "path cannot be matched, so requests that begin with "+quote(lead)+" answer 503: "+err.Error())
	return pattern.Literal(lead, true)
}

package route

// Paths of regex hosts. As soon as one path of a host is a regular expression (use-regex, or a
// rewrite-target), ingress-nginx makes all of them expressions, those of other Ingresses, Exact ones and
// "/" included: "^" and the path, in either case, open at the end. The first one that matches wins, in an order that
// has nothing to do with how much it matches: longest text first, then reverse alphabetical.
//
// The surprise is that /foobar then matches a path /foo, Exact or not, and that a long expression beats
// a shorter literal path that fits better. People know this trap; it is part of the contract.
//
// The search is linear, but nearly every step of it is one comparison of the literal text that an
// expression begins with.

import (
	"cmp"
	"slices"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// regexIndex is the paths of a regex host in the order in which they are tried.
type regexIndex []regexEntry

// regexEntry is one path.
type regexEntry struct {
	pattern *pattern.Pattern
	route   *Route
}

// find returns the route of a path, or nil.
func (x regexIndex) find(path string) *Route {
	for i := range x {
		if x[i].pattern.Match(path) {
			return x[i].route
		}
	}
	return nil
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
	exact := make(map[string]bool)
	for _, l := range locations {
		if l.route.Type == ir.Exact {
			exact[l.route.Path] = true
		}
	}
	for i := range locations {
		l := &locations[i]
		l.below = l.literal && l.route.Type == ir.Prefix && exact[l.route.Path]
	}
	slices.SortStableFunc(locations, compareLocations)
	x := make(regexIndex, 0, len(locations))
	for i := range locations {
		l := &locations[i]
		if i > 0 && compareLocations(locations[i-1], *l) == 0 {
			duplicate(l.route)
			continue
		}
		x = append(x, regexEntry{c.locationPattern(l), l.route})
	}
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

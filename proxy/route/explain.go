package route

// Why a request goes where it goes, for people: who else bore the name, and what else was there for the path.
//
// Nothing here decides anything. What wins is what Match says, and what is said about it is found out by going through
// all there is, without an index; so the two check each other (explain_test.go holds them to agree on random tables).

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yettproxy/yett/proxy/ir"
)

// Bearer is a virtual host that answers to a name, and by what.
type Bearer struct {
	Host *VirtualHost
	// By is "exact name", "alias x.test", "wildcard *.test", or "catch-all".
	By string
}

// Bearers returns the virtual hosts that answer to a name, the one that Match takes first. name is as for Match.
func (t *Table) Bearers(name string) []Bearer {
	var list []Bearer
	add := func(h *VirtualHost, by string) {
		if h != nil && !slices.ContainsFunc(list, func(b Bearer) bool { return b.Host == h }) {
			list = append(list, Bearer{h, by})
		}
	}
	by := func(h *VirtualHost, name, what string) string {
		if h != nil && h.Name != name {
			return "alias " + name
		}
		return what
	}
	_, h := t.hosts.exact.find(name)
	add(h, by(h, name, "exact name"))
	if i := strings.IndexByte(name, '.'); i > 0 && isLabel(name[:i]) {
		_, h := t.hosts.wildcards.find(name[i+1:])
		add(h, by(h, "*"+name[i:], "wildcard *"+name[i:]))
	}
	for _, r := range t.hosts.regexes {
		if found, err := r.pattern.Find(name, nil); found && err == nil && name != "" {
			add(r.host, "alias ~"+r.pattern.String())
		}
	}
	add(t.hosts.catchAll, "catch-all")
	return list
}

// Candidate is a route of a host and what speaks for and against it for one path.
type Candidate struct {
	Route *Route
	// Won says that this route serves the path, Slash that it does so by a redirect to the slash at its end.
	Won, Slash bool
	// Fits says that the route would serve the path if no other did.
	Fits bool
	// Why says in words why it won, lost or does not fit.
	Why string
}

// Routes returns the routes of the host in the order in which they are tried: the longest path first and, of two with the same
// path, Exact before Prefix.
func (h *VirtualHost) Routes() []*Route {
	var list []*Route
	if h.Regex {
		for i := range h.regexes.entries {
			list = append(list, h.regexes.entries[i].route)
		}
		return list
	}
	for i := range h.paths {
		for _, r := range []*Route{h.paths[i].exact, h.paths[i].prefix} {
			if r != nil {
				list = append(list, r)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *Route) int {
		return cmp.Or(cmp.Compare(len(b.Path), len(a.Path)), cmp.Compare(a.Path, b.Path), cmp.Compare(b.Type, a.Type))
	})
	return list
}

// Consider returns all routes of the host in the order of Routes and what becomes of each for a path, which is as for Match.
// At most one has won.
func (h *VirtualHost) Consider(path string) []Candidate {
	if h.Regex {
		return h.regexes.consider(path)
	}
	routes := h.Routes()
	list := make([]Candidate, len(routes))
	for i, r := range routes {
		list[i] = judge(r, path)
	}
	winner := elect(list, path)
	for i := range list {
		c := &list[i]
		switch {
		case i == winner:
			c.Won = true
		case c.Fits && winner >= 0:
			c.Why += ", but " + list[winner].Route.Type.String() + " " + list[winner].Route.Path + " " + beats(&list[winner], path)
		}
	}
	return list
}

// judge says whether a route fits a path, whatever others there are.
func judge(r *Route, path string) Candidate {
	c := Candidate{Route: r, Fits: true}
	switch {
	case r.Path == path:
		c.Why = "is the path"
	case r.Path == path+"/":
		c.Slash, c.Why = true, "is the path with a slash at its end"
	case r.Type == ir.Prefix && covers(r.Path, path):
		c.Why = "covers the path"
	default:
		c.Fits, c.Why = false, misfit(r, path)
	}
	return c
}

// misfit says why a route has nothing to do with a path.
func misfit(r *Route, path string) string {
	switch {
	case strings.EqualFold(r.Path, path):
		return "differs in upper and lower case"
	case r.Type == ir.Exact && strings.HasPrefix(path, r.Path):
		return "is Exact: " + r.Path + " itself and nothing below it"
	case strings.HasPrefix(path, r.Path):
		return "a Prefix covers whole elements: " + r.Path + "/..., not " + r.Path + "..."
	}
	return "is another path"
}

// elect returns the place of the candidate that serves the path, or -1: the path itself goes before the path with a slash, Exact
// before Prefix, and a longer prefix before a shorter one. list is in the order of Routes.
func elect(list []Candidate, path string) int {
	prefix, slash := -1, -1
	for i := range list {
		switch c := &list[i]; {
		case c.Route.Path == path:
			return i // Exact comes first in the list
		case c.Slash && slash < 0:
			slash = i
		case c.Fits && !c.Slash && prefix < 0:
			prefix = i
		}
	}
	if slash >= 0 {
		return slash
	}
	return prefix
}

// beats says why a route wins.
func beats(c *Candidate, path string) string {
	switch {
	case c.Slash:
		return "lacks only the slash, and redirects go first"
	case c.Route.Path != path:
		return "is longer"
	case c.Route.Type == ir.Exact:
		return "is the path itself, and Exact"
	}
	return "is the path itself"
}

// consider is VirtualHost.Consider for regular expressions: the first in order that matches has won.
func (x *regexIndex) consider(path string) []Candidate {
	list := make([]Candidate, len(x.entries))
	var winner *Candidate
	for i := range x.entries {
		e, c := &x.entries[i], &list[i]
		found, err := e.pattern.Find(path, nil)
		expr := "~*" + e.pattern.String()
		c.Route, c.Fits = e.route, found
		switch {
		case err != nil && winner == nil:
			c.Why = expr + " takes too long to match, so nobody knows whose request this is: 500"
			winner = c // nothing behind it is tried
		case err != nil:
			c.Why = expr + " takes too long to match, but an earlier one matches"
		case !found:
			c.Why = expr + " does not match"
		case winner == nil:
			c.Won, c.Why = true, expr+" is the first that matches, in any case, open at its end"
			winner = c
		default:
			c.Why = expr + " matches, but stands behind: of regular expressions the longest text goes first"
		}
	}
	return list
}

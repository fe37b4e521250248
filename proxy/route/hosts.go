package route

import (
	"strings"

	"github.com/yettproxy/yett/proxy/pattern"
)

// hostIndex finds a virtual host by name: exact names and exact aliases first, then wildcards, then
// regular expressions in order, then the catch-all. Only the regular expressions, which aliases
// alone can be, cost more the more of them there are.
type hostIndex struct {
	exact nameTable
	// wildcards are known by what follows "*.".
	wildcards nameTable
	regexes   []hostPattern
	catchAll  *VirtualHost
}

// takenNames are the names that have been taken while a table is made.
type takenNames struct{ exact, wildcards map[string]*VirtualHost }

// hostPattern is an alias that is a regular expression.
type hostPattern struct {
	pattern *pattern.Pattern
	host    *VirtualHost
}

// seal makes the index of the names, once all hosts have their paths.
func (x *hostIndex) seal(n *takenNames) {
	x.exact, x.wildcards = newNameTable(n.exact), newNameTable(n.wildcards)
}

// named returns the host that bears a name, itself or by a wildcard, and its entry if it has one.
func (x *hostIndex) named(name string) (*nameEntry, *VirtualHost) {
	if e, h := x.exact.find(name); h != nil {
		return e, h
	}
	if len(x.wildcards.slots) > 0 {
		if i := strings.IndexByte(name, '.'); i > 0 && isLabel(name[:i]) {
			return x.wildcards.find(name[i+1:])
		}
	}
	return nil, nil
}

// other returns the host that answers to a name that nobody bears, or nil. A request without a host gets the
// catch-all. It reports gaveUp if an expression could not be tried to the end.
func (x *hostIndex) other(name string) (_ *VirtualHost, gaveUp bool) {
	if name != "" {
		for i := range x.regexes {
			switch found, err := x.regexes[i].pattern.Find(name, nil); {
			case err != nil:
				return nil, true
			case found:
				return x.regexes[i].host, false
			}
		}
	}
	return x.catchAll, false
}

// isLabel reports whether s is what a wildcard stands for: [A-Za-z0-9_-]+ in ingress-nginx.
func isLabel(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// add makes the host answer to name, which is exact, a wildcard, or "" for the catch-all. It reports
// false if the name is taken.
func (x *hostIndex) add(taken *takenNames, name string, h *VirtualHost) bool {
	if name == "" {
		if x.catchAll != nil {
			return false
		}
		x.catchAll = h
		return true
	}
	names := taken.exact
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		names, name = taken.wildcards, rest
	}
	if _, taken := names[name]; taken {
		return false
	}
	names[name] = h
	return true
}

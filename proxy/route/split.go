package route

import (
	"math/rand/v2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Split decides where the requests of a route go: to the primary upstream, or to the canary if there is
// one. The zero value leads nowhere.
type Split struct {
	primary *upstream.Upstream
	canary  *canary
}

// canary is an alternative upstream and when to use it.
type canary struct {
	upstream *upstream.Upstream
	name     string
	// sticky and canarySticky are the affinity cookies of the primary and of the canary, or "".
	sticky, canarySticky string
	// header decides if it is not "": by value if that is not "", else by pattern, else by "always" and
	// "never". broken says that there is a pattern but that it does not compile.
	header, value string
	pattern       *pattern.Pattern
	broken        bool
	// cookie decides by "always" and "never" if it is not "".
	cookie string
	// weight of total go to the canary if nothing else decides.
	weight, total int
}

// Primary returns the main upstream, or nil if the route has none.
func (s *Split) Primary() *upstream.Upstream { return s.primary }

// Canary returns the alternative upstream, or nil if there is none.
func (s *Split) Canary() *upstream.Upstream {
	if s.canary == nil {
		return nil
	}
	return s.canary.upstream
}

// CanaryName is the name of the alternative upstream in logs and metrics, or "".
func (s *Split) CanaryName() string {
	if s.canary == nil {
		return ""
	}
	return s.canary.name
}

// Choose returns the upstream for a request, nil if the route has none, and whether it is the canary. The
// order is that of ingress-nginx: affinity cookie, header, cookie, weight. A canary without endpoints
// gets nothing. A primary without endpoints gives nothing away either, whatever the header says: the
// route is down, as it is in ingress-nginx. It does not allocate.
func (s *Split) Choose(x *filter.Exchange) (u *upstream.Upstream, isCanary bool) {
	c := s.canary
	if c == nil || !c.upstream.Ready() || !s.primary.Ready() {
		return s.primary, false
	}
	yes, by := c.decide(x, s.primary)
	if yes || by == ByWeight && rand.IntN(c.total) < c.weight {
		return c.upstream, true
	}
	return s.primary, false
}

// decide reports whether the canary gets the request, and what says so. With ByWeight nothing does: the dice are to be thrown.
func (c *canary) decide(x *filter.Exchange, primary *upstream.Upstream) (yes bool, by Reason) {
	if issuedBy(x, c.sticky, primary) {
		return false, ByAffinity
	}
	if issuedBy(x, c.canarySticky, c.upstream) {
		return true, ByAffinity
	}
	if c.header != "" {
		if v, ok := header(x, c.header); ok {
			if yes, decided := c.byHeader(v); decided {
				return yes, ByHeader
			}
		}
	}
	if c.cookie != "" {
		switch v, _ := x.Request.Fields.Cookie(c.cookie); v {
		case "always":
			return true, ByCookie
		case "never":
			return false, ByCookie
		}
	}
	switch {
	case c.weight <= 0:
		return false, ByNobody
	case c.weight >= c.total:
		return true, ByNobody
	}
	return false, ByWeight
}

// byHeader decides by the value of the header, if that decides.
func (c *canary) byHeader(v string) (yes, decided bool) {
	switch {
	case c.value != "":
		return true, v == c.value
	case c.broken:
		return false, true
	case c.pattern != nil:
		return true, c.pattern.Match(v)
	}
	return v == "always", v == "always" || v == "never"
}

// issuedBy reports whether the request carries an affinity cookie of that name that u has issued; "" is no name.
func issuedBy(x *filter.Exchange, name string, u *upstream.Upstream) bool {
	if name == "" {
		return false
	}
	_, ok := x.Affinity(name, u)
	return ok
}

// header returns the value of a field as nginx's $http_name: "_" and "-" are the same, and the values of
// several fields are joined.
func header(x *filter.Exchange, name string) (value string, ok bool) {
	fields := x.Request.Fields.All()
	for i := range fields {
		if !sameName(fields[i].Name, name) {
			continue
		}
		if ok {
			value = x.Arena.Concat(value, ", ", fields[i].Value)
		} else {
			value, ok = fields[i].Value, true
		}
	}
	return value, ok
}

// sameName compares field names in any case; "_" counts as "-".
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && foldName(a[i]) != foldName(b[i]) {
			return false
		}
	}
	return true
}

// foldName folds a character of a field name.
func foldName(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case c >= 'A' && c <= 'Z':
		return c | 0x20
	}
	return c
}

// canary builds the rules of a canary that leads to u.
func (c *compiler) canary(r *Route, spec *ir.Canary, u *upstream.Upstream) *canary {
	alt := &canary{
		upstream: u, name: spec.Upstream.String(), header: spec.Header, value: spec.HeaderValue, cookie: spec.Cookie,
		weight: spec.Weight, total: max(spec.Total, 100),
	}
	if spec.HeaderPattern != "" && spec.HeaderValue == "" {
		p, err := c.pattern(spec.HeaderPattern, false)
		if err != nil {
			alt.broken = true
			c.problem(r, "canary-by-header-pattern does not compile, so requests with the header stay with the main Service: "+err.Error())
		}
		alt.pattern = p
	}
	return alt
}

// follow sets the affinity cookies of the primary and of the canary. The canary takes over the affinity of
// the primary, if that has any, unless it asks for the legacy behaviour; so does the forwarder, which issues
// the cookies.
func (c *canary) follow(primary, own *ir.Affinity) {
	c.sticky, c.canarySticky = primary.Name, own.Name
	if primary.Name != "" && !own.Legacy {
		c.canarySticky = primary.Name
	}
}

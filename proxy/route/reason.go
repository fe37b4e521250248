package route

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// Reason is what a Split decides by.
type Reason uint8

// The reasons, in the order in which they are asked.
const (
	// ByAbsence: there is no canary.
	ByAbsence Reason = iota
	// ByOutage: the canary has no endpoint, or the main upstream has none and gives nothing away.
	ByOutage
	// ByAffinity: a cookie says where this client was sent before.
	ByAffinity
	// ByHeader: the field that decides.
	ByHeader
	// ByCookie: the cookie that decides.
	ByCookie
	// ByWeight: the dice, for each request anew.
	ByWeight
	// ByNobody: no rule says anything, and the weight is nothing or all.
	ByNobody
)

// Why returns what decides about a request, and whether it is for the canary. With ByWeight nobody knows beforehand.
func (s *Split) Why(x *filter.Exchange) (canary bool, by Reason) {
	c := s.canary
	switch {
	case c == nil:
		return false, ByAbsence
	case !c.upstream.Ready() || !s.primary.Ready():
		return false, ByOutage
	}
	return c.decide(x, s.primary)
}

// Rules says in words when the canary is taken, in the order in which it is decided; "" without a canary.
func (s *Split) Rules() string {
	c := s.canary
	if c == nil {
		return ""
	}
	var rules []string
	switch {
	case c.header == "":
	case c.value != "":
		rules = append(rules, c.header+": "+c.value)
	case c.broken:
		rules = append(rules, c.header+": never (its pattern does not compile)")
	case c.pattern != nil:
		rules = append(rules, c.header+": ~"+c.pattern.String())
	default:
		rules = append(rules, c.header+": always|never")
	}
	if c.cookie != "" {
		rules = append(rules, "cookie "+c.cookie+": always|never")
	}
	weight, total := s.Weight()
	return strings.Join(append(rules, fmt.Sprintf("%d of %d", weight, total)), ", ")
}

// Weight returns how many of total requests go to the canary if nothing else decides; 0 of 0 without a canary.
func (s *Split) Weight() (weight, total int) {
	if s.canary == nil {
		return 0, 0
	}
	return max(0, min(s.canary.weight, s.canary.total)), s.canary.total
}

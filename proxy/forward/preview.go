package forward

import (
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// Preview returns the head that an endpoint of u would see, or nil if none would be asked: the answer is then in x, as after
// Do. Nothing is sent and no endpoint is chosen. It is for explanations; the strings are views into x.
func Preview(x *filter.Exchange, p *Plan, u *upstream.Upstream) *wire.Request {
	s := newFlight(nil, nil)
	s.x, s.plan, s.upstream = x, p, u
	if s.refuse() {
		return nil
	}
	s.compose()
	return &s.request
}

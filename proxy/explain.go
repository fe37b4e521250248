package proxy

// What would be done with a request, and why, in words.
//
// The decisions are those of ServeExchange: the same functions are called on the same Exchange in the same order, and in between
// it is said what they found. Only three things differ: nothing is forwarded, filters ask nobody (asked), and where the dice
// would choose the canary the likelier side is taken.

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Explanation is what would be done with a request. It is plain data.
type Explanation struct {
	// Steps are what was decided, in order.
	Steps []Step `json:"steps"`
	// Host and Path are those that were matched.
	Host string `json:"host"`
	Path string `json:"path"`
	// Ingress is the one whose route serves the request, "namespace/name"; "" for none.
	Ingress string `json:"ingress,omitempty"`
	// Status is what the proxy answers by itself, with these fields; 0 if the request is forwarded.
	Status int      `json:"status,omitempty"`
	Fields []string `json:"fields,omitempty"`
	// Upstream is where the request is forwarded, "namespace-service-port"; Canary says that it is the canary, Dice that this
	// is only the likelier side.
	Upstream string `json:"upstream,omitempty"`
	Canary   bool   `json:"canary,omitempty"`
	Dice     bool   `json:"dice,omitempty"`
	// Endpoints are what is chosen among.
	Endpoints []string `json:"endpoints,omitempty"`
	// Head is what the endpoint sees, a line a field.
	Head []string `json:"head,omitempty"`
}

// Step is one decision.
type Step struct {
	// Topic is what it is about: request, client, tls, host, route, gate, filter, canary, upstream, answer.
	Topic string `json:"topic"`
	// Text says what was decided, Notes why, or what else is worth knowing.
	Text  string   `json:"text"`
	Notes []string `json:"notes,omitempty"`
}

// explainer explains one request. It stands where the Proxy stands for engines.
type explainer struct {
	proxy    *Proxy
	snapshot *snapshot
	asked    *asked
	// done ends the connection.
	done func()
	out  *Explanation
}

// say adds a step.
func (e *explainer) say(topic, text string, notes ...string) {
	e.out.Steps = append(e.out.Steps, Step{Topic: topic, Text: text, Notes: notes})
}

// note adds a note to the last step.
func (e *explainer) note(text string) {
	last := &e.out.Steps[len(e.out.Steps)-1]
	last.Notes = append(last.Notes, text)
}

// rejected explains a request that the engine refuses.
func (e *explainer) rejected(x *filter.Exchange, reason string) {
	defer e.done()
	e.out = &Explanation{Status: x.Response.Status}
	e.say("request", "answered by the engine before it is matched: "+strconv.Itoa(x.Response.Status), strings.Clone(reason))
}

// panicked explains a bug of ours.
func (e *explainer) panicked(_ *filter.Exchange, value any) {
	e.out = &Explanation{Status: 500}
	e.say("request", fmt.Sprintf("500: internal error, please report it: %v", value))
}

// ServeExchange implements http1.Handler.
func (e *explainer) ServeExchange(x *filter.Exchange) {
	defer e.done()
	p, s := e.proxy, e.snapshot
	e.out = &Explanation{Host: strings.Clone(x.Request.Host), Path: strings.Clone(x.Request.Path)}
	e.request(x)
	s.settings.trust.apply(x)
	e.client(x)
	e.tls(x)
	m := s.table.Match(x.Request.Host, x.Request.Path)
	e.match(&m, x.Request.Host, x.Request.Path)
	d := &disposition{proxy: p, snapshot: s, host: m.Host, route: m.Route}
	if m.Route != nil {
		x.Route = &m.Route.Origin
	}
	if by := p.turnAway(x, s, &m); by != byNobody {
		e.refused(x, &m, by)
	} else {
		e.run(x, d)
	}
	if x.Local && x.Response.Status != 0 {
		d.answer(x)
		e.answered(x)
	} else {
		x.Reply(200) // the stream wants to be ended; nobody reads it
		x.Send()
	}
	if m.Route != nil {
		for i := range m.Route.Finishers {
			if f := &m.Route.Finishers[i]; f.Index < d.passed {
				f.Filter.Finish(x)
			}
		}
	}
}

// run is disposition.run, explained.
func (e *explainer) run(x *filter.Exchange, d *disposition) {
	r := d.route
	for i, f := range r.Filters {
		if e.filter(x, r.Specs[i], f) == filter.Done {
			return
		}
		d.passed++
	}
	if d.refuseCleartext(x) {
		e.say("gate", "403: the host asks clients for certificates, and this request came without TLS")
		return
	}
	u, canary := e.choose(x, &r.Split)
	if u = d.aim(x, u, canary); u == nil {
		e.say("upstream", fmt.Sprintf("none: %d is answered", r.Missing))
		e.errorPages(x, d)
		return
	}
	e.upstream(u, r, canary)
	head := forward.Preview(x, r.Plan, u)
	if head == nil {
		if x.Response.Status == 503 && !u.Ready() {
			e.note("no endpoint: 503")
		}
		e.errorPages(x, d)
		return
	}
	e.out.Upstream, e.out.Canary = u.Key().String(), canary
	e.out.Head = append(e.out.Head, head.Method+" "+head.Target, "Host: "+head.Authority)
	for _, f := range head.Fields.All() {
		e.out.Head = append(e.out.Head, f.Name+": "+f.Value)
	}
}

// errorPages says who answers instead of an error of the proxy's own.
func (e *explainer) errorPages(x *filter.Exchange, d *disposition) {
	if !d.explains(x) {
		return
	}
	if pages := d.route.Errors; pages.Plan != nil && pages.Upstream.Ready() {
		e.note("custom-http-errors: " + pages.Upstream.Key().String() + " is asked to answer instead")
	}
}

// choose is Split.Choose without its dice.
func (e *explainer) choose(x *filter.Exchange, s *route.Split) (u *upstream.Upstream, canary bool) {
	canary, by := s.Why(x)
	weight, total := s.Weight()
	u = s.Primary()
	side := map[bool]string{false: "not taken", true: "taken"}
	rules := "rules, in order: " + s.Rules()
	switch by {
	case route.ByAbsence:
		return u, false
	case route.ByOutage:
		e.say("canary", "not taken: it or the main Service has no endpoint", rules)
	case route.ByAffinity:
		e.say("canary", side[canary]+": the affinity cookie says where this client was before", rules)
	case route.ByHeader:
		e.say("canary", side[canary]+" by the header", rules)
	case route.ByCookie:
		e.say("canary", side[canary]+" by the cookie", rules)
	case route.ByNobody:
		e.say("canary", fmt.Sprintf("%s: no rule says otherwise, and its weight is %d of %d", side[canary], weight, total), rules)
	case route.ByWeight:
		canary, e.out.Dice = 2*weight > total, true
		e.say("canary", fmt.Sprintf("by the dice, for each request anew: %d of %d go to %s; what follows is for the likelier side", weight, total, s.CanaryName()), rules)
	}
	if canary {
		u = s.Canary()
	}
	return u, canary
}

// maxEndpoints is how many endpoints are named.
const maxEndpoints = 16

// upstream says where the request goes.
func (e *explainer) upstream(u *upstream.Upstream, r *route.Route, canary bool) {
	key, set := u.Key(), u.Set()
	text := fmt.Sprintf("Service %s/%s port %s", key.Namespace, key.Service, key.Port)
	if canary {
		text += " (the canary)"
	}
	if r.Policy.Protocol != 0 {
		text += ", by " + r.Policy.Protocol.String()
	}
	if n := set.Len(); n != 1 {
		text += fmt.Sprintf(", %d endpoints", n)
	}
	if set.Len() > 1 {
		text += ", chosen by " + u.Options().Algorithm.String()
	}
	e.say("upstream", text)
	if u == r.Default {
		e.note("the default backend, since " + r.Split.Primary().Key().String() + " has no endpoint")
	}
	for i, endpoint := range set.Endpoints() {
		e.out.Endpoints = append(e.out.Endpoints, endpoint.String())
		if i < maxEndpoints {
			e.note("endpoint " + endpoint.String())
		} else if i == maxEndpoints {
			e.note(fmt.Sprintf("and %d more", set.Len()-maxEndpoints))
		}
	}
}

// answered takes down what the proxy answers by itself.
func (e *explainer) answered(x *filter.Exchange) {
	e.out.Status = x.Response.Status
	for _, f := range x.Response.Fields.All() {
		if !strings.EqualFold(f.Name, "Date") {
			e.out.Fields = append(e.out.Fields, f.Name+": "+f.Value)
		}
	}
}

package proxy

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/wire"
)

// filter lets one filter decide, and says what it did.
func (e *explainer) filter(x *filter.Exchange, spec filter.Spec, f filter.Filter) filter.Action {
	var parts []string
	if combined, ok := spec.(route.AnyOf); ok {
		for i, part := range route.Parts(f) {
			parts = append(parts, combined[i].String()+" by itself: "+opinion(x, part))
		}
		e.asked.take()
	}
	was := stateOf(x)
	action := f.Request(x)
	e.say("filter", spec.Phase().String()+": "+spec.String()+": "+verdict(x, action), parts...)
	for _, request := range e.asked.take() {
		e.note(fmt.Sprintf("asks %s; it was not asked, and counts as having answered %d", request, e.asked.status))
	}
	if action == filter.Continue {
		for _, change := range was.changes(x) {
			e.note(change)
		}
	}
	return action
}

// verdict says what a filter decided.
func verdict(x *filter.Exchange, a filter.Action) string {
	if a == filter.Continue {
		return "goes on"
	}
	text := fmt.Sprintf("answers %d", x.Response.Status)
	if to := x.Response.Fields.Value(wire.Location); to != "" {
		text += ", to " + to
	}
	return text
}

// opinion returns what a filter would say by itself, and changes nothing.
func opinion(x *filter.Exchange, f filter.Filter) string {
	y := &filter.Exchange{
		Request: x.Request, Stream: x.Stream, Conn: x.Conn, Client: x.Client, ClientText: x.ClientText, Scheme: x.Scheme,
		ForwardedHost: x.ForwardedHost, ForwardedPort: x.ForwardedPort, ForwardedFor: x.ForwardedFor, RequestID: x.RequestID,
		Start: x.Start, Certificate: x.Certificate, Route: x.Route, Target: x.Target,
	}
	y.Request.Fields = wire.Fields{} // a list must not be copied: it may be borrowed
	for _, field := range x.Request.Fields.All() {
		y.Request.Fields.Append(field)
	}
	return verdict(y, f.Request(y))
}

// exchangeState is what filters may change of an exchange.
type exchangeState struct {
	target, host, user string
	tapped             bool
	overrides, adds    map[string]string
}

// stateOf returns the state of an exchange.
func stateOf(x *filter.Exchange) exchangeState {
	return exchangeState{
		target: x.Target, host: x.UpstreamHost, user: x.User, tapped: x.Tap != nil, overrides: valuesOf(&x.Overrides), adds: valuesOf(&x.ResponseAdd),
	}
}

// valuesOf returns the values of fields by their names in lower case.
func valuesOf(f *wire.Fields) map[string]string {
	values := make(map[string]string, f.Len())
	for _, field := range f.All() {
		values[strings.ToLower(field.Name)] += field.Value + "\n"
	}
	return values
}

// changes says what became of the state.
func (s exchangeState) changes(x *filter.Exchange) (list []string) {
	if x.Target != s.target {
		list = append(list, "the Service is asked for "+x.Target)
	}
	if x.UpstreamHost != s.host {
		list = append(list, "the Service is told the host "+x.UpstreamHost)
	}
	if x.User != s.user {
		list = append(list, "the user is "+x.User)
	}
	if x.Tap != nil && !s.tapped {
		list = append(list, "a copy of the request would be sent; none was")
	}
	for _, f := range x.Overrides.All() {
		switch old, ok := s.overrides[strings.ToLower(f.Name)]; {
		case ok && old == f.Value+"\n":
		case f.Value != "":
			list = append(list, "the Service gets "+f.Name+": "+f.Value)
		case x.Request.Fields.Len() > 0:
			if _, sent := x.Request.Fields.Find(f.Name); sent {
				list = append(list, "the Service does not get "+f.Name)
			}
		}
	}
	for _, f := range x.ResponseAdd.All() {
		if _, ok := s.adds[strings.ToLower(f.Name)]; !ok {
			list = append(list, "the client gets "+f.Name+": "+f.Value)
		}
	}
	return list
}

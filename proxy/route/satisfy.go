package route

import (
	"errors"
	"slices"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// anyOf is `satisfy any`: the request goes on if one of the access filters lets it. Address lists are
// asked before credentials. If none lets it, the answer is the challenge of the last filter that has one (401,
// or a redirect to sign in), else 403. An answer that is neither, such as 500 from an authorization
// service that is down, ends the matter at once, as in nginx.
type anyOf struct {
	filters []filter.Filter
}

// anyOfResponse is anyOf with filters that look at responses.
type anyOfResponse struct {
	anyOf
	response []filter.ResponseFilter
}

// Response calls the response filters, the last first.
func (a *anyOfResponse) Response(x *filter.Exchange) {
	for _, f := range a.response {
		f.Response(x)
	}
}

// Request asks one filter after the other.
func (a *anyOf) Request(x *filter.Exchange) filter.Action {
	var challenge struct {
		status                 int
		authenticate, location string
	}
	for _, f := range a.filters {
		if f.Request(x) == filter.Continue {
			x.Response.Reset()
			x.Local, x.Body = false, ""
			return filter.Continue
		}
		switch status := x.Response.Status; {
		case status == 401 || status >= 300 && status < 400:
			challenge.status = status
			if v := x.Response.Fields.Value(wire.WWWAuthenticate); v != "" {
				challenge.authenticate = v // one without does not take back what an earlier filter asked for
			}
			challenge.location = x.Response.Fields.Value(wire.Location)
		case status != 403:
			return filter.Done
		}
	}
	switch {
	case x.Response.Status == challenge.status && (challenge.status != 401 || x.Response.Fields.Has(wire.WWWAuthenticate)):
	case challenge.status == 401:
		x.Reply(401)
		if challenge.authenticate != "" {
			x.Response.Fields.AddKnown(wire.WWWAuthenticate, challenge.authenticate)
		}
	case challenge.status != 0:
		x.RedirectTo(challenge.status, challenge.location)
	}
	return filter.Done
}

// satisfyAny replaces the access filters among list by their combination, if there is more than one. It
// reports false if one of them cannot be combined: one that wants to know the end would have to be told
// whether it was asked, and nobody remembers.
func satisfyAny(list []filter.Filter) ([]filter.Filter, bool) {
	var access []filter.Filter
	for _, f := range list {
		if a, ok := f.(filter.AccessFilter); ok {
			if _, ok := f.(filter.Finisher); ok {
				return nil, false
			}
			access = append(access, a)
		}
	}
	if len(access) < 2 {
		return list, true
	}
	slices.SortStableFunc(access, func(a, b filter.Filter) int {
		return int(a.(filter.AccessFilter).AccessKind()) - int(b.(filter.AccessFilter).AccessKind())
	})
	var combined filter.Filter = &anyOf{filters: access}
	if response := responseFilters(access); len(response) > 0 {
		combined = &anyOfResponse{anyOf: anyOf{filters: access}, response: response}
	}
	out := make([]filter.Filter, 0, len(list))
	for _, f := range list {
		if _, ok := f.(filter.AccessFilter); !ok {
			out = append(out, f)
		} else if combined != nil {
			out = append(out, combined)
			combined = nil
		}
	}
	return out, true
}

// AnyOf is what a filter was made from that combines others (satisfy any).
type AnyOf []filter.Spec

var _ filter.Spec = AnyOf(nil)

// Phase implements filter.Spec.
func (AnyOf) Phase() filter.Phase { return filter.Access }

// String lists the parts.
func (a AnyOf) String() string {
	parts := make([]string, len(a))
	for i, s := range a {
		parts[i] = s.String()
	}
	return "any of: " + strings.Join(parts, "; ")
}

// New implements filter.Spec. It is not how such filters come about: see satisfyAny.
func (AnyOf) New(*filter.Env) (filter.Filter, error) {
	return nil, errors.New("make combined filter: its parts are made, then combined")
}

// Parts returns the filters that a filter combines, in the order in which they are asked; nil if it combines none.
func Parts(f filter.Filter) []filter.Filter {
	switch f := f.(type) {
	case *anyOf:
		return f.filters
	case *anyOfResponse:
		return f.filters
	}
	return nil
}

// combined returns what the filters of a list were made from after satisfyAny has combined those of made, which were made from
// specs, one each.
func combined(specs []filter.Spec, made []filter.Filter) []filter.Spec {
	kind := func(i int) filter.AccessKind { return made[i].(filter.AccessFilter).AccessKind() }
	var access []int
	for i, f := range made {
		if _, ok := f.(filter.AccessFilter); ok {
			access = append(access, i)
		}
	}
	if len(access) < 2 {
		return specs
	}
	first := access[0]
	slices.SortStableFunc(access, func(a, b int) int { return int(kind(a)) - int(kind(b)) })
	var out []filter.Spec
	for i, s := range specs {
		switch {
		case i == first:
			parts := make(AnyOf, len(access))
			for j, place := range access {
				parts[j] = specs[place]
			}
			out = append(out, parts)
		case !slices.Contains(access, i):
			out = append(out, s)
		}
	}
	return out
}

// responseFilters returns the filters that look at responses, the last first.
func responseFilters(list []filter.Filter) []filter.ResponseFilter {
	var out []filter.ResponseFilter
	for _, f := range slices.Backward(list) {
		if r, ok := f.(filter.ResponseFilter); ok {
			out = append(out, r)
		}
	}
	return out
}

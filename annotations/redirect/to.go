package redirect

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
)

// To answers every request with a redirect (temporal-redirect, permanent-redirect).
type To struct {
	// Location may hold variables. Code is the status.
	Location string
	Code     int
	// Relative leaves a path as it is, otherwise it gets scheme and host, with Port the listener's port too.
	Relative, Port bool
}

var _ filter.Spec = To{}

// Phase implements filter.Spec.
func (To) Phase() filter.Phase { return filter.Redirect }

// String implements filter.Spec.
func (t To) String() string {
	s := fmt.Sprintf("redirect %d %s", t.Code, t.Location)
	if t.Relative {
		s += " relative"
	}
	if t.Port {
		s += " port"
	}
	return s
}

// New implements filter.Spec.
func (t To) New(*filter.Env) (filter.Filter, error) {
	text, err := variable.Compile(t.Location)
	if err != nil {
		return nil, fmt.Errorf("compile redirect %q: %w", t.Location, err)
	}
	f := &toFilter{text: text, code: t.Code, port: t.Port}
	// nginx completes what begins with a slash (absolute_redirect).
	f.complete = !t.Relative && strings.HasPrefix(t.Location, "/")
	if c, ok := text.Constant(); ok && !f.complete {
		f.constant = c
	}
	return f, nil
}

// toFilter is To built for a route.
type toFilter struct {
	text           *variable.Template
	constant       string
	code           int
	complete, port bool
}

var _ filter.Filter = (*toFilter)(nil)

// Request implements filter.Filter.
func (f *toFilter) Request(x *filter.Exchange) filter.Action {
	location := f.constant
	if location == "" {
		location = f.location(x)
	}
	x.RedirectTo(f.code, location)
	return filter.Done
}

// location composes the Location in the arena. What variables hold comes from the client, so it is
// encoded again where a URI may not hold it.
func (f *toFilter) location(x *filter.Exchange) string {
	text, ok := f.text.Constant()
	if !ok {
		text = x.Arena.End(f.text.Append(x.Arena.Begin(), x))
	}
	b := x.Arena.Begin()
	if f.complete {
		b = appendOrigin(b, x, f.port)
	}
	return x.Arena.End(appendURI(b, text))
}

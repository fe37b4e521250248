package route

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

func TestSatisfyAny(t *testing.T) {
	list := func(status int) *spec {
		return &spec{name: "list", phase: filter.Access, kind: "address", status: status}
	}
	basic := func(status int) *spec {
		return &spec{name: "basic", phase: filter.Access, kind: "credentials", status: status}
	}
	extern := func(status int) *spec {
		return &spec{name: "extern", phase: filter.Access, kind: "credentials", status: status}
	}
	tests := map[string]struct {
		filters []*spec
		asked   string
		// status 0 lets the request go on.
		status                 int
		authenticate, location string
	}{
		"the address is enough":                               {[]*spec{list(0), basic(401)}, "list", 0, "", ""},
		"the address is asked first":                          {[]*spec{basic(401), list(0)}, "list", 0, "", ""},
		"credentials are enough":                              {[]*spec{list(403), basic(0)}, "list basic", 0, "", ""},
		"neither: the challenge":                              {[]*spec{list(403), basic(401)}, "list basic", 401, "basic", ""},
		"neither, the list first in the configuration":        {[]*spec{basic(401), list(403)}, "list basic", 401, "basic", ""},
		"two credentials, the second is enough":               {[]*spec{basic(401), extern(0)}, "basic extern", 0, "", ""},
		"two credentials, the first one's challenge remains":  {[]*spec{basic(401), extern(403)}, "basic extern", 401, "basic", ""},
		"two credentials, the last challenge counts":          {[]*spec{basic(401), extern(401)}, "basic extern", 401, "extern", ""},
		"a redirect to sign in is a challenge":                {[]*spec{list(403), extern(302)}, "list extern", 302, "", "/extern"},
		"a redirect to sign in remains":                       {[]*spec{extern(302), basic(403)}, "extern basic", 302, "", "/extern"},
		"nobody asks for credentials":                         {[]*spec{list(403), extern(403)}, "list extern", 403, "", ""},
		"a service that is down ends it":                      {[]*spec{list(403), extern(500), basic(0)}, "list extern", 500, "", ""},
		"one filter alone":                                    {[]*spec{basic(401)}, "basic", 401, "basic", ""},
		"what is no access filter is asked in any case":       {[]*spec{{name: "limit", phase: filter.Limit, status: 503}, list(0), basic(401)}, "limit", 503, "", ""},
		"what is no access filter is not put out of its turn": {[]*spec{{name: "header", phase: filter.Header}, list(0), basic(401)}, "list header", 0, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prefix("/")
			r.SatisfyAny = true
			for _, s := range tt.filters {
				r.Filters = append(r.Filters, s)
			}
			got, problems := compileRoute(t, r)
			if len(problems) > 0 {
				t.Fatalf("problems %+v", problems)
			}
			x := new(filter.Exchange)
			status := 0
			for _, f := range got.Filters {
				if f.Request(x) == filter.Done {
					status = x.Response.Status
					break
				}
			}
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if status == 0 && (x.Local || x.Body != "" || x.Response.Status != 0 || x.Response.Fields.Len() != 0) {
				t.Errorf("an answer is left in the exchange: %+v", x.Response)
			}
			var asked []string
			for _, f := range x.Overrides.All() {
				asked = append(asked, f.Value)
			}
			if s := strings.Join(asked, " "); s != tt.asked {
				t.Errorf("asked %q, want %q", s, tt.asked)
			}
			if v := x.Response.Fields.Value(wire.WWWAuthenticate); v != tt.authenticate {
				t.Errorf("WWW-Authenticate %q, want %q", v, tt.authenticate)
			}
			if v := x.Response.Fields.Value(wire.Location); v != tt.location {
				t.Errorf("Location %q, want %q", v, tt.location)
			}
		})
	}
}

func TestSatisfyAnyKeepsResponseFilters(t *testing.T) {
	r := prefix("/")
	r.SatisfyAny = true
	r.Filters = []filter.Spec{
		&spec{name: "list", phase: filter.Access, kind: "address"}, &spec{name: "one", phase: filter.Access, kind: "access that responds"},
		&spec{name: "two", phase: filter.Access, kind: "access that responds"}, &spec{name: "last", phase: filter.Header, kind: "response"},
	}
	got, _ := compileRoute(t, r)
	x := new(filter.Exchange)
	for _, f := range got.Response {
		f.Response(x)
	}
	var order []string
	for _, f := range x.Response.Fields.All() {
		order = append(order, f.Value)
	}
	if s := strings.Join(order, " "); s != "last two one" {
		t.Errorf("response order %q", s)
	}
}

func TestSatisfyAnyDoesNotAllocate(t *testing.T) {
	r := prefix("/")
	r.SatisfyAny = true
	r.Filters = []filter.Spec{
		&spec{name: "list", phase: filter.Access, kind: "address", status: 403},
		&spec{name: "basic", phase: filter.Access, kind: "credentials", status: 401},
	}
	table, _ := Compile(&ir.Config{Hosts: []ir.VirtualHost{host("a.test", r)}}, &Env{Registry: upstream.NewRegistry()})
	f := table.Match("a.test", "/").Route.Filters[0]
	x := new(filter.Exchange)
	f.Request(x)
	if n := testing.AllocsPerRun(100, func() {
		x.Reset()
		f.Request(x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

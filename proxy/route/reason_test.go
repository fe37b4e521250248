package route

import (
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

func TestWhyAgreesWithChoose(t *testing.T) {
	all := ir.Canary{Header: "X-Canary", Cookie: "c", Weight: 30, Total: 100}
	sticky := ir.Affinity{Name: "route"}
	for name, tt := range map[string]struct {
		split  splitCase
		field  string
		canary bool
		by     Reason
		rules  string
	}{
		"no rule says anything":    {splitCase{canary: ir.Canary{Total: 100}}, "A: b", false, ByNobody, "0 of 100"},
		"everything":               {splitCase{canary: ir.Canary{Weight: 100, Total: 100}}, "A: b", true, ByNobody, "100 of 100"},
		"more than everything":     {splitCase{canary: ir.Canary{Weight: 300, Total: 100}}, "A: b", true, ByNobody, "100 of 100"},
		"the header says yes":      {splitCase{canary: all}, "X-Canary: always", true, ByHeader, "X-Canary: always|never, cookie c: always|never, 30 of 100"},
		"the header says no":       {splitCase{canary: all}, "X-Canary: never", false, ByHeader, ""},
		"the header is undecided":  {splitCase{canary: all}, "X-Canary: maybe", false, ByWeight, ""},
		"the cookie says yes":      {splitCase{canary: all}, "Cookie: c=always", true, ByCookie, ""},
		"the cookie says no":       {splitCase{canary: all}, "Cookie: c=never", false, ByCookie, ""},
		"a value":                  {splitCase{canary: ir.Canary{Header: "A", HeaderValue: "b", Total: 100}}, "A: b", true, ByHeader, "A: b, 0 of 100"},
		"a pattern":                {splitCase{canary: ir.Canary{Header: "A", HeaderPattern: "^b", Total: 100}}, "A: bb", true, ByHeader, "A: ~^b, 0 of 100"},
		"affinity to the main one": {splitCase{canary: all, main: sticky}, issued("route", mainKey), false, ByAffinity, ""},
		"affinity to the canary":   {splitCase{canary: all, main: sticky}, issued("route", canaryKey), true, ByAffinity, ""},
		"the canary is down":       {splitCase{canary: all, canaryDown: true}, "X-Canary: always", false, ByOutage, ""},
		"the main one is down":     {splitCase{canary: all, mainDown: true}, "X-Canary: always", false, ByOutage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := tt.split.compile(t)
			canary, by := r.Split.Why(request(tt.field))
			if canary != tt.canary || by != tt.by {
				t.Errorf("%v by %d, want %v by %d", canary, by, tt.canary, tt.by)
			}
			if rules := r.Split.Rules(); tt.rules != "" && rules != tt.rules {
				t.Errorf("rules %q, want %q", rules, tt.rules)
			}
			if _, chosen := r.Split.Choose(request(tt.field)); by != ByWeight && chosen != canary {
				t.Errorf("chosen is %v", chosen)
			}
		})
	}
}

func TestSpecsStandBesideTheirFilters(t *testing.T) {
	list := &spec{name: "list", phase: filter.Access, kind: "address"}
	basic := &spec{name: "basic", phase: filter.Access, kind: "credentials"}
	limit, header := &spec{name: "limit", phase: filter.Limit}, &spec{name: "header", phase: filter.Header}
	for name, anyIsEnough := range map[string]bool{"all are asked": false, "any is enough": true} {
		t.Run(name, func(t *testing.T) {
			r := prefix("/")
			r.SatisfyAny, r.Filters = anyIsEnough, []filter.Spec{header, basic, list, limit}
			for _, explain := range []bool{false, true} {
				table, problems := Compile(&ir.Config{Hosts: []ir.VirtualHost{host("a.test", r)}}, &Env{Registry: upstream.NewRegistry(), Explain: explain})
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				got := table.Match("a.test", "/").Route
				if !explain {
					if got.Specs != nil {
						t.Error("specs are kept although nobody asks")
					}
					continue
				}
				if len(got.Specs) != len(got.Filters) {
					t.Fatalf("%d specs for %d filters", len(got.Specs), len(got.Filters))
				}
				if !anyIsEnough {
					continue
				}
				combined, ok := got.Specs[1].(AnyOf)
				if !ok || len(combined) != 2 || combined[0] != list || combined[1] != basic || len(Parts(got.Filters[1])) != 2 {
					t.Errorf("specs %v", got.Specs)
				}
				if got.Specs[0] != limit || got.Specs[2] != header {
					t.Errorf("specs %v", got.Specs)
				}
			}
		})
	}
}

package route

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

var (
	mainKey   = upstream.Key{Namespace: "ns", Service: "main", Port: "80"}
	canaryKey = upstream.Key{Namespace: "ns", Service: "canary", Port: "80"}
)

// splitCase is a split to be tested.
type splitCase struct {
	canary               ir.Canary
	main, alternative    ir.Affinity
	mainDown, canaryDown bool
}

// compile compiles the split and publishes an endpoint for each upstream that is up.
func (c splitCase) compile(t testing.TB) (*Route, []Problem) {
	t.Helper()
	registry := upstream.NewRegistry()
	for key, down := range map[upstream.Key]bool{mainKey: c.mainDown, canaryKey: c.canaryDown} {
		if !down {
			registry.Upstream(key).Publish([]upstream.Spec{{Address: upstream.Address{AddrPort: netip.MustParseAddrPort("192.0.2.1:80")}}})
		}
	}
	t.Cleanup(registry.Close)
	r := prefix("/")
	c.canary.Upstream = canaryKey
	r.Backend = ir.Backend{Upstream: mainKey, Canary: &c.canary}
	table, problems := Compile(&ir.Config{
		Hosts: []ir.VirtualHost{host("a.test", r)},
		Upstreams: []ir.Upstream{
			{Key: canaryKey, Balance: ir.Balance{Affinity: c.alternative}}, {Key: mainKey, Balance: ir.Balance{Affinity: c.main}},
		},
	}, &Env{Registry: registry})
	return table.Match("a.test", "/").Route, problems
}

// request makes an exchange with fields written "Name: value".
func request(fields ...string) *filter.Exchange {
	x := new(filter.Exchange)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Request.Fields.Add(name, value)
	}
	return x
}

// issued is the field with an affinity cookie that an upstream has issued.
func issued(name string, key upstream.Key) string {
	return "Cookie: x=1; " + name + "=" + upstream.Cookie{Key: 42, Owner: key.Hash()}.String()
}

func TestChoose(t *testing.T) {
	byHeader := ir.Canary{Header: "X-Canary"}
	byValue := ir.Canary{Header: "X-Canary", HeaderValue: "me", HeaderPattern: "never used("}
	byPattern := ir.Canary{Header: "X-Canary", HeaderPattern: `v(\d)\1`}
	byCookie := ir.Canary{Cookie: "Canary_Cookie"}
	all := ir.Canary{Header: "X-Canary", Cookie: "c", Weight: 100}
	sticky := ir.Affinity{Name: "INGRESSCOOKIE"}
	legacy := ir.Affinity{Legacy: true}
	ownLegacy := ir.Affinity{Name: "OWN", Legacy: true}
	tests := map[string]struct {
		split  splitCase
		fields []string
		want   bool
	}{
		"no rule":             {splitCase{}, nil, false},
		"weight 100":          {splitCase{canary: ir.Canary{Weight: 100}}, nil, true},
		"weight 1000 of 1000": {splitCase{canary: ir.Canary{Weight: 1000, Total: 1000}}, nil, true},
		"weight 50 of 50: totals below 100 are 100":    {splitCase{canary: ir.Canary{Weight: 0, Total: 50}}, nil, false},
		"weight above the total":                       {splitCase{canary: ir.Canary{Weight: 300, Total: 200}}, nil, true},
		"header always":                                {splitCase{canary: byHeader}, []string{"X-Canary: always"}, true},
		"header never":                                 {splitCase{canary: ir.Canary{Header: "X-Canary", Weight: 100}}, []string{"X-Canary: never"}, false},
		"header with another value goes on":            {splitCase{canary: ir.Canary{Header: "X-Canary", Weight: 100}}, []string{"X-Canary: Always?"}, true},
		"header names have no case":                    {splitCase{canary: byHeader}, []string{"x-cANARY: always"}, true},
		"underscore in the annotation":                 {splitCase{canary: ir.Canary{Header: "X_Canary"}}, []string{"X-Canary: always"}, true},
		"underscore on the wire":                       {splitCase{canary: byHeader}, []string{"X_Canary: always"}, true},
		"header values have a case":                    {splitCase{canary: byHeader}, []string{"X-Canary: ALWAYS"}, false},
		"the same header twice is one value":           {splitCase{canary: byHeader}, []string{"X-Canary: always", "X-Canary: always"}, false},
		"the right value":                              {splitCase{canary: byValue}, []string{"X-Canary: me"}, true},
		"the right value in another case":              {splitCase{canary: byValue}, []string{"X-Canary: Me"}, false},
		"always means nothing beside a value":          {splitCase{canary: byValue}, []string{"X-Canary: always"}, false},
		"never means nothing beside a value":           {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderValue: "me", Weight: 100}}, []string{"X-Canary: never"}, true},
		"two values joined":                            {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderValue: "a, b"}}, []string{"X-Canary: a", "X-Other: c", "x-canary: b"}, true},
		"a pattern found in the value":                 {splitCase{canary: byPattern}, []string{"X-Canary: is v22 good"}, true},
		"a pattern not found":                          {splitCase{canary: byPattern}, []string{"X-Canary: v21"}, false},
		"a pattern has a case":                         {splitCase{canary: byPattern}, []string{"X-Canary: V22"}, false},
		"a pattern not found goes on":                  {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderPattern: "v2", Cookie: "c"}}, []string{"X-Canary: x", "Cookie: c=always"}, true},
		"always means nothing beside a pattern":        {splitCase{canary: byPattern}, []string{"X-Canary: always"}, false},
		"a broken pattern ends it":                     {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderPattern: "(", Cookie: "c", Weight: 100}}, []string{"X-Canary: x", "Cookie: c=always"}, false},
		"a broken pattern without the header goes on":  {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderPattern: "(", Cookie: "c", Weight: 100}}, []string{"Cookie: c=never"}, false},
		"a broken pattern, no header, all the weight":  {splitCase{canary: ir.Canary{Header: "X-Canary", HeaderPattern: "(", Weight: 100}}, nil, true},
		"cookie always":                                {splitCase{canary: byCookie}, []string{"Cookie: a=b; Canary_Cookie=always"}, true},
		"cookie names have no case":                    {splitCase{canary: byCookie}, []string{"Cookie: canary_COOKIE=always"}, true},
		"cookie never":                                 {splitCase{canary: ir.Canary{Cookie: "c", Weight: 100}}, []string{"Cookie: c=never"}, false},
		"cookie with another value goes on":            {splitCase{canary: ir.Canary{Cookie: "c", Weight: 100}}, []string{"Cookie: c=perhaps"}, true},
		"header before cookie":                         {splitCase{canary: all}, []string{"X-Canary: never", "Cookie: c=always"}, false},
		"cookie before weight":                         {splitCase{canary: all}, []string{"X-Canary: perhaps", "Cookie: c=never"}, false},
		"the client belongs to the primary":            {splitCase{canary: all, main: sticky}, []string{issued("INGRESSCOOKIE", mainKey), "X-Canary: always"}, false},
		"the client belongs to the canary":             {splitCase{canary: byHeader, main: sticky}, []string{issued("INGRESSCOOKIE", canaryKey), "X-Canary: never"}, true},
		"a cookie of somebody else":                    {splitCase{canary: byHeader, main: sticky}, []string{issued("INGRESSCOOKIE", upstream.Key{Service: "other"}), "X-Canary: always"}, true},
		"the primary's cookie behind another's":        {splitCase{canary: all, main: sticky}, []string{issued("INGRESSCOOKIE", upstream.Key{Service: "other"}) + issued("; INGRESSCOOKIE", mainKey)[len("Cookie: x=1; "):], "X-Canary: always"}, false},
		"only the canary has affinity":                 {splitCase{canary: byHeader, alternative: ir.Affinity{Name: "OWN"}}, []string{issued("OWN", canaryKey), "X-Canary: never"}, true},
		"a cookie that is none of ours":                {splitCase{canary: byHeader, main: sticky}, []string{"Cookie: INGRESSCOOKIE=abc|def", "X-Canary: always"}, true},
		"no affinity, no cookie":                       {splitCase{canary: byHeader}, []string{issued("INGRESSCOOKIE", mainKey), "X-Canary: always"}, true},
		"legacy: the canary has no affinity":           {splitCase{canary: byHeader, main: sticky, alternative: legacy}, []string{issued("INGRESSCOOKIE", canaryKey), "X-Canary: never"}, false},
		"legacy: the primary still has":                {splitCase{canary: all, main: sticky, alternative: legacy}, []string{issued("INGRESSCOOKIE", mainKey)}, false},
		"legacy: the canary's own cookie":              {splitCase{canary: byHeader, main: sticky, alternative: ownLegacy}, []string{issued("OWN", canaryKey), "X-Canary: never"}, true},
		"sticky: the canary's own cookie counts not":   {splitCase{canary: byHeader, main: sticky, alternative: ir.Affinity{Name: "OWN"}}, []string{issued("OWN", canaryKey), "X-Canary: never"}, false},
		"a canary without endpoints":                   {splitCase{canary: all, canaryDown: true}, []string{"X-Canary: always"}, false},
		"the client belongs to a canary without any":   {splitCase{canary: byHeader, main: sticky, canaryDown: true}, []string{issued("INGRESSCOOKIE", canaryKey)}, false},
		"a primary without endpoints keeps everything": {splitCase{canary: all, mainDown: true}, []string{"X-Canary: always"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, problems := tt.split.compile(t)
			if broken := strings.HasPrefix(name, "a broken pattern"); broken != (len(problems) == 1) || len(problems) > 1 {
				t.Errorf("problems %+v", problems)
			}
			x := request(tt.fields...)
			for range 20 { // no decision here is left to chance
				u, isCanary := r.Split.Choose(x)
				if isCanary != tt.want {
					t.Fatalf("canary %v, want %v", isCanary, tt.want)
				}
				want := mainKey
				if tt.want {
					want = canaryKey
				}
				if u.Key() != want {
					t.Fatalf("upstream %v, want %v", u.Key(), want)
				}
			}
			if name := r.Split.CanaryName(); name != "ns-canary-80" {
				t.Errorf("CanaryName() = %q", name)
			}
		})
	}
}

func TestChooseWithoutCanary(t *testing.T) {
	var none Split
	if u, isCanary := none.Choose(request()); u != nil || isCanary || none.CanaryName() != "" || none.Canary() != nil {
		t.Error("the zero split leads somewhere")
	}
	for name, c := range map[string]*ir.Canary{
		"none": nil, "one without upstream": {Weight: 100}, "one that is the primary": {Upstream: mainKey, Weight: 100},
	} {
		t.Run(name, func(t *testing.T) {
			r := prefix("/")
			r.Backend = ir.Backend{Upstream: mainKey, Canary: c}
			table := compileHosts(t, host("a.test", r))
			s := table.Match("a.test", "/").Route.Split
			if u, isCanary := s.Choose(request()); u.Key() != mainKey || isCanary || s.Canary() != nil {
				t.Errorf("got %v, %v", u.Key(), isCanary)
			}
		})
	}
}

// TestWeights draws often enough for the bound of five standard deviations to be within one per cent; a
// right implementation fails once in a million runs.
func TestWeights(t *testing.T) {
	const draws = 100_000
	for _, tt := range []struct{ weight, total int }{{50, 100}, {5, 100}, {1, 100}, {100, 200}, {1, 1000}, {99, 100}} {
		r, _ := splitCase{canary: ir.Canary{Weight: tt.weight, Total: tt.total}}.compile(t)
		x := request()
		n := 0
		for range draws {
			if _, isCanary := r.Split.Choose(x); isCanary {
				n++
			}
		}
		p := float64(tt.weight) / float64(tt.total)
		bound := 5 * math.Sqrt(draws*p*(1-p))
		if diff := math.Abs(float64(n) - draws*p); diff > bound {
			t.Errorf("%d of %d: %d of %d draws, more than %.0f away from %.0f", tt.weight, tt.total, n, draws, bound, draws*p)
		}
		if bound > draws/100 {
			t.Errorf("the bound %.0f is no bound", bound)
		}
	}
}

func TestChooseDoesNotAllocate(t *testing.T) {
	r, _ := splitCase{
		canary: ir.Canary{Header: "X-Canary", HeaderPattern: "v[0-9]$", Cookie: "c", Weight: 50}, main: ir.Affinity{Name: "INGRESSCOOKIE"},
	}.compile(t)
	x := request("X-Canary: v1 or not", "X-Canary: twice", "Cookie: a=b; INGRESSCOOKIE=x|y; c=perhaps")
	r.Split.Choose(x)
	if n := testing.AllocsPerRun(1000, func() {
		x.Arena.Reset()
		r.Split.Choose(x)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

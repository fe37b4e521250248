package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// read applies the family to an Ingress. Annotations without a prefix get nginx's.
func read(t *testing.T, annotations, globals map[string]string) (*feature.Intent, []feature.Problem, bool) {
	t.Helper()
	src := &feature.Source{
		Namespace: "ns", Annotations: map[string]string{}, Globals: globals,
		Prefixes: []string{feature.YettPrefix, feature.NginxPrefix},
	}
	for k, v := range annotations {
		if !strings.Contains(k, "/") {
			k = feature.NginxPrefix + k
		}
		src.Annotations[k] = v
	}
	in := feature.Open(src).Reader(Family.KeySet())
	out := feature.NewIntent()
	Family.Apply(in, out)
	problems, deny := in.Problems()
	return out, problems, deny
}

func TestApply(t *testing.T) {
	type set = map[string]string
	for name, c := range map[string]struct {
		annotations, globals set
		want                 string // the filters
		any, deny            bool
		problem              string
	}{
		"nothing set": {},
		"networks and addresses of both families": {
			annotations: set{"allowlist-source-range": "10.0.0.0/8, 2001:db8::/32,192.0.2.7"},
			want:        "access(allow 10.0.0.0/8,2001:db8::/32,192.0.2.7/32)",
		},
		"the host part of a network is cut": {
			annotations: set{"allowlist-source-range": "10.1.2.3/8"}, want: "access(allow 10.0.0.0/8)",
		},
		"mapped addresses are IPv4": {
			annotations: set{"allowlist-source-range": "::ffff:10.1.0.0/112"}, want: "access(allow 10.1.0.0/16)",
		},
		"the old name":              {annotations: set{"whitelist-source-range": "10.0.0.0/8"}, want: "access(allow 10.0.0.0/8)"},
		"the new name wins":         {annotations: set{"whitelist-source-range": "10.0.0.0/8", "allowlist-source-range": "11.0.0.0/8"}, want: "access(allow 11.0.0.0/8)"},
		"our prefix wins":           {annotations: set{feature.YettPrefix + "allowlist-source-range": "12.0.0.0/8", "allowlist-source-range": "11.0.0.0/8"}, want: "access(allow 12.0.0.0/8)"},
		"the ConfigMap's lists":     {globals: set{"whitelist-source-range": "10.0.0.0/8", "denylist-source-range": "10.9.0.0/16"}, want: "access(deny 10.9.0.0/16 allow 10.0.0.0/8)"},
		"the annotation replaces":   {annotations: set{"allowlist-source-range": "11.0.0.0/8"}, globals: set{"whitelist-source-range": "10.0.0.0/8"}, want: "access(allow 11.0.0.0/8)"},
		"a deny list alone":         {annotations: set{"denylist-source-range": "10.0.0.0/8"}, want: "access(deny 10.0.0.0/8)"},
		"networks without commas":   {annotations: set{"allowlist-source-range": "10.0.0.0/8 192.168.0.0/16"}, deny: true, problem: "separate them by commas"},
		"an impossible network":     {annotations: set{"allowlist-source-range": "10.0.0.0/33"}, deny: true, problem: "neither an address nor a network"},
		"octal is not an address":   {annotations: set{"allowlist-source-range": "010.0.0.1"}, deny: true, problem: "010.0.0.1"},
		"words":                     {annotations: set{"denylist-source-range": "x"}, deny: true, problem: "neither"},
		"one bad part of many":      {annotations: set{"denylist-source-range": "10.0.0.0/8,x,11.0.0.0/8"}, deny: true, problem: "neither"},
		"an empty list":             {annotations: set{"allowlist-source-range": ""}, deny: true, problem: "empty"},
		"an empty list, old name":   {annotations: set{"whitelist-source-range": " "}, deny: true, problem: "empty"},
		"a list of commas":          {annotations: set{"denylist-source-range": ", ,"}, deny: true, problem: "empty"},
		"a bad list of the cluster": {globals: set{"whitelist-source-range": "10.0.0.0/99"}, deny: true, problem: "neither"},
		"satisfy any":               {annotations: set{"satisfy": "any"}, any: true},
		"satisfy all":               {annotations: set{"satisfy": "all"}},
		"satisfy in capitals":       {annotations: set{"satisfy": "ANY"}, any: true},
		"satisfy something else":    {annotations: set{"satisfy": "some"}, problem: "one of any, all"},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, deny := read(t, c.annotations, c.globals)
			var got string
			for _, s := range out.Filters {
				got += s.String()
			}
			if !deny && got != c.want {
				t.Errorf("filters %q, want %q", got, c.want)
			}
			if deny != c.deny || out.SatisfyAny != c.any {
				t.Errorf("deny %v, any %v; want %v, %v", deny, out.SatisfyAny, c.deny, c.any)
			}
			if c.problem == "" && len(problems) > 0 || c.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Reason, c.problem)) {
				t.Errorf("problems %+v, want one with %q", problems, c.problem)
			}
		})
	}
}

// build makes the filter of a Spec.
func build(t testing.TB, s Spec) filter.Filter {
	t.Helper()
	f, err := s.New(&filter.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		p, err := feature.ParsePrefix(text)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}

func TestFilter(t *testing.T) {
	allow, deny := prefixes("10.0.0.0/8", "fe80::/10"), prefixes("10.9.0.0/16")
	for _, c := range []struct {
		spec    Spec
		client  string
		refused bool
	}{
		{Spec{Allow: allow}, "10.1.1.1", false},
		{Spec{Allow: allow}, "::ffff:10.1.1.1", false},
		{Spec{Allow: allow}, "fe80::1%eth0", false},
		{Spec{Allow: allow}, "11.1.1.1", true},
		{Spec{Allow: allow}, "::ffff:11.1.1.1", true},
		{Spec{Allow: allow}, "", true},
		{Spec{Deny: deny}, "10.9.1.1", true},
		{Spec{Deny: deny}, "::ffff:10.9.1.1", true},
		{Spec{Deny: deny}, "10.8.1.1", false},
		{Spec{Deny: deny}, "", true},
		{Spec{Allow: allow, Deny: deny}, "10.9.1.1", true},
		{Spec{Allow: allow, Deny: deny}, "10.8.1.1", false},
		{Spec{Allow: allow, Deny: deny}, "12.8.1.1", true},
		{Spec{Allow: deny, Deny: allow}, "10.9.1.1", true},
	} {
		x := new(filter.Exchange)
		if c.client != "" {
			x.Client = netip.MustParseAddr(c.client)
		}
		action := build(t, c.spec).Request(x)
		if got := action == filter.Done; got != c.refused {
			t.Errorf("%s: client %q refused: %v, want %v", c.spec, c.client, got, c.refused)
		}
		if c.refused && (x.Response.Status != 403 || !strings.Contains(x.Body, "403 Forbidden")) {
			t.Errorf("%s: answered %d %q", c.spec, x.Response.Status, x.Body)
		}
	}
}

// TestOnlyAnAllowListSatisfies guards the one way in which `satisfy: any` could open an Ingress: a deny list that
// counts as an access rule would let in everybody it does not name.
func TestOnlyAnAllowListSatisfies(t *testing.T) {
	if _, ok := build(t, Spec{Deny: prefixes("10.0.0.0/8")}).(filter.AccessFilter); ok {
		t.Error("a deny list alone is an access filter")
	}
	f, ok := build(t, Spec{Allow: prefixes("10.0.0.0/8")}).(filter.AccessFilter)
	if !ok || f.AccessKind() != filter.ByAddress {
		t.Error("an allow list is no access filter by address")
	}
}

func TestConfigure(t *testing.T) {
	in := feature.OpenConfigMap(&feature.Source{Globals: map[string]string{
		"block-cidrs":       "10.0.0.0/8, nonsense, 192.0.2.1",
		"block-user-agents": "curl/7.1,~*bot(,~, ~*spider , ~Evil",
		"block-referers":    "~*spam\\.test, http://bad.test/",
	}}).Reader(Family.KeySet())
	var s ir.Settings
	Family.Configure(in, &s)
	if !slices.Equal(s.Block.Prefixes, prefixes("10.0.0.0/8", "192.0.2.1/32")) {
		t.Errorf("prefixes %v", s.Block.Prefixes)
	}
	want := ir.BlockSettings{
		Prefixes:   s.Block.Prefixes,
		UserAgents: []string{"curl/7.1", "~*spider", "~Evil"},
		Referers:   []string{`~*spam\.test`, "http://bad.test/"},
	}
	if diff := cmp.Diff(want, s.Block, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	problems, _ := in.Problems()
	if len(problems) != 3 {
		t.Errorf("problems %+v, want three", problems)
	}
}

func TestFiltersDoNotAllocate(t *testing.T) {
	x := &filter.Exchange{Client: netip.MustParseAddr("10.1.2.3")}
	for _, s := range []Spec{{Allow: prefixes("10.0.0.0/8")}, {Deny: prefixes("11.0.0.0/8")}, {Deny: prefixes("10.0.0.0/8")}} {
		f := build(t, s)
		f.Request(x)
		if n := testing.AllocsPerRun(100, func() { f.Request(x) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	x := &filter.Exchange{Client: netip.MustParseAddr("192.0.2.7")}
	for _, n := range []int{1, 100} {
		list := prefixes("192.0.2.0/24")
		for i := 1; i < n; i++ {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
		}
		f := build(b, Spec{Allow: list})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Request(x)
			}
		})
	}
}

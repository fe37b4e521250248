package e2e

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yettproxy/yett/e2e/harness"
)

// pair adds a host with an Ingress that leads to Service a and a canary that leads to Service b. Both Services
// are there for this host alone, since canaries belong to Services.
func (s *stage) pair(name string, notes, canaryNotes []string) {
	main, canary := "a-"+name, "b-"+name
	s.also("a", main)
	s.also("b", canary)
	s.add(ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + main}, age: 2, notes: notes}.String(),
		ing{name: name + "-canary", host: name + ".test", paths: []string{"/ Prefix " + canary}, notes: append([]string{"canary: true"}, canaryNotes...)}.String())
}

// canaryRules are canaries with the requests that they decide.
var canaryRules = []struct {
	name string // and the host
	// notes are annotations of the canary.
	notes []string
	// cases are "field or nothing => who answers"; several fields are separated by " | ".
	cases []string
}{
	{"header", []string{"canary-by-header: X-Canary"}, []string{
		"=> a", "X-Canary: always => b", "X-Canary: never => a", "X-Canary: other => a", "X-Canary: => a",
		"x-canary: always => b", "X-Canary: Always => a", "X-CANARY: always => b", "X-Canary: always | X-Canary: never => a",
	}},
	{"underscore", []string{"canary-by-header: X_Canary"}, []string{"X-Canary: always => b", "X_Canary: always => a"}},
	{"header-over-weight", []string{"canary-by-header: X-Canary", "canary-weight: 100"}, []string{
		"=> b", "X-Canary: never => a", "X-Canary: other => b", "X-Canary: always => b",
	}},
	{"value", []string{"canary-by-header: X-Canary", "canary-by-header-value: v2"}, []string{
		"=> a", "X-Canary: v2 => b", "X-Canary: V2 => a", "X-Canary: always => a", "X-Canary: never => a", "X-Canary: v22 => a",
	}},
	{"value-over-weight", []string{"canary-by-header: X-Canary", "canary-by-header-value: v2", "canary-weight: 100"}, []string{
		"X-Canary: never => b", "X-Canary: v2 => b",
	}},
	{"value-and-cookie", []string{"canary-by-header: X-Canary", "canary-by-header-value: v2", "canary-by-cookie: pick"}, []string{
		"X-Canary: v2 | Cookie: pick=never => b", "X-Canary: v1 | Cookie: pick=always => b", "X-Canary: never | Cookie: pick=never => a", "Cookie: pick=always => b",
	}},
	{"pattern", []string{"canary-by-header: X-Canary", "canary-by-header-pattern: user-[0-9]+$"}, []string{
		"=> a", "X-Canary: user-12 => b", "X-Canary: super-user-12 => b", "X-Canary: user-x => a", "X-Canary: USER-1 => a", "X-Canary: always => a",
	}},
	{"pattern-looks-ahead", []string{"canary-by-header: X-Canary", "canary-by-header-pattern: ^(?=a)ab$"}, []string{"X-Canary: ab => b", "X-Canary: b => a"}},
	{"pattern-and-value", []string{"canary-by-header: X-Canary", "canary-by-header-value: v2", "canary-by-header-pattern: user"}, []string{
		"X-Canary: user => a", "X-Canary: v2 => b",
	}},
	{"pattern-broken", []string{"canary-by-header: X-Canary", "canary-by-header-pattern: [", "canary-by-cookie: pick", "canary-weight: 100"}, []string{
		"=> b", "X-Canary: x => a", "X-Canary: x | Cookie: pick=always => a", "Cookie: pick=never => a",
	}},
	{"cookie", []string{"canary-by-cookie: pick"}, []string{
		"=> a", "Cookie: pick=always => b", "Cookie: pick=never => a", "Cookie: pick=other => a", "Cookie: PICK=always => b",
		"Cookie: x=y; pick=always; z=1 => b", "Cookie: unpick=always => a", "Cookie: pick=alwaysx => a",
	}},
	{"cookie-over-weight", []string{"canary-by-cookie: pick", "canary-weight: 100"}, []string{"=> b", "Cookie: pick=never => a", "Cookie: pick=other => b"}},
	{"header-over-cookie", []string{"canary-by-header: X-Canary", "canary-by-cookie: pick"}, []string{
		"X-Canary: never | Cookie: pick=always => a", "X-Canary: always | Cookie: pick=never => b", "X-Canary: other | Cookie: pick=always => b",
	}},
	{"weight-0", []string{"canary-weight: 0"}, []string{"=> a"}},
	{"weight-100", []string{"canary-weight: 100"}, []string{"=> b"}},
	{"weight-beyond", []string{"canary-weight: 150"}, []string{"=> b"}},
	{"weight-1000-of-1000", []string{"canary-weight: 1000", "canary-weight-total: 1000"}, []string{"=> b"}},
	{"weight-bad", []string{"canary-weight: many"}, []string{"=> a"}},
	{"weight-negative", []string{"canary-weight: -5"}, []string{"=> a"}},
	{"weight-huge", []string{"canary-weight: 99999999999999999999"}, []string{"=> a"}},
	{"weight-small-total", []string{"canary-weight: 50", "canary-weight-total: 50", "canary-by-header: X-Canary"}, []string{"X-Canary: never => a"}},
	{"nothing", nil, []string{"=> a", "X-Canary: always => a"}},
	{"value-without-header", []string{"canary-by-header-value: v2"}, []string{"X-Canary: v2 => a", "=> a"}},
}

func TestCompatCanaryRules(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	for _, c := range canaryRules {
		s.pair(c.name, nil, c.notes)
	}
	s.start()
	for _, c := range canaryRules {
		for _, text := range c.cases {
			in, want, _ := strings.Cut(text, "=> ")
			var fields []string
			if in = strings.TrimSpace(in); in != "" {
				fields = strings.Split(in, " | ")
			}
			for range 4 {
				s.want(c.name+".test", "/", want+" /", fields...)
			}
		}
	}
	for _, name := range []string{"pattern-broken-canary", "weight-bad-canary", "weight-small-total-canary", "value-without-header-canary"} {
		s.logged("default/" + name)
	}
}

// share sends n requests and returns how many of them Service b answered.
func share(t *testing.T, addr, host string, n int) int {
	t.Helper()
	const lanes = 8
	var b atomic.Int64
	var all sync.WaitGroup
	for range lanes {
		all.Go(func() {
			c := harness.Browser(t)
			for range n / lanes {
				_, body, err := harness.Ask(c, addr, host, "/")
				if err != nil {
					t.Error(err)
					return
				}
				if body == "b" {
					b.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(b.Load())
}

// TestCompatCanaryWeights counts 10,000 requests a weight. The bound is what chance exceeds once in a
// hundred million runs (5.7 standard deviations); for the usual 5 of 100 it is 1.2 % of the requests, and a true
// share that is wrong by 1 % of them is still found most of the time.
func TestCompatCanaryWeights(t *testing.T) {
	s := newStage(t)
	for _, name := range []string{"a", "b"} {
		s.ports[name] = harness.StartBackend(t, "127.0.0.1", name).Port
	}
	weights := []struct{ weight, total int }{{1, 100}, {5, 100}, {1, 1000}, {50, 60}}
	for i, w := range weights {
		s.pair(fmt.Sprintf("w%d", i), nil, []string{fmt.Sprintf("canary-weight: %d", w.weight), fmt.Sprintf("canary-weight-total: %d", w.total)})
	}
	s.start()
	for i, w := range weights {
		const n = 10_000
		want := float64(w.weight) / float64(max(w.total, 100))
		got := float64(share(t, s.gate.HTTP, fmt.Sprintf("w%d.test", i), n)) / n
		bound := 5.7 * math.Sqrt(want*(1-want)/n)
		t.Logf("weight %d of %d: %.2f %%, bound ±%.2f", w.weight, w.total, 100*got, 100*bound)
		if math.Abs(got-want) > bound {
			t.Errorf("weight %d of %d: %.4f of the requests, want %.4f ± %.4f", w.weight, w.total, got, want, bound)
		}
	}
}

// TestCompatCanaryWorld is what canaries do to other hosts, paths and Services (nginx-compat sections 2.1, 2.2
// and 2.7).
func TestCompatCanaryWorld(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "c")
	s.also("a", "shared", "argo", "paths1", "paths2", "late", "spill", "two", "root", "plain", "kinds")
	s.also("b", "shared-b", "argo-b", "paths-b", "late-b", "spill-b", "two-b", "root-b", "plain-b", "kinds-b", "lonely-b")
	s.also("c", "two-c")
	s.add(endpoints("empty", 1), endpoints("full", 1))
	all := []string{"canary: true", "canary-weight: 100"}
	for _, i := range []ing{
		// A canary without a main Ingress: its host stays unknown.
		{name: "lonely", host: "lonely.test", paths: []string{"/ Prefix lonely-b"}, notes: all},
		// The canary is older than the main Ingress.
		{name: "late", host: "late.test", paths: []string{"/ Prefix late"}, age: 1},
		{name: "late-canary", host: "late.test", paths: []string{"/ Prefix late-b"}, age: 9, notes: all},
		// Another path text, another pathType: no canary.
		{name: "kinds", host: "kinds.test", paths: []string{"/x Exact kinds", "/y Prefix kinds"}, age: 9},
		{name: "kinds-canary", host: "kinds.test", paths: []string{"/x Prefix kinds-b", "/y/ Prefix kinds-b", "/z Exact kinds-b"}, notes: all},
		// Every path of the same Service is canaried, on other hosts too.
		{name: "spill", host: "spill.test", paths: []string{"/ Prefix spill", "/other Prefix spill"}, age: 9},
		{name: "spill2", host: "spill2.test", paths: []string{"/ Prefix spill"}, age: 8},
		{name: "spill-canary", host: "spill.test", paths: []string{"/ Prefix spill-b"}, notes: all},
		// Two canaries for one rule: the older one counts.
		{name: "two", host: "two.test", paths: []string{"/ Prefix two"}, age: 9},
		{name: "two-canary", host: "two.test", paths: []string{"/ Prefix two-b"}, age: 5, notes: []string{"canary: true", "canary-by-header: X-Canary"}},
		{name: "two-more", host: "two.test", paths: []string{"/ Prefix two-c"}, age: 4, notes: all},
		// A canary with the same path twice, and with several paths of different Services.
		{name: "paths", host: "paths.test", paths: []string{"/1 Prefix paths1", "/2 Prefix paths2"}, age: 9},
		{name: "paths-canary", host: "paths.test", paths: []string{"/1 Prefix paths-b", "/1 Prefix paths-b", "/2 Prefix paths-b"}, notes: all},
		// Argo Rollouts repeats the paths of the main Ingress that are not canaried.
		{name: "argo", host: "argo.test", paths: []string{"/ Prefix argo", "/static Prefix shared"}, age: 9},
		{name: "argo-canary", host: "argo.test", paths: []string{"/ Prefix argo-b", "/static Prefix shared"}, notes: all},
		// No endpoints on one side.
		{name: "noprimary", host: "noprimary.test", paths: []string{"/ Prefix empty"}, age: 9},
		{name: "noprimary-canary", host: "noprimary.test", paths: []string{"/ Prefix shared-b"}, notes: append(all, "canary-by-header: X-Canary")},
		{name: "nocanary", host: "nocanary.test", paths: []string{"/ Prefix plain"}, age: 9},
		{name: "nocanary-canary", host: "nocanary.test", paths: []string{"/ Prefix full"}, notes: append(all, "canary-by-header: X-Canary")},
		// Keys of a canary without canary: "true" make an ordinary Ingress, the younger duplicate.
		{name: "plain", host: "plain.test", paths: []string{"/ Prefix plain"}, age: 9},
		{name: "plain-canary", host: "plain.test", paths: []string{"/ Prefix plain-b", "/own Prefix plain-b"}, notes: []string{"canary-weight: 100"}},
		// What a canary says about the path does not count, what the main Ingress says does.
		{name: "root", host: "root.test", paths: []string{"/ Prefix root"}, age: 9, notes: []string{"upstream-vhost: main.vhost"}},
		{name: "root-canary", host: "root.test", paths: []string{"/ Prefix root-b"}, notes: append(all, "upstream-vhost: canary.vhost", "denylist-source-range: 0.0.0.0/0", "rewrite-target: /x")},
		// A canary without host is none of the catch-all if nobody owns that.
		{name: "hostless-canary", paths: []string{"/ Prefix lonely-b"}, notes: all},
	} {
		s.add(i.String())
	}
	s.start()
	header := "X-Canary: always"
	for _, c := range []struct{ host, target, want, field string }{
		{"lonely.test", "/", "404", ""}, {"late.test", "/", "b /", ""},
		{"kinds.test", "/x", "a /x", ""}, {"kinds.test", "/y", "a /y", ""}, {"kinds.test", "/y/", "a /y/", ""}, {"kinds.test", "/z", "404", ""}, {"kinds.test", "/x/x", "404", ""},
		{"spill.test", "/", "b /", ""}, {"spill.test", "/other", "b /other", ""}, {"spill2.test", "/", "b /", ""},
		{"two.test", "/", "a /", ""}, {"two.test", "/", "b /", header},
		{"paths.test", "/1", "b /1", ""}, {"paths.test", "/2", "b /2", ""},
		{"argo.test", "/", "b /", ""}, {"argo.test", "/static", "a /static", ""},
		{"noprimary.test", "/", "503", ""}, {"noprimary.test", "/", "503", header},
		{"nocanary.test", "/", "a /", ""}, {"nocanary.test", "/", "a /", header},
		{"plain.test", "/", "a /", ""}, {"plain.test", "/own", "b /own", ""},
		{"root.test", "/p", "b /p", ""}, {"unknown.test", "/", "404", ""},
	} {
		var fields []string
		if c.field != "" {
			fields = []string{c.field}
		}
		r := s.want(c.host, c.target, c.want, fields...)
		if c.host == "root.test" && r.Seen != nil && r.Seen.Host != "main.vhost" {
			t.Errorf("the canary saw Host %q, want that of the main Ingress", r.Seen.Host)
		}
	}
	for _, name := range []string{"lonely", "kinds-canary", "two-more", "plain-canary"} {
		s.logged("default/" + name)
	}
}

// TestCompatCanaryChangesAtRunTime follows what Flagger and Argo Rollouts do to a canary.
func TestCompatCanaryChangesAtRunTime(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "c")
	s.add(ing{name: "main", host: "x.test", paths: []string{"/ Prefix a"}, age: 9}.String())
	canary := func(service string, notes ...string) {
		s.edit("canary", ing{name: "x-canary", host: "x.test", paths: []string{"/ Prefix " + service}, notes: notes}.String())
	}
	s.start()
	s.want("x.test", "/", "a /")
	canary("b", "canary: true", "canary-weight: 0")
	s.settle("x.test", "/", "a /")
	canary("b", "canary: true", "canary-weight: 100")
	s.settle("x.test", "/", "b /")
	canary("c", "canary: true", "canary-weight: 100")
	s.settle("x.test", "/", "c /")
	canary("c", "canary: false", "canary-weight: 100")
	s.settle("x.test", "/", "a /")
	canary("c", "canary: true", "canary-by-header: X-Canary", "canary-weight: 0")
	s.settle("x.test", "/", "c /", "X-Canary: always")
	s.want("x.test", "/", "a /")
	s.edit("canary", "")
	s.settle("x.test", "/", "a /", "X-Canary: always")
}

// TestCompatCanaryAffinity keeps clients where they are (nginx-compat section 2.5).
func TestCompatCanaryAffinity(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	cookie := []string{"affinity: cookie", "session-cookie-name: stick"}
	s.pair("sticky", cookie, []string{"canary-weight: 50", "canary-by-header: X-Canary"})
	s.pair("legacy", cookie, []string{"canary-weight: 100", "canary-by-header: X-Canary", "affinity-canary-behavior: legacy"})
	s.pair("own", cookie, []string{"canary-by-header: X-Canary", "affinity-canary-behavior: legacy", "affinity: cookie", "session-cookie-name: own"})
	s.start()
	cookieOf := func(host, name string, fields ...string) (string, string) {
		r := s.get(host, "/", fields...)
		value, _, _ := strings.Cut(r.cookie(name), ";")
		return "Cookie: " + value, r.String()
	}
	fromA, gotA := cookieOf("sticky.test", "stick", "X-Canary: never")
	fromB, gotB := cookieOf("sticky.test", "stick", "X-Canary: always")
	if gotA != "a /" || gotB != "b /" || fromA == "Cookie: " || fromB == "Cookie: " || fromA == fromB {
		t.Fatalf("sticky: %s with %q, %s with %q", gotA, fromA, gotB, fromB)
	}
	for range 10 {
		s.want("sticky.test", "/", "a /", fromA)
		s.want("sticky.test", "/", "b /", fromB)
		s.want("sticky.test", "/", "a /", fromA, "X-Canary: always")
		s.want("sticky.test", "/", "b /", fromB, "X-Canary: never")
	}
	if _, got := cookieOf("legacy.test", "stick", "X-Canary: always"); got != "b /" {
		t.Errorf("legacy: %s, want the canary", got)
	}
	if r := s.get("legacy.test", "/", "X-Canary: always"); r.cookie("stick") != "" {
		t.Errorf("legacy: the canary without affinity sets %q", r.cookie("stick"))
	}
	primary, _ := cookieOf("legacy.test", "stick", "X-Canary: never")
	s.want("legacy.test", "/", "a /", primary)
	s.want("legacy.test", "/", "a /", primary, "X-Canary: always")
	own, got := cookieOf("own.test", "own", "X-Canary: always")
	if got != "b /" || own == "Cookie: " {
		t.Errorf("own: %s with %q, want the canary's own cookie", got, own)
	}
	s.want("own.test", "/", "b /", own, "X-Canary: never")
}

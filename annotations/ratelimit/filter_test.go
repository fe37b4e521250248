package ratelimit

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// rig is filters of one Ingress with a clock that the test moves.
type rig struct {
	t     testing.TB
	env   *filter.Env
	start time.Time
}

func newRig(t testing.TB) *rig {
	return &rig{
		t: t, start: time.Now(),
		env: &filter.Env{State: filter.NewState(), Route: &filter.Origin{Namespace: "ns", Ingress: "ing"}},
	}
}

func (r *rig) build(s filter.Spec) filter.Filter {
	r.t.Helper()
	f, err := s.New(r.env)
	if err != nil {
		r.t.Fatal(err)
	}
	if f, ok := f.(*rate); ok {
		f.table.epoch = r.start // so that milliseconds begin where the test's do
	}
	return f
}

// request is a request of a client some milliseconds after the start.
func (r *rig) request(client string, at int) *filter.Exchange {
	x := &filter.Exchange{Start: r.start.Add(time.Duration(at) * time.Millisecond)}
	if client != "" {
		x.Client = netip.MustParseAddr(client)
	}
	return x
}

// verdicts runs requests of one client at given times: "+" for each that passes, "-" for each that is refused.
func (r *rig) verdicts(f filter.Filter, client string, times ...int) string {
	var b strings.Builder
	for _, at := range times {
		x := r.request(client, at)
		if f.Request(x) == filter.Continue {
			b.WriteByte('+')
			continue
		}
		b.WriteByte('-')
		if x.Response.Status != 429 {
			r.t.Errorf("answered %d, want 429", x.Response.Status)
		}
	}
	return b.String()
}

// times returns n times the same time, and then those of next.
func times(n, at int, next ...int) []int {
	list := make([]int, n, n+len(next))
	for i := range list {
		list[i] = at
	}
	return append(list, next...)
}

// The tables below follow from nginx's source; TestRatesAreThoseOfNginx asks nginx itself.
func TestRates(t *testing.T) {
	for name, c := range map[string]struct {
		spec  Requests
		times []int
		want  string
	}{
		"burst and one more pass at once": {
			spec: Requests{PerSecond: 1, Multiplier: 5}, times: times(9, 0), want: "++++++---",
		},
		"no burst at all": {
			spec: Requests{PerSecond: 1}, times: []int{0, 0, 999, 1000, 1000, 1500, 2000}, want: "+--+--+",
		},
		"refused requests cost nothing": {
			spec: Requests{PerSecond: 1}, times: []int{0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000}, want: "+---------+",
		},
		"one token comes back after its time, not before": {
			spec: Requests{PerSecond: 2, Multiplier: 1}, times: append(times(4, 0), 499, 500, 501, 999, 1000), want: "+++--+--+",
		},
		"a client that rested has its whole burst and the first one free": {
			spec: Requests{PerSecond: 1, Multiplier: 2}, times: append(times(4, 0), times(4, 600_000)...), want: "+++-+++-",
		},
		"100 a minute are 1.666 a second": {
			// 1666 thousandths a second: a token is back after 601 ms (600 give 999.6).
			spec: Requests{PerMinute: 100}, times: []int{0, 600, 601}, want: "+-+",
		},
		"10 a minute, burst of 50": {
			spec: Requests{PerMinute: 10, Multiplier: 5}, times: times(53, 0, 5999, 6000, 6025, 12049), want: strings.Repeat("+", 51) + "--" + "--+-",
		},
		"the stricter of two limits decides": {
			spec: Requests{PerSecond: 10, PerMinute: 2, Multiplier: 1}, times: times(5, 0), want: "+++--",
		},
		"what the second limit refuses is not charged to the first": {
			// 1/s with burst 1 and 60/min with burst 60: were it charged, the minute's debt would grow by refused requests.
			spec: Requests{PerSecond: 1, PerMinute: 60, Multiplier: 1}, times: append(times(100, 0), 1000, 2000, 3000, 4000), want: "++" + strings.Repeat("-", 98) + "++++",
		},
		"clocks of different cores may differ": {
			spec: Requests{PerSecond: 1, Multiplier: 1}, times: []int{100, 90, 80, 100, 1090}, want: "++---",
		},
		"a clock that was set back counts a millisecond": {
			spec: Requests{PerSecond: 1, Multiplier: 1}, times: []int{100_000, 100_000, 1, 1}, want: "++--",
		},
		"a year of rest does not overflow": {
			spec: Requests{PerSecond: maxLimit, PerMinute: maxLimit, Multiplier: maxMultiplier}, times: []int{0, 0, 365 * 24 * 3600 * 1000}, want: "+++",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Status = 429
			r := newRig(t)
			if got := r.verdicts(r.build(c.spec), "192.0.2.1", c.times...); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestClientsAreToldApartByTheirWholeAddress(t *testing.T) {
	r := newRig(t)
	f := r.build(Requests{PerSecond: 1, Status: 429})
	for _, c := range []struct{ client, want string }{
		{"192.0.2.1", "+-"}, {"192.0.2.2", "+-"}, {"2001:db8::1", "+-"}, {"2001:db8::2", "+-"},
		{"::ffff:192.0.2.1", "--"}, {"2001:db8::1", "--"}, {"fe80::1%eth0", "+-"}, {"fe80::1%eth1", "--"}, {"", "+-"},
	} {
		if got := r.verdicts(f, c.client, 0, 0); got != c.want {
			t.Errorf("%q: %s, want %s", c.client, got, c.want)
		}
	}
}

func TestExemptClientsAreNotLimited(t *testing.T) {
	r := newRig(t)
	exempt := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f := r.build(Requests{PerSecond: 1, Status: 429, Exempt: exempt})
	g := r.build(Connections{Limit: 1, Status: 429, Exempt: exempt}).(filter.Finisher)
	if got := r.verdicts(f, "10.1.1.1", times(20, 0)...) + r.verdicts(g, "::ffff:10.1.1.1", times(20, 0)...); strings.Contains(got, "-") {
		t.Errorf("exempt client: %s", got)
	}
	g.Finish(r.request("10.1.1.1", 0)) // counts nothing down either
	if got := r.verdicts(f, "11.1.1.1", 0, 0) + r.verdicts(g, "11.1.1.1", 0, 0); got != "+-+-" {
		t.Errorf("other client: %s", got)
	}
}

func TestCountersBelongToTheIngress(t *testing.T) {
	r := newRig(t)
	r.env.Route.Path = "/a"
	a := r.build(Requests{PerSecond: 1, Status: 429})
	r.env.Route.Path = "/b"
	b := r.build(Requests{PerSecond: 1, Status: 429})
	if got := r.verdicts(a, "192.0.2.1", 0) + r.verdicts(b, "192.0.2.1", 0); got != "+-" {
		t.Errorf("two paths of an Ingress: %s, want +-", got)
	}
	for _, o := range []filter.Origin{{Namespace: "ns", Ingress: "other"}, {Namespace: "n", Ingress: "sing"}} {
		r.env.Route = &o
		if got := r.verdicts(r.build(Requests{PerSecond: 1, Status: 429}), "192.0.2.1", 0); got != "+" {
			t.Errorf("%+v: %s, want +", o, got)
		}
	}
}

func TestCountersOutliveTablesAndEdits(t *testing.T) {
	r := newRig(t)
	if got := r.verdicts(r.build(Requests{PerSecond: 1, Multiplier: 2, Status: 429}), "192.0.2.1", times(4, 0)...); got != "+++-" {
		t.Fatal(got)
	}
	running := r.build(Connections{Limit: 2, Status: 429}).(filter.Finisher)
	r.verdicts(running, "192.0.2.1", 0, 0)
	for range 3 {
		r.env.State.Advance()
		if got := r.verdicts(r.build(Requests{PerSecond: 1, Multiplier: 2, Status: 429}), "192.0.2.1", 0); got != "-" {
			t.Errorf("after a rebuild: %s, want -", got)
		}
		if got := r.verdicts(r.build(Connections{Limit: 2, Status: 429}), "192.0.2.1", 0); got != "-" {
			t.Errorf("after a rebuild, running requests: %s, want -", got)
		}
		r.env.State.Sweep()
	}
	if got := r.verdicts(r.build(Requests{PerSecond: 1, Multiplier: 3, Status: 429}), "192.0.2.1", 0, 0); got != "+-" {
		t.Errorf("after the burst grew by one: %s, want +-", got)
	}
	running.Finish(r.request("192.0.2.1", 0)) // the filter of the old table
	if got := r.verdicts(r.build(Connections{Limit: 2, Status: 429}), "192.0.2.1", 0, 0); got != "+-" {
		t.Errorf("after one request ended: %s, want +-", got)
	}
}

func TestConnections(t *testing.T) {
	r := newRig(t)
	f := r.build(Connections{Limit: 2, Status: 429}).(*connections)
	if got := r.verdicts(f, "192.0.2.1", 0, 0, 0); got != "++-" {
		t.Errorf("three at once: %s", got)
	}
	if got := r.verdicts(f, "192.0.2.2", 0); got != "+" {
		t.Errorf("another client: %s", got)
	}
	f.Finish(r.request("192.0.2.1", 0))
	if got := r.verdicts(f, "192.0.2.1", 0, 0); got != "+-" {
		t.Errorf("after one ended: %s", got)
	}
	f.Finish(r.request("192.0.2.1", 0))
	f.Finish(r.request("192.0.2.1", 0))
	f.Finish(r.request("192.0.2.2", 0))
	if n := f.running.Len(); n != 0 {
		t.Errorf("%d clients are remembered with nothing running", n)
	}
}

func TestParallelRequestsPassExactlyAsOften(t *testing.T) {
	r := newRig(t)
	f := r.build(Requests{PerSecond: 1, Multiplier: 99, Status: 429})
	g := r.build(Connections{Limit: 50, Status: 429}).(filter.Finisher)
	var passed, running atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if f.Request(r.request("192.0.2.1", 0)) == filter.Continue {
					passed.Add(1)
				}
				if g.Request(r.request("192.0.2.1", 0)) == filter.Continue {
					running.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 || running.Load() != 50 {
		t.Errorf("%d passed and %d run, want 100 and 50", passed.Load(), running.Load())
	}
	for range 8 {
		wg.Go(func() {
			for range 100 {
				x := r.request("192.0.2.9", 0)
				if g.Request(x) == filter.Continue {
					g.Finish(x)
				}
			}
		})
	}
	wg.Wait()
	if got := r.verdicts(g, "192.0.2.9", times(51, 0)...); got != strings.Repeat("+", 50)+"-" {
		t.Errorf("after all ended: %s", got)
	}
}

// TestMemoryIsBounded floods an Ingress with half a million addresses.
func TestMemoryIsBounded(t *testing.T) {
	r := newRig(t)
	f := r.build(Requests{PerSecond: 1, Status: 429}).(*rate)
	x := new(filter.Exchange)
	x.Start = r.start
	for i := range 500_000 {
		x.Client = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		f.Request(x)
	}
	if n := f.table.buckets.Len(); n > clients+64 || n < clients*9/10 {
		t.Errorf("%d clients are remembered, want about %d", n, clients)
	}
	// Ten minutes later each newcomer makes two of them forgotten.
	x.Start = r.start.Add(10 * time.Minute)
	for i := range 200_000 {
		x.Client = netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		f.Request(x)
	}
	x.Start = r.start.Add(20 * time.Minute)
	for i := range 20_000 {
		x.Client = netip.AddrFrom4([4]byte{12, byte(i >> 16), byte(i >> 8), byte(i)})
		f.Request(x)
	}
	if n := f.table.buckets.Len(); n > clients-10_000 {
		t.Errorf("%d clients are remembered after all of them rested", n)
	}
}

func TestFiltersDoNotAllocate(t *testing.T) {
	r := newRig(t)
	f := r.build(Requests{PerSecond: 1, PerMinute: 5, Multiplier: 5, Status: 429})
	g := r.build(Connections{Limit: 2, Status: 429}).(filter.Finisher)
	x := r.request("2001:db8::1", 0)
	f.Request(x)
	if n := testing.AllocsPerRun(100, func() { f.Request(x) }); n != 0 {
		t.Errorf("requests: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { g.Request(x); g.Finish(x) }); n != 0 {
		t.Errorf("connections: %v allocations", n)
	}
}

func BenchmarkRequests(b *testing.B) {
	r := newRig(b)
	f := r.build(Requests{PerSecond: maxLimit, Multiplier: maxMultiplier, Status: 429})
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				x := r.request("", 0)
				for i := 0; pb.Next(); i++ {
					i %= n
					x.Client = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
					f.Request(x)
				}
			})
		})
	}
}

func BenchmarkConnections(b *testing.B) {
	r := newRig(b)
	f := r.build(Connections{Limit: 10, Status: 429}).(filter.Finisher)
	x := r.request("192.0.2.1", 0)
	b.ReportAllocs()
	for b.Loop() {
		f.Request(x)
		f.Finish(x)
	}
}

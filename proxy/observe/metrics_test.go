package observe

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/yettproxy/yett/proxy/filter"
)

// scrape returns all samples by name, then by labels as text.
func scrape(t *testing.T, c prometheus.Collector) map[string]map[string]*dto.Metric {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]*dto.Metric)
	for _, f := range families {
		all[f.GetName()] = make(map[string]*dto.Metric)
		for _, m := range f.Metric {
			all[f.GetName()][labelText(m)] = m
		}
	}
	return all
}

// labelText writes the labels without those of the controller.
func labelText(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.Label {
		if !strings.HasPrefix(l.GetName(), "controller_") {
			fmt.Fprintf(&b, "%s=%s ", l.GetName(), l.GetValue())
		}
	}
	return strings.TrimSpace(b.String())
}

// requests returns the counts of all series.
func requests(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	counts := make(map[string]float64)
	for labels, sample := range scrape(t, m)[prefix+"requests"] {
		counts[labels] = sample.Counter.GetValue()
	}
	return counts
}

const labelsOfGET = "canary= host=a.test ingress=web method=GET namespace=shop path=/api service=cart status=200"

func TestNamesAndLabelsAreThoseOfIngressNginx(t *testing.T) {
	m := NewMetrics(Options{Namespace: "ingress-nginx", Class: "k8s.io/ingress-nginx", Pod: "pod-1"})
	m.Route(&route, "").Observe(newExchange())
	all := scrape(t, m)
	want := []string{
		"bytes_sent", "connect_duration_seconds", "header_duration_seconds", "request_duration_seconds", "request_size",
		"requests", "response_duration_seconds", "response_size",
	}
	for i := range want {
		want[i] = "nginx_ingress_controller_" + want[i]
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Fatalf("names %v, want %v", got, want)
	}
	for name, samples := range all {
		sample := samples[labelsOfGET]
		if len(samples) != 1 || sample == nil {
			t.Fatalf("%s: %v", name, samples)
		}
		var controller []string
		for _, l := range sample.Label {
			if strings.HasPrefix(l.GetName(), "controller_") {
				controller = append(controller, l.GetName()+"="+l.GetValue())
			}
		}
		if got := strings.Join(controller, " "); got != "controller_class=k8s.io/ingress-nginx controller_namespace=ingress-nginx controller_pod=pod-1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, want := range map[string]float64{
		"connect_duration_seconds": 0.001, "header_duration_seconds": 0.010, "response_duration_seconds": 0.011,
		"request_duration_seconds": 0.012, "request_size": 310, "response_size": 1234, "bytes_sent": 1234,
	} {
		h := all[prefix+name][labelsOfGET].Histogram
		if h.GetSampleCount() != 1 || h.GetSampleSum() != want {
			t.Errorf("%s: count %d, sum %v, want %v", name, h.GetSampleCount(), h.GetSampleSum(), want)
		}
	}
	if n := len(all[prefix+"request_duration_seconds"][labelsOfGET].Histogram.Bucket); n != 11 {
		t.Errorf("%d time buckets, want 11", n)
	}
	if b := all[prefix+"request_size"][labelsOfGET].Histogram.Bucket; len(b) != 10 || b[9].GetUpperBound() != 100 {
		t.Errorf("length buckets %v, want 10 to 100", b)
	}
}

func TestWhatWasNotReachedIsNotObserved(t *testing.T) {
	m := NewMetrics(Options{})
	x := newExchange()
	x.NumAttempts = 0
	m.Route(&route, "").Observe(x)
	x = newExchange()
	x.Attempts[0].Connect, x.Attempts[0].Header = -1, -1
	m.Route(&route, "").Observe(x)
	all := scrape(t, m)
	for name, want := range map[string]uint64{
		"connect_duration_seconds": 0, "header_duration_seconds": 0, "response_duration_seconds": 1, "request_duration_seconds": 2,
	} {
		if got := all[prefix+name][labelsOfGET].Histogram.GetSampleCount(); got != want {
			t.Errorf("%s: %d observations, want %d", name, got, want)
		}
	}
}

// Our histograms must count as client_golang's do, whatever the buckets.
func TestHistogramsAgreeWithTheReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, bounds := range [][]float64{nil, {0.29}, {0.001, 0.0015, 1, 100, 1e12}} {
		m := NewMetrics(Options{TimeBuckets: bounds})
		want := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: m.layout[requestDuration].bounds})
		handle := m.Route(&route, "")
		values := []time.Duration{0, 5 * time.Millisecond, 290 * time.Millisecond, time.Millisecond, 1500 * time.Microsecond, time.Second}
		for range 1000 {
			values = append(values, time.Duration(random.Int64N(int64(20*time.Second))))
		}
		for _, v := range values {
			x := newExchange()
			x.End = x.Start.Add(v)
			handle.Observe(x)
			want.Observe(v.Seconds())
		}
		var reference dto.Metric
		if err := want.Write(&reference); err != nil {
			t.Fatal(err)
		}
		got := scrape(t, m)[prefix+"request_duration_seconds"][labelsOfGET].Histogram
		if got.GetSampleCount() != reference.Histogram.GetSampleCount() {
			t.Errorf("count %d, want %d", got.GetSampleCount(), reference.Histogram.GetSampleCount())
		}
		if d := got.GetSampleSum() - reference.Histogram.GetSampleSum(); d > 1e-3 || d < -1e-3 {
			t.Errorf("sum %v, want %v", got.GetSampleSum(), reference.Histogram.GetSampleSum())
		}
		for i, b := range reference.Histogram.Bucket {
			if g := got.Bucket[i]; g.GetUpperBound() != b.GetUpperBound() || g.GetCumulativeCount() != b.GetCumulativeCount() {
				t.Errorf("bucket %v: %d, want %v: %d", g.GetUpperBound(), g.GetCumulativeCount(), b.GetUpperBound(), b.GetCumulativeCount())
			}
		}
	}
}

func TestMethodAndStatusLabels(t *testing.T) {
	m := NewMetrics(Options{})
	handle := m.Route(&route, "")
	for method, label := range map[string]string{"PATCH": "PATCH", "PROPFIND": "PROPFIND", "get": "OTHER", "SPAM1": "OTHER", "SPAM2": "OTHER", "": "OTHER"} {
		x := newExchange()
		x.Request.Method = method
		handle.Observe(x)
		if requests(t, m)[strings.Replace(labelsOfGET, "GET", label, 1)] == 0 {
			t.Errorf("%q is not counted as %s", method, label)
		}
	}
	if n := len(requests(t, m)); n != 3 {
		t.Errorf("%d series, want 3: %v", n, requests(t, m))
	}
	for status, label := range map[int]string{404: "404", 999: "999", 0: "000", 1000: "000", -1: "000"} {
		x := newExchange()
		x.Response.Status = status
		handle.Observe(x)
		if requests(t, m)[strings.Replace(labelsOfGET, "200", label, 1)] == 0 {
			t.Errorf("%d is not counted as %s", status, label)
		}
	}
	x := newExchange()
	x.ClientGone, x.Stream = true, &sentStream{}
	handle.Observe(x)
	if requests(t, m)[strings.Replace(labelsOfGET, "200", "499", 1)] != 1 {
		t.Errorf("a client that went away is not counted as 499")
	}
}

func TestStatusClasses(t *testing.T) {
	m := NewMetrics(Options{StatusClasses: true})
	for _, status := range []int{200, 204, 299} {
		x := newExchange()
		x.Response.Status = status
		m.Route(&route, "").Observe(x)
	}
	if got := requests(t, m)[strings.Replace(labelsOfGET, "200", "2xx", 1)]; got != 3 {
		t.Errorf("%v requests as 2xx, want 3: %v", got, requests(t, m))
	}
}

func TestCanary(t *testing.T) {
	m := NewMetrics(Options{})
	handle := m.Route(&route, "shop-cart-next-80")
	labelsOfCanary := strings.Replace(labelsOfGET, "canary=", "canary=shop-cart-next-80", 1)
	if got := requests(t, m); len(got) != 1 || got[labelsOfCanary] != 0 {
		t.Fatalf("before the first request: %v, want the canary's series at zero", got)
	}
	if h := scrape(t, m)[prefix+"response_duration_seconds"][labelsOfCanary]; h == nil || h.Histogram.GetSampleCount() != 0 {
		t.Errorf("the canary's histogram is not there at zero: %v", h)
	}
	handle.Observe(newExchange())
	x := newExchange()
	x.Canary = "shop-cart-next-80"
	handle.Observe(x)
	handle.Observe(x)
	if got := requests(t, m); got[labelsOfGET] != 1 || got[labelsOfCanary] != 2 {
		t.Errorf("got %v", got)
	}
}

func TestRoutesWithTheSameLabelsShareTheirSeries(t *testing.T) {
	m := NewMetrics(Options{})
	other := route
	other.ServicePort = "81" // no label
	m.Route(&route, "one").Observe(newExchange())
	m.Route(&other, "two").Observe(newExchange())
	if got := requests(t, m)[labelsOfGET]; got != 2 {
		t.Errorf("got %v", requests(t, m))
	}
}

func TestStaleSeriesGo(t *testing.T) {
	m := NewMetrics(Options{UndefinedHosts: true})
	other, wildcard := route, route
	other.Path, wildcard.Host = "/other", "*.b.test"
	unmatched := m.Unmatched()
	compile := func(canary string, routes ...*filter.Origin) {
		m.Advance()
		for _, r := range routes {
			m.Route(r, canary).Observe(newExchange())
		}
		m.Sweep()
	}
	count := func(part string) (n int) {
		for labels := range requests(t, m) {
			if strings.Contains(labels, part) {
				n++
			}
		}
		return n
	}
	compile("next", &route, &other, &wildcard)
	x := newExchange()
	x.Request.Host = "z.b.test"
	x.Canary = "next"
	m.Route(&wildcard, "next").Observe(x)
	x.Request.Host = "unknown.test"
	unmatched.Observe(x)
	if count("path=/other") == 0 || count("canary=next") == 0 || count("host=z.b.test") == 0 || count("host=unknown.test") == 0 {
		t.Fatalf("got %v", requests(t, m))
	}
	compile("", &route, &wildcard)
	if count("path=/other") == 0 || count("canary=next") == 0 {
		t.Errorf("gone after one table: a request of the last one would be lost")
	}
	compile("", &route, &wildcard)
	compile("", &route, &wildcard) // hosts that no Ingress names follow their route one table later
	if count("path=/other") != 0 || count("canary=next") != 0 {
		t.Errorf("still there after two tables: %v", requests(t, m))
	}
	if count("canary= host=a.test") == 0 || count("host=unknown.test") == 0 {
		t.Errorf("what is in use is gone: %v", requests(t, m))
	}
	compile("", &route)
	compile("", &route)
	if count("host=z.b.test") != 0 || m.hosts.Load() != 1 {
		t.Errorf("hosts of a route that is gone: %v, %d hosts", requests(t, m), m.hosts.Load())
	}
	unmatched.Observe(x)
	if got := requests(t, m)["canary= host=unknown.test ingress= method=GET namespace= path=/ service= status=200"]; got != 2 {
		t.Errorf("the handle for unmatched requests counted %v, want 2: %v", got, requests(t, m))
	}
	if compile(""); count("path=/api") == 0 {
		t.Errorf("gone after one table")
	}
	if compile(""); count("path=/api") != 0 {
		t.Errorf("still there: %v", requests(t, m))
	}
}

func TestHostsThatNoIngressNames(t *testing.T) {
	wildcard, none := route, route
	wildcard.Host, none.Host = "*.b.test", ""
	for name, test := range map[string]struct {
		options                   Options
		wildcard, none, unmatched string
	}{
		"by default": {Options{}, "host=*.b.test", "host=_", ""},
		"undefined":  {Options{UndefinedHosts: true}, "host=x.b.test", "host=any.test", "host=any.test ingress= method=GET namespace= path=/ service="},
		"no host":    {Options{NoHost: true}, "canary= ingress=web", "canary= ingress=web", "canary= ingress= method=GET namespace= path=/"},
	} {
		for want, observe := range map[string]func(m *Metrics, x *filter.Exchange){
			test.wildcard:  func(m *Metrics, x *filter.Exchange) { x.Request.Host = "x.b.test"; m.Route(&wildcard, "").Observe(x) },
			test.none:      func(m *Metrics, x *filter.Exchange) { x.Request.Host = "any.test"; m.Route(&none, "").Observe(x) },
			test.unmatched: func(m *Metrics, x *filter.Exchange) { x.Request.Host = "any.test"; m.Unmatched().Observe(x) },
		} {
			m := NewMetrics(test.options)
			observe(m, newExchange())
			got := requests(t, m)
			if want == "" {
				if len(got) != 0 {
					t.Errorf("%s: %v, want nothing", name, got)
				}
				continue
			}
			if len(got) != 1 || !strings.Contains(slices.Collect(maps.Keys(got))[0], want) {
				t.Errorf("%s: %v, want %s", name, got, want)
			}
		}
	}
}

func TestAFloodOfHostsIsBounded(t *testing.T) {
	m := NewMetrics(Options{UndefinedHosts: true})
	handle := m.Unmatched()
	for i := range 2 * maxHosts {
		x := newExchange()
		x.Request.Host = fmt.Sprint("h", i, ".test")
		handle.Observe(x)
	}
	got := requests(t, m)
	rest := got["canary= host=_ ingress= method=GET namespace= path=/ service= status=200"]
	if len(got) != maxHosts+1 || rest != maxHosts {
		t.Errorf("%d series, %v requests under \"_\"", len(got), rest)
	}
}

func TestExclude(t *testing.T) {
	m := NewMetrics(Options{Exclude: []string{"nginx_ingress_controller_request_size", " header_duration_seconds", "requests", "no_such"}})
	m.Route(&route, "").Observe(newExchange())
	all := scrape(t, m)
	for _, name := range []string{"request_size", "header_duration_seconds", "requests"} {
		if all[prefix+name] != nil {
			t.Errorf("%s is there", name)
		}
	}
	if got := all[prefix+"bytes_sent"][labelsOfGET].Histogram; len(all) != 5 || got.GetSampleSum() != 1234 || got.GetSampleCount() != 1 {
		t.Errorf("got %d metrics, %v", len(all), got)
	}
}

func TestNativeHistograms(t *testing.T) {
	m := NewMetrics(Options{BucketFactor: 1.1, MaxBuckets: 100})
	m.Route(&route, "").Observe(newExchange())
	h := scrape(t, m)[prefix+"request_duration_seconds"][labelsOfGET].Histogram
	if h.Schema == nil || len(h.PositiveSpan) == 0 || h.GetSampleSum() != 0.012 {
		t.Errorf("no native histogram: %v", h)
	}
}

func TestNilIsFine(t *testing.T) {
	var m *Metrics
	m.Advance()
	m.Route(&route, "").Observe(newExchange())
	m.Unmatched().Observe(newExchange())
	m.Sweep()
}

func TestConcurrentUse(t *testing.T) {
	m := NewMetrics(Options{UndefinedHosts: true})
	wildcard := route
	wildcard.Host = "*.test"
	var group sync.WaitGroup
	const observers, each = 4, 500
	for i := range observers {
		group.Go(func() {
			for j := range each {
				x := newExchange()
				x.Response.Status = 200 + j%7
				x.Request.Host = fmt.Sprint("h", (i+j)%9, ".test")
				m.Route(&wildcard, "next").Observe(x)
			}
		})
	}
	group.Go(func() {
		for range 20 {
			m.Sweep()
			scrape(t, m)
		}
	})
	group.Wait()
	total := 0.0
	for _, n := range requests(t, m) {
		total += n
	}
	if total != observers*each {
		t.Errorf("%v requests counted, want %d", total, observers*each)
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	m := NewMetrics(Options{UndefinedHosts: true})
	x := newExchange()
	for name, handle := range map[string]*RouteMetrics{"route": m.Route(&route, ""), "unmatched": m.Unmatched()} {
		if n := testing.AllocsPerRun(100, func() { handle.Observe(x) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

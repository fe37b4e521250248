package observe

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yettproxy/yett/proxy/filter"
)

// prefix begins the names of all metrics that ingress-nginx has.
const prefix = "nginx_ingress_controller_"

// Options are what the metrics depend on: ingress-nginx's flags of the same names.
type Options struct {
	// Namespace, Class and Pod are the constant labels controller_namespace, controller_class and
	// controller_pod.
	Namespace, Class, Pod string
	// Build says what is running.
	Build Build
	// NoHost leaves the label host out (--metrics-per-host=false); requests that no Ingress matched are
	// then counted too.
	NoHost bool
	// UndefinedHosts also counts requests that no Ingress matched, and labels requests of wildcard hosts and
	// of rules without a host with the host they were for (--metrics-per-undefined-host).
	UndefinedHosts bool
	// StatusClasses reports "2xx" instead of "200" (--report-status-classes).
	StatusClasses bool
	// Exclude are names of request metrics that are left out, with or without the prefix
	// (--exclude-socket-metrics).
	Exclude []string
	// TimeBuckets are upper bounds in seconds, LengthBuckets and SizeBuckets in bytes, in ascending order;
	// nil for ingress-nginx's (--time-buckets, --length-buckets, --size-buckets).
	TimeBuckets, LengthBuckets, SizeBuckets []float64
	// BucketFactor makes native histograms if it is greater than 1; MaxBuckets bounds them
	// (--bucket-factor, --max-buckets). They cost more per request.
	BucketFactor float64
	MaxBuckets   uint32
}

// constLabels returns the labels that all metrics of the controller have.
func (o *Options) constLabels() prometheus.Labels {
	return prometheus.Labels{
		"controller_namespace": o.Namespace, "controller_class": o.Class, "controller_pod": o.Pod,
	}
}

// The histograms, in the order of their slots in a series.
const (
	connectDuration = iota
	headerDuration
	responseDuration
	requestDuration
	requestSize
	responseSize
	bytesSent

	numHistograms
)

// histograms tells what is exported under which name, and in which unit it is observed.
var histograms = [numHistograms]struct {
	name, help string
	time       bool
}{
	connectDuration:  {"connect_duration_seconds", "The time spent on establishing a connection with the upstream server", true},
	headerDuration:   {"header_duration_seconds", "The time spent on receiving first header from the upstream server", true},
	responseDuration: {"response_duration_seconds", "The time spent on receiving the response from the upstream server", true},
	requestDuration:  {"request_duration_seconds", "The request processing time in seconds", true},
	requestSize:      {"request_size", "The request length (including request line, header, and request body)", false},
	responseSize:     {"response_size", "The response length (including request line, header, and request body)", false},
	bytesSent:        {"bytes_sent", "DEPRECATED The number of bytes sent to a client", false},
}

// Metrics are the metrics of all requests. It is a prometheus.Collector.
type Metrics struct {
	options Options
	// requests and histogram describe what is exported; nil for what is excluded.
	requests  *prometheus.Desc
	histogram [numHistograms]*prometheus.Desc
	// layout says where a histogram's buckets are in a series.
	layout [numHistograms]buckets

	mu         sync.Mutex
	generation uint64
	entries    map[labels]*entry
	// hosts is how many hosts have series that no Ingress names.
	hosts atomic.Int64
}

// NewMetrics returns empty metrics. Register them with a prometheus.Registerer.
func NewMetrics(o Options) *Metrics {
	m := &Metrics{options: o, entries: make(map[labels]*entry)}
	variable := []string{"status", "method", "path", "namespace", "ingress", "service", "canary"}
	if !o.NoHost {
		variable = append(variable, "host")
	}
	excluded := func(name string) bool {
		return slices.ContainsFunc(o.Exclude, func(s string) bool { return strings.TrimPrefix(strings.TrimSpace(s), prefix) == name })
	}
	if !excluded("requests") {
		m.requests = prometheus.NewDesc(prefix+"requests", "The total number of client requests", variable, o.constLabels())
	}
	next := 0
	for i, h := range histograms {
		if excluded(h.name) {
			continue
		}
		m.histogram[i] = prometheus.NewDesc(prefix+h.name, h.help, variable, o.constLabels())
		m.layout[i] = newBuckets(o.boundsOf(i), h.time, next)
		next = m.layout[i].end()
	}
	return m
}

// boundsOf returns the upper bounds of a histogram's buckets.
func (o *Options) boundsOf(histogram int) []float64 {
	choose := func(set, standard []float64) []float64 {
		if len(set) > 0 {
			return set
		}
		return standard
	}
	switch histogram {
	case requestSize, responseSize:
		return choose(o.LengthBuckets, prometheus.LinearBuckets(10, 10, 10))
	case bytesSent:
		return choose(o.SizeBuckets, prometheus.ExponentialBuckets(10, 10, 7))
	}
	return choose(o.TimeBuckets, prometheus.DefBuckets)
}

// Register registers the collectors with r.
func (m *Metrics) Register(r prometheus.Registerer) error { return r.Register(m) }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	if m.requests != nil {
		ch <- m.requests
	}
	for _, d := range m.histogram {
		if d != nil {
			ch <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	var all []*series
	for _, e := range m.entries {
		all = e.collect(all)
	}
	m.mu.Unlock()
	for _, s := range all {
		s.send(ch)
	}
}

// unmatched is the identity of requests that no Ingress matched, as ingress-nginx labels them.
var unmatched = filter.Origin{Path: "/"}

// Route returns the handle for the requests of one route, nil for those that no Ingress matched; canary is
// the name of its alternative upstream, or "". It is for the compiler of tables, not for the request path.
// The handle is nil, and observes nothing, where the options leave the requests out. A nil *Metrics
// returns nil.
func (m *Metrics) Route(o *filter.Origin, canary string) *RouteMetrics {
	if m == nil {
		return nil
	}
	if o == nil || o.Ingress == "" {
		o = &unmatched
		if !m.options.NoHost && !m.options.UndefinedHosts {
			return nil
		}
	}
	l := labels{namespace: o.Namespace, ingress: o.Ingress, service: o.Service, path: o.Path, host: o.Host}
	named := o.Host != "" && o.Host[0] != '*'
	switch {
	case m.options.NoHost:
		l.host = ""
	case o.Host == "":
		l.host = "_"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.handle(l, canary)
	if !m.options.NoHost && m.options.UndefinedHosts && !named {
		if r.entry.hosts == nil {
			r.entry.hosts = &hostMetrics{metrics: m, labels: l}
		}
		r.hosts = r.entry.hosts
	}
	return r
}

// Unmatched returns the handle for requests that no route matched. It stays good for ever. A nil *Metrics
// returns nil.
func (m *Metrics) Unmatched() *RouteMetrics {
	r := m.Route(nil, "")
	if r != nil {
		m.mu.Lock()
		r.entry.pinned = true
		m.mu.Unlock()
	}
	return r
}

// handle returns the handle for a set of labels and marks it as in use; the caller holds the lock.
func (m *Metrics) handle(l labels, canary string) *RouteMetrics {
	e := m.entries[l]
	if e == nil {
		e = &entry{}
		e.primary = family{metrics: m, labels: l}
		m.entries[l] = e
	}
	e.seen = m.generation
	r := &RouteMetrics{entry: e}
	if canary == "" {
		return r
	}
	if r.canary = e.canaries[canary]; r.canary == nil {
		r.canary = &family{metrics: m, labels: l, canary: canary}
		if e.canaries == nil {
			e.canaries = make(map[string]*family)
		}
		e.canaries[canary] = r.canary
		r.canary.series(methodIndex("GET"), 200)
	}
	r.canary.seen = m.generation
	return r
}

// Advance begins a generation: call it before a table is built. A nil *Metrics has none.
func (m *Metrics) Advance() {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.generation++
	m.mu.Unlock()
}

// Sweep drops the series of routes that neither the current generation nor the one before asked for, and
// returns how many routes and canaries that were: call it after a table was published.
func (m *Metrics) Sweep() int {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, e := range m.entries {
		if e.pinned {
			e.seen = m.generation
		}
		if e.stale(m.generation) {
			continue
		}
		n += e.sweepCanaries(m.generation)
		if e.hosts != nil {
			e.hosts.keep(e, m.generation)
		}
	}
	for l, e := range m.entries {
		if !e.stale(m.generation) {
			continue
		}
		if e.undefined {
			m.hosts.Add(-1)
		}
		delete(m.entries, l)
		n++
	}
	return n
}

package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/yettproxy/yett/proxy/filter"
)

// Options are what the metrics depend on: ingress-nginx's flags of the same names.
type Options struct {
	// Namespace, Class and Pod are the constant labels controller_namespace, controller_class and
	// controller_pod.
	Namespace, Class, Pod string
	// NoHost leaves the label host out (--metrics-per-host=false).
	NoHost bool
	// UndefinedHosts also counts requests that no Ingress matched (--metrics-per-undefined-host).
	UndefinedHosts bool
	// StatusClasses reports "2xx" instead of "200" (--report-status-classes).
	StatusClasses bool
	// Exclude are full names of request metrics that are left out (--exclude-socket-metrics).
	Exclude []string
	// TimeBuckets, LengthBuckets and SizeBuckets are upper bounds in ascending order; nil for
	// ingress-nginx's.
	TimeBuckets, LengthBuckets, SizeBuckets []float64
}

// Metrics are the metrics of all requests.
type Metrics struct{}

// NewMetrics returns empty metrics. Nothing is exported until Register.
func NewMetrics(o Options) *Metrics { return &Metrics{} }

// Register registers the collectors with r.
func (m *Metrics) Register(r prometheus.Registerer) error { return nil }

// Route returns the handle for the requests of one route; canary is the name of its alternative upstream,
// or "". It is for the compiler of tables, not for the request path. A nil *Metrics returns nil.
func (m *Metrics) Route(o *filter.Origin, canary string) *RouteMetrics { return nil }

// Advance begins a generation: call it before a table is built.
func (m *Metrics) Advance() {}

// Sweep drops the series of routes that the current generation and the one before did not ask for, and
// returns how many routes that were: call it after a table was published.
func (m *Metrics) Sweep() int { return 0 }

// RouteMetrics are the metrics of one route. A nil *RouteMetrics observes nothing.
type RouteMetrics struct{}

// Observe counts a finished exchange.
func (r *RouteMetrics) Observe(x *filter.Exchange) {}

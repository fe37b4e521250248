package observe

import (
	"crypto/x509"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Build says what is running, for the metric build_info.
type Build struct{ Release, Commit, Repository string }

// Controller holds the metrics of the control plane. It is a prometheus.Collector. All methods may be
// called on a nil *Controller, which records nothing.
type Controller struct {
	hash, successful, successTime prometheus.Gauge
	success, errors               prometheus.Counter
	checkSuccess, checkErrors     *prometheus.CounterVec
	expires, certificates         *prometheus.GaugeVec
	leader, orphans               *prometheus.GaugeVec
	build                         prometheus.Gauge
	admission                     [6]prometheus.Gauge

	checkedMu sync.Mutex
	// checked are the Ingresses that checkSuccess and checkErrors have series for, by namespace and name.
	checked map[[2]string]bool

	namespace, class string
}

// NewController returns the metrics of the control plane at their start.
func NewController(o Options) *Controller {
	constant := o.constLabels()
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: constant})
	}
	gauges := func(name, help string, c prometheus.Labels, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: c}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help, ConstLabels: constant})
	}
	counters := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help, ConstLabels: constant}, []string{"namespace", "ingress"})
	}
	buildLabels := o.constLabels()
	buildLabels["release"], buildLabels["build"], buildLabels["repository"] = o.Build.Release, o.Build.Commit, o.Build.Repository
	c := &Controller{
		namespace: o.Namespace, class: o.Class, checked: make(map[[2]string]bool),
		hash:         gauge("config_hash", "Running configuration hash actually running"),
		successful:   gauge("config_last_reload_successful", "Whether the last configuration reload attempt was successful"),
		successTime:  gauge("config_last_reload_successful_timestamp_seconds", "Timestamp of the last successful configuration reload."),
		success:      counter("success", "Cumulative number of Ingress controller reload operations"),
		errors:       counter("errors", "Cumulative number of Ingress controller errors during reload operations"),
		checkSuccess: counters("check_success", "Cumulative number of Ingress controller syntax check operations"),
		checkErrors:  counters("check_errors", "Cumulative number of Ingress controller errors during syntax check operations"),
		expires: gauges("ssl_expire_time_seconds", "Number of seconds since 1970 to the SSL Certificate expire.", nil,
			"namespace", "class", "host", "secret_name", "identifier"),
		certificates: gauges("ssl_certificate_info", "Hold all labels associated to a certificate", nil,
			"namespace", "class", "host", "secret_name", "identifier", "issuer_organization", "issuer_common_name",
			"serial_number", "public_key_algorithm"),
		leader:  gauges("leader_election_status", "Gauge reporting status of the leader election, 0 indicates follower, 1 indicates leader. 'name' is the string used to identify the lease", constant, "name"),
		orphans: gauges("orphan_ingress", "Gauge reporting status of ingress orphanity, 1 indicates orphaned ingress. 'type' is 'no-service' or 'no-endpoint'", constant, "namespace", "ingress", "type"),
		build: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "build_info", ConstLabels: buildLabels,
			Help: "A metric with a constant '1' labeled with information about the build.",
		}),
		admission: [6]prometheus.Gauge{
			gauge("admission_tested_ingresses", "The length of ingresses processed by the admission controller"),
			gauge("admission_tested_duration", "The processing duration of the admission controller tests (float seconds)"),
			gauge("admission_render_ingresses", "The length of ingresses rendered by the admission controller"),
			gauge("admission_render_duration", "The processing duration of ingresses rendering by the admission controller (float seconds)"),
			gauge("admission_config_size", "The size of the tested configuration"),
			gauge("admission_roundtrip_duration", "The complete duration of the admission controller at the time to process a new event (float seconds)"),
		},
	}
	c.build.Set(1)
	return c
}

// collectors lists all metrics.
func (c *Controller) collectors() []prometheus.Collector {
	all := []prometheus.Collector{
		c.hash, c.successful, c.successTime, c.success, c.errors, c.checkSuccess, c.checkErrors,
		c.expires, c.certificates, c.leader, c.orphans, c.build,
	}
	for _, g := range c.admission {
		all = append(all, g)
	}
	return all
}

// Register registers the metrics with r.
func (c *Controller) Register(r prometheus.Registerer) error { return r.Register(c) }

// Describe implements prometheus.Collector.
func (c *Controller) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.collectors() {
		m.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Controller) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.collectors() {
		m.Collect(ch)
	}
}

// Published says that a configuration came into force: hash is its hash.
func (c *Controller) Published(hash uint64, at time.Time) {
	if c == nil {
		return
	}
	c.hash.Set(float64(hash))
	c.successful.Set(1)
	c.successTime.Set(float64(at.Unix()))
	c.success.Inc()
}

// Failed says that a configuration could not be made or taken over; the last one stays in force, and so
// does its hash.
func (c *Controller) Failed() {
	if c == nil {
		return
	}
	c.successful.Set(0)
	c.errors.Inc()
}

// maxChecked is how many Ingresses Checked tells apart before it starts anew: names are whatever somebody asks about.
const maxChecked = 20_000

// Checked says that admission looked at an Ingress, and whether it let it pass.
func (c *Controller) Checked(namespace, ingress string, ok bool) {
	if c == nil {
		return
	}
	c.checkedMu.Lock()
	defer c.checkedMu.Unlock()
	if len(c.checked) >= maxChecked {
		clear(c.checked)
		c.checkSuccess.Reset()
		c.checkErrors.Reset()
	}
	c.checked[[2]string{namespace, ingress}] = true
	switch {
	case ok:
		c.checkSuccess.WithLabelValues(namespace, ingress).Inc()
	default:
		c.checkErrors.WithLabelValues(namespace, ingress).Inc()
	}
}

// SetLeader says whether this process holds the lease of a name.
func (c *Controller) SetLeader(name string, leading bool) {
	if c == nil {
		return
	}
	v := 0.0
	if leading {
		v = 1
	}
	c.leader.WithLabelValues(name).Set(v)
}

// Orphan is an Ingress that leads nowhere.
type Orphan struct {
	Namespace, Ingress string
	// Type is "no-service" or "no-endpoint".
	Type string
}

// SetOrphans replaces the list of Ingresses that lead nowhere. Those not listed have no series.
func (c *Controller) SetOrphans(orphans []Orphan) {
	if c == nil {
		return
	}
	c.orphans.Reset()
	for _, o := range orphans {
		c.orphans.WithLabelValues(o.Namespace, o.Ingress, o.Type).Set(1)
	}
}

// HostCertificate is the certificate that is shown for a host. The catch-all has the host "_".
type HostCertificate struct {
	Host string
	// Namespace and Name are those of the Secret; "" for a certificate of our own making.
	Namespace, Name string
	Leaf            *x509.Certificate
}

// SetCertificates replaces the list of certificates. Only the leader reports them; others pass nil.
func (c *Controller) SetCertificates(list []HostCertificate) {
	if c == nil {
		return
	}
	c.expires.Reset()
	c.certificates.Reset()
	for _, h := range list {
		if h.Leaf == nil {
			continue
		}
		namespace := h.Namespace
		if namespace == "" {
			namespace = c.namespace
		}
		serial := ""
		if h.Leaf.SerialNumber != nil {
			serial = h.Leaf.SerialNumber.String()
		}
		identifier := h.Leaf.Issuer.SerialNumber + "-" + serial
		organization := ""
		if len(h.Leaf.Issuer.Organization) > 0 {
			organization = h.Leaf.Issuer.Organization[0]
		}
		c.expires.WithLabelValues(namespace, c.class, h.Host, h.Name, identifier).Set(float64(h.Leaf.NotAfter.Unix()))
		c.certificates.WithLabelValues(namespace, c.class, h.Host, h.Name, identifier, text(organization),
			text(h.Leaf.Issuer.CommonName), serial, h.Leaf.PublicKeyAlgorithm.String()).Set(1)
	}
}

// Admission is how the last question to the webhook went.
type Admission struct {
	// Tested is how many Ingresses were looked at, Rendered how many the configuration then had.
	Tested, Rendered int
	// ConfigBytes is the size of the configuration.
	ConfigBytes int
	// TestedTime and RenderTime are how long both took, RoundTrip how long the whole answer.
	TestedTime, RenderTime, RoundTrip time.Duration
}

// SetAdmission records the last question to the webhook.
func (c *Controller) SetAdmission(a Admission) {
	if c == nil {
		return
	}
	for i, v := range [...]float64{
		float64(a.Tested), a.TestedTime.Seconds(), float64(a.Rendered), a.RenderTime.Seconds(),
		float64(a.ConfigBytes), a.RoundTrip.Seconds(),
	} {
		c.admission[i].Set(v)
	}
}

package observe

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// StreamStats are the counters of a port of a TCP or UDP service since it was opened.
type StreamStats struct {
	Port               uint16
	UDP                bool
	Namespace, Service string
	// Sessions counts connections, or exchanges of datagrams; Failed are those of them that reached no endpoint.
	Sessions, Failed uint64
	// Dropped counts datagrams that could not be sent, or were beyond the limit of sessions.
	Dropped uint64
	// Received and Sent are bytes from and to clients.
	Received, Sent uint64
	// HeaderErrors counts connections without a good PROXY header where one is demanded.
	HeaderErrors uint64
	// Active is how many sessions are open.
	Active int
}

// Streams exports the counters of TCP and UDP services and of connections that are passed through. ingress-nginx has no
// metrics of either. It is a prometheus.Collector.
type Streams struct {
	read  func() (ports []StreamStats, passed StreamStats)
	descs []*prometheus.Desc
}

// The metrics of Streams, in the order of their descriptions.
const (
	streamSessions = iota
	streamFailed
	streamDropped
	streamReceived
	streamSent
	streamHeaderErrors
	streamActive
	passedSessions
	passedFailed
	passedReceived
	passedSent
)

// NewStreams returns the metrics of what read tells.
func NewStreams(o Options, read func() (ports []StreamStats, passed StreamStats)) *Streams {
	s := &Streams{read: read}
	describe := func(name, help string, labels ...string) {
		s.descs = append(s.descs, prometheus.NewDesc("yett_"+name, help, labels, o.constLabels()))
	}
	labels := []string{"protocol", "port", "namespace", "service"}
	describe("stream_sessions_total", "Connections to TCP services, and sessions of UDP services", labels...)
	describe("stream_failed_sessions_total", "Sessions that reached no endpoint", labels...)
	describe("stream_dropped_datagrams_total", "Datagrams that could not be sent or were beyond the limit of sessions", labels...)
	describe("stream_received_bytes_total", "Bytes from clients", labels...)
	describe("stream_sent_bytes_total", "Bytes to clients", labels...)
	describe("stream_proxy_protocol_errors_total", "Connections closed since they did not begin with a good PROXY header", labels...)
	describe("stream_sessions", "Sessions that are open", labels...)
	describe("ssl_passthrough_connections_total", "TLS connections that were passed through unopened")
	describe("ssl_passthrough_failed_connections_total", "Connections to be passed through that reached no endpoint")
	describe("ssl_passthrough_received_bytes_total", "Bytes from clients of connections that were passed through")
	describe("ssl_passthrough_sent_bytes_total", "Bytes to clients of connections that were passed through")
	return s
}

// Register registers the metrics with r.
func (s *Streams) Register(r prometheus.Registerer) error { return r.Register(s) }

// Describe implements prometheus.Collector.
func (s *Streams) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Streams) Collect(ch chan<- prometheus.Metric) {
	counter := func(i int, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.descs[i], prometheus.CounterValue, float64(v), labels...)
	}
	ports, passed := s.read()
	for i := range ports {
		p := &ports[i]
		labels := []string{"tcp", strconv.Itoa(int(p.Port)), text(p.Namespace), text(p.Service)}
		if p.UDP {
			labels[0] = "udp"
		}
		counter(streamSessions, p.Sessions, labels...)
		counter(streamFailed, p.Failed, labels...)
		counter(streamDropped, p.Dropped, labels...)
		counter(streamReceived, p.Received, labels...)
		counter(streamSent, p.Sent, labels...)
		counter(streamHeaderErrors, p.HeaderErrors, labels...)
		ch <- prometheus.MustNewConstMetric(s.descs[streamActive], prometheus.GaugeValue, float64(p.Active), labels...)
	}
	counter(passedSessions, passed.Sessions)
	counter(passedFailed, passed.Failed)
	counter(passedReceived, passed.Received)
	counter(passedSent, passed.Sent)
}

package observe

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/yettproxy/yett/proxy/filter"
)

// ConnStats are the counters of the listeners.
type ConnStats struct {
	// Accepted, Handled and Requests count since the start; Handled leaves out connections refused at the
	// limit.
	Accepted, Handled, Requests uint64
	// Active is how many connections are open; Reading, Writing and Waiting are its parts: before the
	// first request, in a request, between requests.
	Active, Reading, Writing, Waiting int
	// HandshakeErrors counts TLS handshakes that failed since the start.
	HandshakeErrors uint64
	// HeaderErrors counts connections without a good PROXY header where one is demanded.
	HeaderErrors uint64
}

// Sources are where the Process metrics come from. Nil functions count as 0.
type Sources struct {
	// Connections returns the counters of the listeners.
	Connections func() ConnStats
	// LogLinesDropped returns how many access-log lines found no room.
	LogLinesDropped func() uint64
	// Copies counts what is sent to mirrors; nil counts as 0.
	Copies *filter.Copies
}

// Process exports what ingress-nginx says about nginx's processes, from this one, so that panels and alerts
// made for it are not empty; and a few counters of our own. It is a prometheus.Collector.
type Process struct {
	sources Sources
	start   time.Time
	descs   []*prometheus.Desc
}

// The metrics of Process, in the order of their descriptions.
const (
	procConnections = iota
	procConnectionsTotal
	procRequestsTotal
	procNum
	procCPU
	procResident
	procVirtual
	procRead
	procWrite
	procStart
	ownLogDropped
	ownHandshakeErrors
	ownHeaderErrors
	ownMirrored
)

// NewProcess returns the metrics of this process.
func NewProcess(o Options, sources Sources) *Process {
	p := &Process{sources: sources, start: time.Now()}
	describe := func(name, help string, labels ...string) {
		p.descs = append(p.descs, prometheus.NewDesc(name, help, labels, o.constLabels()))
	}
	const nginx = prefix + "nginx_process_"
	describe(nginx+"connections", "current number of client connections with state {active, reading, writing, waiting}", "state")
	describe(nginx+"connections_total", "total number of connections with state {accepted, handled}", "state")
	describe(nginx+"requests_total", "total number of client requests")
	describe(nginx+"num_procs", "number of processes")
	describe(nginx+"cpu_seconds_total", "Cpu usage in seconds")
	describe(nginx+"resident_memory_bytes", "number of bytes of memory in use")
	describe(nginx+"virtual_memory_bytes", "number of bytes of memory in use")
	describe(nginx+"read_bytes_total", "number of bytes read")
	describe(nginx+"write_bytes_total", "number of bytes written")
	describe(nginx+"oldest_start_time_seconds", "start time in seconds since 1970/01/01")
	describe("yett_access_log_dropped_lines_total", "Access-log lines dropped because the log's sink was slower than the load")
	describe("yett_tls_handshake_errors_total", "TLS handshakes with clients that failed")
	describe("yett_proxy_protocol_errors_total", "Connections closed since they did not begin with a good PROXY header")
	describe("yett_mirrored_requests_total", "Copies of requests for mirror-target by outcome {answered, failed, dropped}", "outcome")
	return p
}

// Register registers the metrics with r.
func (p *Process) Register(r prometheus.Registerer) error { return r.Register(p) }

// Describe implements prometheus.Collector.
func (p *Process) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What the system does not tell is left out.
func (p *Process) Collect(ch chan<- prometheus.Metric) {
	gauge := func(i int, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(p.descs[i], prometheus.GaugeValue, v, labels...)
	}
	counter := func(i int, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(p.descs[i], prometheus.CounterValue, v, labels...)
	}
	var c ConnStats
	if p.sources.Connections != nil {
		c = p.sources.Connections()
	}
	gauge(procConnections, float64(c.Active), "active")
	gauge(procConnections, float64(c.Reading), "reading")
	gauge(procConnections, float64(c.Writing), "writing")
	gauge(procConnections, float64(c.Waiting), "waiting")
	counter(procConnectionsTotal, float64(c.Accepted), "accepted")
	counter(procConnectionsTotal, float64(c.Handled), "handled")
	counter(procRequestsTotal, float64(c.Requests))
	counter(ownHandshakeErrors, float64(c.HandshakeErrors))
	counter(ownHeaderErrors, float64(c.HeaderErrors))
	copies := p.sources.Copies
	if copies == nil {
		copies = &filter.Copies{}
	}
	counter(ownMirrored, float64(copies.Answered.Load()), "answered")
	counter(ownMirrored, float64(copies.Failed.Load()), "failed")
	counter(ownMirrored, float64(copies.Dropped.Load()), "dropped")
	if p.sources.LogLinesDropped != nil {
		counter(ownLogDropped, float64(p.sources.LogLinesDropped()))
	} else {
		counter(ownLogDropped, 0)
	}

	gauge(procNum, 1)
	gauge(procStart, float64(p.start.Unix()))
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		counter(procCPU, time.Duration(usage.Utime.Nano()+usage.Stime.Nano()).Seconds())
	}
	if virtual, resident, ok := memory("/proc/self/statm"); ok {
		gauge(procVirtual, virtual)
		gauge(procResident, resident)
	}
	if read, ok := ioCounter("/proc/self/io", "read_bytes:"); ok {
		counter(procRead, read)
	}
	if write, ok := ioCounter("/proc/self/io", "write_bytes:"); ok {
		counter(procWrite, write)
	}
}

// memory reads the virtual and the resident size in bytes.
func memory(statm string) (virtual, resident float64, ok bool) {
	text, err := os.ReadFile(statm)
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	page := float64(os.Getpagesize())
	v, errV := strconv.ParseUint(string(fields[0]), 10, 64)
	r, errR := strconv.ParseUint(string(fields[1]), 10, 64)
	return float64(v) * page, float64(r) * page, errV == nil && errR == nil
}

// ioCounter reads one line of the process's I/O account.
func ioCounter(file, name string) (float64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 64)
			return float64(n), err == nil
		}
	}
	return 0, false
}

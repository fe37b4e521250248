package observe

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
)

// A series is found by three indexed loads from the route's handle, where client_golang would hash eight
// labels. Its histograms are one flat array of counters: one atomic addition for the bucket and one for
// the sum, both of integers, where client_golang has floats that cores must try again to add when they
// meet. With two cores on one route that is 110 ns against 380, and 1 KB a series against 8. A scrape adds
// the buckets up.

// series is the counter and the histograms of one complete set of labels.
type series struct {
	metrics  *Metrics
	labels   []*dto.LabelPair
	requests atomic.Uint64
	// counts are the buckets of all histograms, as Metrics.layout says; sums are in microseconds or bytes.
	counts []atomic.Uint64
	sums   [numHistograms]atomic.Int64
	// native replaces both if native histograms are asked for.
	native []prometheus.Histogram
}

// newSeries makes a series at zero.
func newSeries(f *family, method, status int) *series {
	m := f.metrics
	statusText := strconv.Itoa(status + 1000)[1:]
	if m.options.StatusClasses {
		statusText = statusText[:1] + "xx"
	}
	s := &series{metrics: m, labels: f.pairs()}
	s.labels = append(s.labels, pair("status", statusText), pair("method", methods[method]))
	sortPairs(s.labels)
	if m.options.BucketFactor > 1 {
		s.native = newNative(m)
		return s
	}
	total := 0
	for i := range m.layout {
		if m.histogram[i] != nil {
			total = max(total, m.layout[i].end())
		}
	}
	s.counts = make([]atomic.Uint64, total)
	return s
}

// newNative makes the histograms as client_golang has them, with native buckets.
func newNative(m *Metrics) []prometheus.Histogram {
	native := make([]prometheus.Histogram, numHistograms)
	for i, h := range histograms {
		if m.histogram[i] == nil {
			continue
		}
		native[i] = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + h.name, Help: h.help, Buckets: m.layout[i].bounds,
			NativeHistogramBucketFactor: m.options.BucketFactor, NativeHistogramMaxBucketNumber: m.options.MaxBuckets,
			NativeHistogramMinResetDuration: time.Hour,
		})
	}
	return native
}

// observe counts a finished exchange. What was not reached is not observed.
func (s *series) observe(x *filter.Exchange) {
	s.requests.Add(1)
	if x.NumAttempts > 0 {
		a := &x.Attempts[x.NumAttempts-1]
		s.add(connectDuration, int64(a.Connect))
		s.add(headerDuration, int64(a.Header))
		s.add(responseDuration, int64(a.Total))
	}
	s.add(requestDuration, int64(variable.Duration(x)))
	s.add(requestSize, variable.RequestLength(x))
	sent := variable.ResponseLength(x)
	s.add(responseSize, sent)
	s.add(bytesSent, sent)
}

// add observes one value in nanoseconds or bytes; negative ones are not observed.
func (s *series) add(histogram int, v int64) {
	if v < 0 || s.metrics.histogram[histogram] == nil {
		return
	}
	if s.native != nil {
		if histograms[histogram].time {
			s.native[histogram].Observe(time.Duration(v).Seconds())
		} else {
			s.native[histogram].Observe(float64(v))
		}
		return
	}
	s.counts[s.metrics.layout[histogram].index(v)].Add(1)
	if histograms[histogram].time {
		v = (v + 500) / 1000 // nanoseconds would overflow within days on a route with many long requests
	}
	s.sums[histogram].Add(v)
}

// send sends all that is exported of the series.
func (s *series) send(ch chan<- prometheus.Metric) {
	if s.metrics.requests != nil {
		ch <- sample{s, numHistograms}
	}
	for i, desc := range s.metrics.histogram {
		if desc != nil {
			ch <- sample{s, i}
		}
	}
}

// sample is one metric of a series: a histogram, or the counter under the index behind the last one.
type sample struct {
	*series
	index int
}

// Desc implements prometheus.Metric.
func (s sample) Desc() *prometheus.Desc {
	if s.index == numHistograms {
		return s.metrics.requests
	}
	return s.metrics.histogram[s.index]
}

// Write implements prometheus.Metric.
func (s sample) Write(out *dto.Metric) error {
	if s.native != nil && s.index != numHistograms {
		err := s.native[s.index].Write(out)
		out.Label = s.labels
		return err
	}
	out.Label = s.labels
	if s.index == numHistograms {
		n := float64(s.requests.Load())
		out.Counter = &dto.Counter{Value: &n}
		return nil
	}
	b := &s.metrics.layout[s.index]
	sum := float64(s.sums[s.index].Load())
	if histograms[s.index].time {
		sum /= 1e6
	}
	cumulative := make([]uint64, len(b.bounds))
	list := make([]dto.Bucket, len(b.bounds))
	h := &dto.Histogram{SampleSum: &sum, Bucket: make([]*dto.Bucket, len(b.bounds))}
	count := uint64(0)
	for i := range b.bounds {
		count += s.counts[b.first+i].Load()
		cumulative[i] = count
		list[i].CumulativeCount, list[i].UpperBound = &cumulative[i], &b.bounds[i]
		h.Bucket[i] = &list[i]
	}
	count += s.counts[b.end()-1].Load()
	h.SampleCount = &count
	out.Histogram = h
	return nil
}

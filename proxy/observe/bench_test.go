package observe

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yettproxy/yett/proxy/filter"
)

func BenchmarkObserve(b *testing.B) {
	m := NewMetrics(Options{})
	handle := m.Route(&route, "")
	b.Run("one core", func(b *testing.B) {
		x := newExchange()
		b.ReportAllocs()
		for b.Loop() {
			handle.Observe(x)
		}
	})
	b.Run("all cores, one route", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			x := newExchange()
			for pb.Next() {
				handle.Observe(x)
			}
		})
	})
}

// BenchmarkObserveReference is the same with client_golang's own types, children cached.
func BenchmarkObserveReference(b *testing.B) {
	var histograms [numHistograms]prometheus.Histogram
	for i := range histograms {
		histograms[i] = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: (&Options{}).boundsOf(i)})
	}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "y"})
	observe := func(x *filter.Exchange) {
		counter.Inc()
		a := &x.Attempts[0]
		for i, v := range [...]float64{a.Connect.Seconds(), a.Header.Seconds(), a.Total.Seconds(), x.End.Sub(x.Start).Seconds(), 310, 1234, 1234} {
			histograms[i].Observe(v)
		}
	}
	b.Run("one core", func(b *testing.B) {
		x := newExchange()
		b.ReportAllocs()
		for b.Loop() {
			observe(x)
		}
	})
	b.Run("all cores, one route", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			x := newExchange()
			for pb.Next() {
				observe(x)
			}
		})
	})
}

// BenchmarkNewSeries shows what a series costs in memory.
func BenchmarkNewSeries(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		f := &family{metrics: NewMetrics(Options{})}
		b.ReportAllocs()
		for b.Loop() {
			newSeries(f, 0, 200)
		}
	})
	b.Run("reference", func(b *testing.B) {
		f := &family{metrics: NewMetrics(Options{BucketFactor: 1})}
		b.ReportAllocs()
		for b.Loop() {
			newNative(f.metrics)
		}
	})
}

func BenchmarkScrape(b *testing.B) {
	m := NewMetrics(Options{})
	for i := range 2000 {
		o := route
		o.Path = fmt.Sprint("/", i)
		m.Route(&o, "").Observe(newExchange())
	}
	registry := prometheus.NewRegistry()
	if err := m.Register(registry); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

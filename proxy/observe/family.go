package observe

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	dto "github.com/prometheus/client_model/go"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
)

// labels are the label values that a route's series share.
type labels struct{ namespace, ingress, service, path, host string }

// entry is all there is for one set of labels. All but the families' contents is guarded by Metrics.mu.
type entry struct {
	primary  family
	canaries map[string]*family
	hosts    *hostMetrics
	seen     uint64
	// undefined says that the host is one that no Ingress names; pinned, that the entry never goes.
	undefined, pinned bool
}

// stale reports whether two generations did not ask for the entry.
func (e *entry) stale(generation uint64) bool { return e.seen+1 < generation }

// collect appends all series to dst.
func (e *entry) collect(dst []*series) []*series {
	dst = e.primary.collect(dst)
	for _, f := range e.canaries {
		dst = f.collect(dst)
	}
	return dst
}

// sweepCanaries drops the canaries that two generations did not ask for.
func (e *entry) sweepCanaries(generation uint64) (n int) {
	for name, f := range e.canaries {
		if f.seen+1 < generation {
			delete(e.canaries, name)
			n++
		}
	}
	return n
}

// RouteMetrics are the metrics of one route. A nil *RouteMetrics observes nothing.
type RouteMetrics struct {
	entry  *entry
	canary *family
	// hosts replaces entry by one for the host of the request, if set.
	hosts *hostMetrics
}

// Observe counts a finished exchange.
func (r *RouteMetrics) Observe(x *filter.Exchange) {
	if r == nil {
		return
	}
	if r.hosts != nil && x.Request.Host != "" {
		r = r.hosts.of(x.Request.Host, r)
	}
	f := &r.entry.primary
	if x.Canary != "" && r.canary != nil {
		f = r.canary
	}
	f.series(methodIndex(x.Request.Method), variable.Status(x)).observe(x)
}

// family is the series of one set of labels and one canary, by method and status.
type family struct {
	metrics *Metrics
	labels  labels
	canary  string
	seen    uint64
	// shared are the labels that all series have, made with the first.
	shared  atomic.Pointer[[]*dto.LabelPair]
	methods [numMethods]atomic.Pointer[[10]atomic.Pointer[[100]atomic.Pointer[series]]]
}

// series returns the series for a method and a status, made the first time.
func (f *family) series(method, status int) *series {
	if status < 0 || status > 999 {
		status = 0
	}
	if f.metrics.options.StatusClasses {
		status -= status % 100
	}
	if classes := f.methods[method].Load(); classes != nil {
		if statuses := classes[status/100].Load(); statuses != nil {
			if s := statuses[status%100].Load(); s != nil {
				return s
			}
		}
	}
	return f.add(method, status)
}

// add makes a series, unless another exchange has just made it.
func (f *family) add(method, status int) *series {
	f.methods[method].CompareAndSwap(nil, new([10]atomic.Pointer[[100]atomic.Pointer[series]]))
	classes := f.methods[method].Load()
	classes[status/100].CompareAndSwap(nil, new([100]atomic.Pointer[series]))
	slot := &classes[status/100].Load()[status%100]
	slot.CompareAndSwap(nil, newSeries(f, method, status))
	return slot.Load()
}

// collect appends all series to dst.
func (f *family) collect(dst []*series) []*series {
	for i := range f.methods {
		classes := f.methods[i].Load()
		if classes == nil {
			continue
		}
		for j := range classes {
			statuses := classes[j].Load()
			if statuses == nil {
				continue
			}
			for k := range statuses {
				if s := statuses[k].Load(); s != nil {
					dst = append(dst, s)
				}
			}
		}
	}
	return dst
}

// methods are those that nginx knows; all others are counted as the last.
var methods = [numMethods]string{
	"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "MKCOL", "COPY", "MOVE",
	"PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "OTHER",
}

const numMethods = 17

// methodIndex returns the index of a method.
func methodIndex(method string) int {
	for i := range numMethods - 1 {
		if methods[i] == method {
			return i
		}
	}
	return numMethods - 1
}

// pairs returns a new list of the labels that all series of the family share.
func (f *family) pairs() []*dto.LabelPair {
	shared := f.shared.Load()
	if shared == nil {
		o, l := &f.metrics.options, &f.labels
		list := []*dto.LabelPair{
			pair("controller_namespace", o.Namespace), pair("controller_class", o.Class), pair("controller_pod", o.Pod),
			pair("path", l.path), pair("namespace", l.namespace), pair("ingress", l.ingress), pair("service", l.service),
			pair("canary", f.canary),
		}
		if !o.NoHost {
			list = append(list, pair("host", l.host))
		}
		shared = &list
		f.shared.Store(shared)
	}
	return append(make([]*dto.LabelPair, 0, len(*shared)+2), *shared...)
}

// pair makes a label.
func pair(name, value string) *dto.LabelPair {
	value = text(value)
	return &dto.LabelPair{Name: &name, Value: &value}
}

// sortPairs sorts labels by name, as metrics must have them.
func sortPairs(list []*dto.LabelPair) {
	slices.SortFunc(list, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

// text makes a label value of s: they must be UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

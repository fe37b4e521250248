package mirror

import "sync/atomic"

const (
	// maxOwn and maxAll are how many copies may be under way at a time, of one Ingress and in all.
	maxOwn, maxAll = 100, 2000
	// maxBody is how long a body may be of which a copy is sent, in bytes.
	maxBody = 1 << 20
	// maxKept is how many bytes of bodies are kept at a time for all copies.
	maxKept = 64 << 20
)

// everything and ingress find a load in filter.State.
type (
	everything struct{}
	ingress    struct{ namespace, name string }
)

// load is what is under way: copies, and the bytes that are kept of bodies, which only count in all.
type load struct{ copies, bytes atomic.Int64 }

// begin makes room for a copy, if there is any.
func (l *load) begin(most int64) bool {
	if l.copies.Add(1) > most {
		l.copies.Add(-1)
		return false
	}
	return true
}

// keep makes room for bytes of a body, if there is any.
func (l *load) keep(n int64) bool {
	if l.bytes.Add(n) > maxKept {
		l.bytes.Add(-n)
		return false
	}
	return true
}

// begin makes room for a copy, if there is any.
func (m *mirror) begin() bool {
	if !m.own.begin(maxOwn) {
		return false
	}
	if !m.all.begin(maxAll) {
		m.own.copies.Add(-1)
		return false
	}
	return true
}

// end gives the room of a copy back, and that of the bytes kept for it.
func (m *mirror) end(kept int64) {
	m.own.copies.Add(-1)
	m.all.copies.Add(-1)
	m.all.bytes.Add(-kept)
}

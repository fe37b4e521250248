package annotations

import (
	"encoding/binary"
	"maps"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/guard"
)

// An Applier is Apply for rebuilds, where thousands of Ingresses are read again although one has changed, and where most
// of them carry the same few annotations. What Apply returns follows from the annotations and the ConfigMap alone, unless a
// family asked for an object or for the namespace; so it can be remembered by the annotations.
//
// The surprise: results that depend on objects are never remembered, since nobody tells when a Secret changes.

// Applier remembers what annotations mean as long as the ConfigMap stays the same. It belongs to one goroutine.
type Applier struct {
	catalogue *Catalogue
	globals   map[string]string
	rules     guard.Rules
	// last are the results that the last rebuild used, now those that this one has used so far.
	last, now map[string]result
	key       []byte
}

// result is what Apply returned.
type result struct {
	intent   *feature.Intent
	problems []feature.Problem
}

// NewApplier returns an Applier that remembers nothing.
func NewApplier() *Applier { return newApplier(all) }

// newApplier returns an Applier for a catalogue.
func newApplier(c *Catalogue) *Applier { return &Applier{catalogue: c} }

// Begin starts a rebuild with the data of the controller's ConfigMap, which must not change during it. What the
// last rebuild did not use is forgotten, and everything if the data differ.
func (a *Applier) Begin(globals map[string]string) {
	if a.now == nil || !maps.Equal(a.globals, globals) {
		a.now = nil
		a.rules = a.catalogue.readRules(globals)
	}
	a.globals = maps.Clone(globals)
	a.last, a.now = a.now, make(map[string]result, len(a.now))
}

// Apply is the function Apply; src.Globals must be what Begin was told. The intent is the caller's own, but what its slices
// point to is shared and must not be changed; the problems are shared too.
func (a *Applier) Apply(src *feature.Source) (*feature.Intent, []feature.Problem) {
	sheet := a.catalogue.open(src, &a.rules)
	a.key = appendKey(a.key[:0], sheet)
	r, ok := a.now[string(a.key)]
	if !ok {
		if r, ok = a.last[string(a.key)]; !ok {
			r.intent, r.problems = a.catalogue.apply(sheet, &a.rules)
			if sheet.Consulted() {
				return r.intent, r.problems
			}
		}
		a.now[string(a.key)] = r
	}
	return own(r.intent), r.problems
}

// own returns a copy of an intent that may be changed and appended to without changing the original.
func own(i *feature.Intent) *feature.Intent {
	c := *i
	c.Filters = c.Filters[:len(c.Filters):len(c.Filters)]
	c.Host.Aliases = c.Host.Aliases[:len(c.Host.Aliases):len(c.Host.Aliases)]
	if i.Canary != nil {
		canary := *i.Canary
		c.Canary = &canary
	}
	return &c
}

// appendKey appends the annotations to dst such that no two lists of them look the same.
func appendKey(dst []byte, sheet *feature.Sheet) []byte {
	for _, e := range sheet.Entries() {
		dst = binary.AppendUvarint(dst, uint64(e.Prefix)<<1|ownBit(e.Own))
		for _, s := range [...]string{e.Name, e.Value} {
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}

// ownBit returns 1 for true.
func ownBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

package feature

import (
	"fmt"
	"strings"
)

// Reader hands out the values of the keys that one family declares. It reports everything it had to
// refuse and never fails itself.
type Reader struct {
	sheet    *Sheet
	keys     *KeySet
	problems []Problem
	deny     bool
}

// NewReader returns a reader of the keys a family declares. Asking it for another key panics: that is a
// bug of the family, found by its first test. With Annotations nil it reads the ConfigMap alone, as
// Configure sees it. All families of one Ingress share a Sheet instead.
func NewReader(src *Source, keys []Key) *Reader {
	f := Family{Keys: keys}
	if src.Annotations == nil {
		return OpenConfigMap(src).Reader(f.KeySet())
	}
	return Open(src).Reader(f.KeySet())
}

// Problems returns what was refused so far, and whether any of it denies the routes.
func (r *Reader) Problems() ([]Problem, bool) { return r.problems, r.deny }

// Namespace is the namespace of the object that is read.
func (r *Reader) Namespace() string {
	r.sheet.consulted = true
	return r.sheet.src.Namespace
}

// Objects finds what annotations refer to.
func (r *Reader) Objects() Objects {
	r.sheet.consulted = true
	if r.sheet.src.Objects == nil {
		return noObjects{}
	}
	return r.sheet.src.Objects
}

// noObjects stands for a Source without objects.
type noObjects struct{}

var _ Objects = noObjects{}

func (noObjects) Secret(string, string) (map[string][]byte, bool)    { return nil, false }
func (noObjects) ConfigMap(string, string) (map[string]string, bool) { return nil, false }
func (noObjects) HasService(string, string) bool                     { return false }

// key returns the declaration of a key.
func (r *Reader) key(name string) *declaration {
	k, ok := r.keys.keys[name]
	if !ok {
		panic("feature: key " + name + " is read but not declared")
	}
	return k
}

// maxShown is how much of a bad value a Problem repeats, in bytes.
const maxShown = 128

// Shown cuts a value to the length that a Problem repeats.
func Shown(v string) string {
	if len(v) <= maxShown {
		return v
	}
	return strings.ToValidUTF8(v[:maxShown], "") + "…"
}

// Refuse notes that the value of a key cannot be honoured, with the reason in words. What follows is
// declared on the key.
func (r *Reader) Refuse(name, format string, args ...any) {
	k := r.key(name)
	r.reportSet(k, Problem{Reason: fmt.Sprintf(format, args...), Denied: k.OnInvalid == DenyRoute, Reject: true})
}

// Lack notes like Refuse that a value cannot be honoured, because of the object that it names: there is none, or it does not
// hold what it must. The Ingress itself may be right, and its Secret still to come, so admission lets it pass.
func (r *Reader) Lack(name, format string, args ...any) {
	k := r.key(name)
	r.reportSet(k, Problem{Reason: fmt.Sprintf(format, args...), Denied: k.OnInvalid == DenyRoute})
}

// Block notes like Refuse that a value cannot be honoured, and denies the routes whatever the key declares: for
// single values whose absence would be worse than no service.
func (r *Reader) Block(name, format string, args ...any) {
	r.reportSet(r.key(name), Problem{Reason: fmt.Sprintf(format, args...), Denied: true, Reject: true})
}

// Warn notes that part of a value cannot be honoured while the rest is, such as one bad line of many. It denies
// nothing, whatever the key declares.
func (r *Reader) Warn(name, format string, args ...any) {
	r.reportSet(r.key(name), Problem{Reason: fmt.Sprintf(format, args...)})
}

// Remark notes something worth knowing about a key whose value is honoured.
func (r *Reader) Remark(name, format string, args ...any) {
	r.reportSet(r.key(name), Problem{Reason: fmt.Sprintf(format, args...), Note: true})
}

// reportSet notes a problem with the value that is set for a key.
func (r *Reader) reportSet(k *declaration, p Problem) {
	v, source := r.text(k)
	p.Value, p.Global = v, source == fromConfigMap
	p.Reject = p.Reject && !p.Global
	r.report(k, p)
}

// report completes a problem and notes it.
func (r *Reader) report(k *declaration, p Problem) {
	p.Key, p.Value = k.Name, Shown(p.Value)
	if p.Global {
		p.Key = r.globalName(k)
	}
	r.problems = append(r.problems, p)
	r.deny = r.deny || p.Denied
}

// origin says where a value stands.
type origin uint8

const (
	nowhere origin = iota
	fromAnnotation
	fromConfigMap
)

// annotation returns the text of an annotation under any prefix and any of its names.
func (r *Reader) annotation(k *declaration) (string, bool) {
	if k.setting || len(r.sheet.entries) == 0 {
		return "", false
	}
	if v, ok := r.sheet.find(k.Name, k.Own); ok {
		return v, true
	}
	for _, name := range k.Aliases {
		if v, ok := r.sheet.find(name, k.Own); ok {
			return v, true
		}
	}
	return "", false
}

// globalName returns the ConfigMap key that a declaration is set by, or "".
func (r *Reader) globalName(k *declaration) string {
	if k.global == "" && r.sheet.configMap {
		return k.Name
	}
	return k.global
}

// text returns what is set for a key: by annotation, else by the ConfigMap.
func (r *Reader) text(k *declaration) (string, origin) {
	if v, ok := r.annotation(k); ok {
		return v, fromAnnotation
	}
	return r.global(k)
}

// global returns what the ConfigMap sets for a key.
func (r *Reader) global(k *declaration) (string, origin) {
	if global := r.globalName(k); global != "" && len(r.sheet.src.Globals) != 0 {
		if v := clean(r.sheet.src.Globals[global]); v != "" {
			return v, fromConfigMap
		}
	}
	return "", nowhere
}

// Has reports whether a key is set, by the Ingress or by the ConfigMap.
func (r *Reader) Has(name string) bool {
	_, source := r.text(r.key(name))
	return source != nowhere
}

// HasAnnotation reports whether the Ingress itself sets a key.
func (r *Reader) HasAnnotation(name string) bool {
	_, ok := r.annotation(r.key(name))
	return ok
}

// Present reports whether the Ingress carries the key at all, even with an empty value.
func (r *Reader) Present(name string) bool {
	k := r.key(name)
	for i := range r.sheet.entries {
		e := &r.sheet.entries[i]
		if k.setting || k.Own && !e.Own {
			continue
		}
		if e.Name == k.Name {
			return true
		}
		for _, alias := range k.Aliases {
			if e.Name == alias {
				return true
			}
		}
	}
	return false
}

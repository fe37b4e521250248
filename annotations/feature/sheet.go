package feature

import (
	"slices"
	"strings"
)

// Objects finds what annotations refer to. Implementations answer from memory.
type Objects interface {
	// Secret returns the data of a Secret, or false if there is none.
	Secret(namespace, name string) (map[string][]byte, bool)
	// ConfigMap returns the data of a ConfigMap, or false if there is none.
	ConfigMap(namespace, name string) (map[string]string, bool)
	// HasService says whether there is a Service of this name.
	HasService(namespace, name string) bool
}

// Source is what a Reader reads from.
type Source struct {
	// Namespace is that of the Ingress, or of the controller's ConfigMap.
	Namespace string
	// Annotations are those of the Ingress; nil while the ConfigMap itself is read.
	Annotations map[string]string
	// Prefixes are tried in order; the first that has the key wins.
	Prefixes []string
	// Globals are the data of the controller's ConfigMap.
	Globals map[string]string
	Objects Objects
	// CrossNamespace allows references to other namespaces (allow-cross-namespace-resources).
	CrossNamespace bool
}

// Entry is one annotation under one of our prefixes.
type Entry struct {
	// Name is the key without its prefix, Value its value without white space around the lines.
	Name, Value string
	// Prefix is the place of its prefix in Source.Prefixes.
	Prefix int
	// Own says that it stands under YettPrefix.
	Own bool
}

// Sheet is what one Source says, read once for all families: the annotations under our prefixes, sorted by
// name and then by the rank of their prefix. It belongs to one goroutine.
type Sheet struct {
	src       *Source
	entries   []Entry
	configMap bool
	consulted bool
}

// Open reads the annotations of an Ingress; having none at all is fine.
func Open(src *Source) *Sheet {
	s := &Sheet{src: src}
	for key, value := range src.Annotations {
		for i, prefix := range src.Prefixes {
			if name, ok := strings.CutPrefix(key, prefix); ok && name != "" {
				s.entries = append(s.entries, Entry{Name: name, Value: clean(value), Prefix: i, Own: prefix == YettPrefix})
				break
			}
		}
	}
	slices.SortFunc(s.entries, func(a, b Entry) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Prefix - b.Prefix
	})
	return s
}

// OpenConfigMap reads the controller's ConfigMap, Source.Globals; annotations are not looked at.
func OpenConfigMap(src *Source) *Sheet { return &Sheet{src: src, configMap: true} }

// Entries returns what was read, to be read only.
func (s *Sheet) Entries() []Entry { return s.entries }

// Drop forgets the entries for which drop returns true, as if they had not been written.
func (s *Sheet) Drop(drop func(*Entry) bool) {
	s.entries = slices.DeleteFunc(s.entries, func(e Entry) bool { return drop(&e) })
}

// Consulted reports whether a reader has asked for an object or for the namespace. If not, everything that was read
// follows from annotations and ConfigMap alone.
func (s *Sheet) Consulted() bool { return s.consulted }

// Reader returns a reader of the keys of one family.
func (s *Sheet) Reader(keys *KeySet) *Reader { return &Reader{sheet: s, keys: keys} }

// find returns the first value of an annotation that is not empty, by the rank of the prefixes.
func (s *Sheet) find(name string, own bool) (string, bool) {
	for i := range s.entries {
		if e := &s.entries[i]; e.Name == name && e.Value != "" && (e.Own || !own) {
			return e.Value, true
		}
	}
	return "", false
}

// clean trims white space around every line, as ingress-nginx does.
func clean(v string) string {
	if !strings.Contains(v, "\n") {
		return strings.TrimSpace(v)
	}
	lines := strings.Split(v, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Where problems are found in the files: for people at an editor.

// Mistakes returns what is wrong with the files as such, as the last Read found it: refused tells files of which nothing of the
// present text is used, warned what was left out of the others. Both are sorted by file and line.
func (f *Files) Mistakes() (refused, warned []*ManifestError) {
	for file, err := range f.bad {
		var m *ManifestError
		switch {
		case err == nil:
		case errors.As(err, &m):
			refused = append(refused, m)
		default:
			refused = append(refused, &ManifestError{file, 1, err.Error()})
		}
	}
	for file, m := range f.good {
		if f.bad[file] == nil {
			warned = append(warned, m.Warnings...)
		}
	}
	order := func(a, b *ManifestError) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) }
	slices.SortFunc(refused, order)
	slices.SortFunc(warned, order)
	return refused, warned
}

// Find returns where an object stands that the last Read returned: the line of the first of keys that its document has, or
// the first of the document. kind is as in Kubernetes; keys are with prefix, or as in the spec. It returns "" if no file has the
// object.
func (f *Files) Find(kind string, name types.NamespacedName, keys ...string) (file string, line int) {
	for _, path := range slices.Sorted(maps.Keys(f.good)) {
		m := f.good[path]
		for i, o := range m.Objects {
			if o.GetName() == name.Name && o.GetNamespace() == name.Namespace && strings.HasSuffix(fmt.Sprintf("%T", o), "."+kind) {
				file, line = path, f.lineOf(path, m.Lines[i], keys) // of several the last is in use
			}
		}
	}
	return file, line
}

// lineOf returns the line of the first key that the document has which begins on a line.
func (f *Files) lineOf(file string, begin int, keys []string) int {
	for _, doc := range splitDocuments([]byte(f.seen[file])) {
		if doc.line != begin {
			continue
		}
		for _, key := range keys {
			if line := lineOfKey(doc, key); key != "" && line != begin {
				return line
			}
		}
	}
	return begin
}

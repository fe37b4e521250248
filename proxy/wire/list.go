package wire

import (
	"slices"
	"sync"
)

// Field is one line of a head: its name as it was sent, its value without surrounding white space.
type Field struct {
	Name  string
	Value string
	ID    ID
}

// Fields is the ordered list of the fields of a head or of trailers. Order, repetition and case are
// those of the sender (RFC 9110 section 5.3). The zero value is empty and ready to use.
//
// A list keeps the memory of a usual head for the next one. What a longer one takes it borrows and gives back, since it is a
// multiple, and who sends a thousand long heads at once should not find that each of them is paid for several times. That is why
// a Fields must not be copied, but may be moved.
type Fields struct {
	list []Field
	own  *[usualFields]Field // the memory of a usual head, while list is borrowed or longer still
}

const (
	// usualFields are how many fields a list holds in memory of its own.
	usualFields = 24
	// longFields are how many fit into memory that is borrowed: as many as the limits allow by default, and those that the proxy
	// adds. It fills a size that the allocator has.
	longFields = 121
)

// longLists is memory and nothing else.
var longLists = sync.Pool{New: func() any { return new([longFields]Field) }}

// grow makes room for another field.
func (f *Fields) grow() {
	switch n := len(f.list); {
	case n < usualFields/3:
		f.list = append(make([]Field, 0, usualFields/3), f.list...)
	case n < usualFields:
		f.list = append(make([]Field, 0, usualFields), f.list...)
	case f.own == nil:
		long := append(longLists.Get().(*[longFields]Field)[:0], f.list...)
		clear(f.list)
		f.own, f.list = (*[usualFields]Field)(f.list), long
	default: // beyond the default limits
		long := slices.Grow(f.list, 1)
		f.giveBack()
		f.list = long
	}
}

// giveBack gives back what was borrowed, unless it was too short. Not inlined: what is rare should not take room on the stacks of all
// that empty a list.
//
//go:noinline
func (f *Fields) giveBack() {
	if cap(f.list) == longFields {
		clear(f.list)
		longLists.Put((*[longFields]Field)(f.list[:longFields]))
	}
}

// Len returns the number of fields.
func (f *Fields) Len() int { return len(f.list) }

// At returns field i, to be read only.
func (f *Fields) At(i int) *Field { return &f.list[i] }

// All returns the fields in order. The slice is valid until the next change and must only be read.
func (f *Fields) All() []Field { return f.list }

// Reset empties the list and keeps its memory.
func (f *Fields) Reset() {
	if f.own != nil {
		f.giveBack()
		f.list, f.own = f.own[:0], nil
	}
	clear(f.list)
	f.list = f.list[:0]
}

// Add appends a field, known or not.
func (f *Fields) Add(name, value string) {
	f.Append(Field{Name: name, Value: value, ID: Lookup(name)})
}

// AddKnown appends a known field in the proxy's own spelling.
func (f *Fields) AddKnown(id ID, value string) {
	f.Append(Field{Name: names[id], Value: value, ID: id})
}

// Append appends a field whose ID the caller has looked up already.
func (f *Fields) Append(field Field) {
	if len(f.list) == cap(f.list) {
		f.grow()
	}
	f.list = append(f.list, field)
}

// Extend appends an empty field and returns it to be filled in, which spares a parser a copy.
func (f *Fields) Extend() *Field {
	if len(f.list) == cap(f.list) {
		f.grow()
	}
	f.list = f.list[:len(f.list)+1]
	return &f.list[len(f.list)-1]
}

// Get returns the value of the first field with a known ID, and whether there is one.
func (f *Fields) Get(id ID) (string, bool) {
	for i := range f.list {
		if f.list[i].ID == id {
			return f.list[i].Value, true
		}
	}
	return "", false
}

// Value returns the value of the first field with a known ID, or "".
func (f *Fields) Value(id ID) string {
	v, _ := f.Get(id)
	return v
}

// Has reports whether there is a field with a known ID.
func (f *Fields) Has(id ID) bool {
	_, ok := f.Get(id)
	return ok
}

// Find returns the value of the first field called name, in any case, and whether there is one.
func (f *Fields) Find(name string) (string, bool) {
	if id := Lookup(name); id != Other {
		return f.Get(id)
	}
	for i := range f.list {
		if f.list[i].ID == Other && EqualFold(f.list[i].Name, name) {
			return f.list[i].Value, true
		}
	}
	return "", false
}

// Set replaces all fields called name by one, at the end of the list.
func (f *Fields) Set(name, value string) {
	f.Del(name)
	f.Add(name, value)
}

// SetKnown replaces all fields with a known ID by one, at the end of the list.
func (f *Fields) SetKnown(id ID, value string) {
	f.DelKnown(id)
	f.AddKnown(id, value)
}

// Del removes all fields called name, in any case.
func (f *Fields) Del(name string) {
	id := Lookup(name)
	if id != Other {
		f.DelKnown(id)
		return
	}
	f.remove(func(x *Field) bool { return x.ID == Other && EqualFold(x.Name, name) })
}

// DelKnown removes all fields with a known ID.
func (f *Fields) DelKnown(id ID) {
	f.remove(func(x *Field) bool { return x.ID == id })
}

// Drop removes all fields that match.
func (f *Fields) Drop(match func(*Field) bool) { f.remove(match) }

// remove drops the fields that match, in place and in order.
func (f *Fields) remove(match func(*Field) bool) {
	n := 0
	for i := range f.list {
		if match(&f.list[i]) {
			continue
		}
		if n != i {
			f.list[n] = f.list[i]
		}
		n++
	}
	clear(f.list[n:])
	f.list = f.list[:n]
}

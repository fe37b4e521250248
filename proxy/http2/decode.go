package http2

import (
	"errors"

	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/wire"
)

// Heads are decoded here (RFC 7541), all but Huffman codes. golang.org/x/net/http2/hpack keeps two maps beside its table, which an idle
// connection has no use for; it makes a string of everything on the heap; and it takes table size updates where there may be none while
// refusing two at the beginning, where there may be two. Here what does not enter the table is copied to the memory of
// the exchange, and the fields of the table know their IDs.

// What can be wrong with a head. All mean that the tables of both sides differ from now on.
var (
	errIndex   = errors.New("decode head: index is in no table")
	errInteger = errors.New("decode head: integer too large")
	errUpdate  = errors.New("decode head: misplaced table size update")
	errText    = errors.New("decode head: malformed Huffman code")
	errCut     = errors.New("decode head: cut short")
)

// taker is given the fields of a head in their order.
type taker interface{ take(f *wire.Field) }

// decoder decodes the heads of one direction of a connection, one after the other.
type decoder struct {
	taker taker
	// arena is where strings go that nobody remembers; nil for the heap, and for recent.
	arena  *wire.Arena
	recent *recent
	// silent says that nobody wants the fields: the table is kept all the same.
	silent bool
	fields bool // the head has one already

	rest  []byte
	text  appender
	field wire.Field // the one being decoded

	// The table is a ring: the newest entry is entries[newest], and those before it are older.
	entries       []wire.Field
	newest, count int
	size, most    int32 // in bytes, counted as section 4.1 does
}

// appender is where Huffman codes are decoded to.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// write decodes a piece of a head.
func (d *decoder) write(p []byte) error {
	if len(d.rest) > 0 {
		d.rest = append(d.rest, p...)
		p = d.rest
	}
	used := 0
	for used < len(p) {
		n, err := d.next(p[used:])
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		used += n
	}
	if used > 0 || len(d.rest) == 0 {
		d.rest = append(d.rest[:0], p[used:]...)
	}
	return nil
}

// close ends a head.
func (d *decoder) close() error {
	if len(d.rest) > 0 {
		return errCut
	}
	if d.arena != nil || cap(d.text.b) > recentLength {
		d.text.b = nil
	}
	d.rest, d.fields, d.arena, d.field = nil, false, nil, wire.Field{}
	return nil
}

// next decodes one field and returns its length; 0 if not all of it is there.
func (d *decoder) next(p []byte) (n int, err error) {
	f := &d.field
	*f = wire.Field{}
	switch first := p[0]; {
	case first >= 0x80:
		i, n, err := integer(p, 0x7f)
		if n == 0 || err != nil {
			return 0, err
		}
		e := d.at(i)
		if e == nil {
			return 0, errIndex
		}
		*f = *e
		d.emit(f)
		return n, nil
	case first >= 0x40:
		n, err = d.literal(p, 0x3f, true, f)
	case first >= 0x20:
		return d.resize(p)
	default:
		n, err = d.literal(p, 0x0f, false, f)
	}
	if n > 0 && err == nil {
		d.emit(f)
	}
	return n, err
}

// emit hands a field over.
func (d *decoder) emit(f *wire.Field) {
	d.fields = true
	if !d.silent {
		d.taker.take(f)
	}
}

// at returns an entry of the static or the dynamic table, or nil.
func (d *decoder) at(i int) *wire.Field {
	if i <= len(staticTable) {
		if i == 0 {
			return nil
		}
		return &staticTable[i-1]
	}
	if i -= len(staticTable) + 1; i >= d.count {
		return nil
	}
	return &d.entries[(d.newest-i)&(len(d.entries)-1)]
}

// literal decodes a field that is not in a table, except perhaps its name. It is remembered if keep is set.
func (d *decoder) literal(p []byte, mask byte, keep bool, f *wire.Field) (n int, err error) {
	i, n, err := integer(p, mask)
	if n == 0 || err != nil {
		return 0, err
	}
	var name, value stringLiteral
	if i == 0 {
		if n, err = name.cut(p, n); n == 0 || err != nil {
			return 0, err
		}
	} else if e := d.at(i); e != nil {
		*f = *e
	} else {
		return 0, errIndex
	}
	if n, err = value.cut(p, n); n == 0 || err != nil {
		return 0, err
	}
	if d.silent && !keep {
		d.fields = true
		return n, nil
	}
	if i == 0 {
		if f.Name, err = d.string(name, keep); err != nil {
			return 0, err
		}
		f.ID = wire.Lookup(f.Name)
	}
	if f.Value, err = d.string(value, keep); err != nil {
		return 0, err
	}
	if keep {
		d.add(f)
	}
	return n, nil
}

// stringLiteral is a string as it was sent.
type stringLiteral struct {
	p       []byte
	huffman bool
}

// cut finds a string at p[at:] and returns where it ends; 0 if not all of it is there.
func (s *stringLiteral) cut(p []byte, at int) (end int, err error) {
	if at == len(p) {
		return 0, nil
	}
	length, n, err := integer(p[at:], 0x7f)
	if n == 0 || err != nil || len(p)-at-n < length {
		return 0, err
	}
	s.p, s.huffman = p[at+n:at+n+length], p[at]&0x80 != 0
	return at + n + length, nil
}

// string returns a string: on the heap if it is to be kept.
func (d *decoder) string(s stringLiteral, keep bool) (string, error) {
	p := s.p
	if s.huffman {
		if d.arena != nil {
			d.text.b = d.arena.Begin()
		} else {
			d.text.b = d.text.b[:0]
		}
		if _, err := hpack.HuffmanDecode(&d.text, p); err != nil {
			return "", errText
		}
		p = d.text.b
	}
	switch {
	case keep:
		return string(p), nil
	case d.arena == nil:
		if d.recent == nil {
			d.recent = newRecent()
		}
		return d.recent.string(p), nil
	case s.huffman:
		return d.arena.End(p), nil
	}
	return d.arena.Copy(p), nil
}

// integer decodes an integer (section 5.1) and returns its length; 0 if not all of it is there.
func integer(p []byte, mask byte) (value, n int, err error) {
	value = int(p[0] & mask)
	if value < int(mask) {
		return value, 1, nil
	}
	for i := 1; i < len(p); i++ {
		if i > 4 {
			return 0, 0, errInteger // beyond every limit
		}
		value += int(p[i]&0x7f) << (7 * (i - 1))
		if p[i] < 0x80 {
			return value, i + 1, nil
		}
	}
	return 0, 0, nil
}

// resize takes a table size update, which must stand before the first field (section 4.2).
func (d *decoder) resize(p []byte) (n int, err error) {
	size, n, err := integer(p, 0x1f)
	if n == 0 || err != nil {
		return 0, err
	}
	if d.fields || size > tableSize {
		return 0, errUpdate
	}
	d.most = int32(size)
	d.evict(0)
	return n, nil
}

// add remembers a field.
func (d *decoder) add(f *wire.Field) {
	size := len(f.Name) + len(f.Value) + fieldOverhead
	d.evict(size)
	if size > int(d.most) {
		return // section 4.4: the table is empty now
	}
	if d.count == len(d.entries) {
		d.grow()
	}
	d.newest = (d.newest + 1) & (len(d.entries) - 1)
	d.entries[d.newest] = *f
	d.count++
	d.size += int32(size)
}

// evict drops the oldest entries until there is room.
func (d *decoder) evict(room int) {
	for d.count > 0 && int(d.size)+room > int(d.most) {
		e := &d.entries[(d.newest-d.count+1)&(len(d.entries)-1)]
		d.size -= int32(len(e.Name) + len(e.Value) + fieldOverhead)
		*e = wire.Field{}
		d.count--
	}
}

// grow doubles the ring.
func (d *decoder) grow() {
	list := make([]wire.Field, max(8, 2*len(d.entries)))
	for i := range d.count {
		list[i] = d.entries[(d.newest-d.count+1+i)&(len(d.entries)-1)]
	}
	d.entries, d.newest = list, d.count-1
}

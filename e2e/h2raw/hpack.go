package h2raw

import (
	"errors"
	"fmt"
)

// Field is a name with its value.
type Field struct{ Name, Value string }

// static is the table of RFC 7541 appendix A; index 1 is its first entry.
var static = [...]Field{
	{":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"}, {":scheme", "http"},
	{":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"}, {":status", "304"}, {":status", "400"},
	{":status", "404"}, {":status", "500"}, {"accept-charset", ""}, {"accept-encoding", "gzip, deflate"}, {"accept-language", ""},
	{"accept-ranges", ""}, {"accept", ""}, {"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""},
	{"cache-control", ""}, {"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""}, {"expect", ""},
	{"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""}, {"if-none-match", ""}, {"if-range", ""},
	{"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""}, {"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""},
	{"proxy-authorization", ""}, {"range", ""}, {"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""}, {"www-authenticate", ""},
}

// table is what both sides remember of fields (RFC 7541 section 2.3): the newest one first.
type table struct {
	list      []Field
	size, max int
}

// at returns an entry of both tables.
func (t *table) at(i int) (Field, error) {
	switch {
	case i >= 1 && i <= len(static):
		return static[i-1], nil
	case i > len(static) && i <= len(static)+len(t.list):
		return t.list[i-len(static)-1], nil
	}
	return Field{}, fmt.Errorf("decode head: index %d is in no table", i)
}

// find returns the index of a field, and that of an entry with its name; 0 for none.
func (t *table) find(f Field) (whole, name int) {
	for i := 1; i <= len(static)+len(t.list); i++ {
		e, _ := t.at(i)
		if e == f {
			return i, i
		}
		if e.Name == f.Name && name == 0 {
			name = i
		}
	}
	return 0, name
}

// add enters a field (sections 4.1 and 4.4).
func (t *table) add(f Field) {
	t.list = append([]Field{f}, t.list...)
	t.size += len(f.Name) + len(f.Value) + 32
	t.evict()
}

// evict drops the oldest entries until the size fits.
func (t *table) evict() {
	for t.size > t.max {
		f := t.list[len(t.list)-1]
		t.list = t.list[:len(t.list)-1]
		t.size -= len(f.Name) + len(f.Value) + 32
	}
}

// resize changes the size (section 4.3).
func (t *table) resize(n int) {
	t.max = n
	t.evict()
}

// Int appends an integer behind the first bits of a byte (section 5.1).
func Int(b []byte, first byte, prefix int, n int) []byte {
	most := 1<<prefix - 1
	if n < most {
		return append(b, first|byte(n))
	}
	b = append(b, first|byte(most))
	for n -= most; n >= 128; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// String appends a string literal (section 5.2).
func String(b []byte, text string, huffman bool) []byte {
	if huffman {
		p := Huffman(text)
		return append(Int(b, 0x80, 7, len(p)), p...)
	}
	return append(Int(b, 0, 7, len(text)), text...)
}

// How a field may be written (section 6).
type How uint8

// The representations.
const (
	Shortest    How = iota // indexed if it is in a table, else a literal that enters the table
	Incremental            // a literal that enters the table (6.2.1)
	Without                // a literal that does not (6.2.2)
	Never                  // a literal that never must (6.2.3)
)

// Encoder writes heads.
type Encoder struct {
	table table
	// Huffman says whether strings are Huffman-coded.
	Huffman bool
}

// NewEncoder returns an encoder with a table of the usual size.
func NewEncoder() *Encoder { return &Encoder{table: table{max: 4096}} }

// Resize appends a dynamic table size update (section 6.3).
func (e *Encoder) Resize(b []byte, n int) []byte {
	e.table.resize(n)
	return Int(b, 0x20, 5, n)
}

// Field appends a field.
func (e *Encoder) Field(b []byte, f Field, how How) []byte {
	whole, name := e.table.find(f)
	switch how {
	case Shortest, Incremental:
		if how == Shortest && whole > 0 {
			return Int(b, 0x80, 7, whole)
		}
		b = Int(b, 0x40, 6, name)
		e.table.add(f)
	case Without:
		b = Int(b, 0, 4, name)
	case Never:
		b = Int(b, 0x10, 4, name)
	}
	if name == 0 {
		b = String(b, f.Name, e.Huffman)
	}
	return String(b, f.Value, e.Huffman)
}

// Block returns a block of fields, the shortest way.
func (e *Encoder) Block(fields ...Field) (b []byte) {
	for _, f := range fields {
		b = e.Field(b, f, Shortest)
	}
	return b
}

// Decoder reads heads and is strict about it.
type Decoder struct {
	table table
	// Updates counts table size updates.
	Updates int
}

// NewDecoder returns a decoder with a table of the usual size.
func NewDecoder() *Decoder { return &Decoder{table: table{max: 4096}} }

var errShort = errors.New("decode head: cut short")

// Decode decodes a block.
func (d *Decoder) Decode(p []byte) (fields []Field, err error) {
	for len(p) > 0 {
		first, n := p[0], 0
		switch {
		case first&0x80 != 0:
			if n, p, err = readInt(p, 7); err != nil {
				return nil, err
			}
			f, err := d.table.at(n)
			if err != nil {
				return nil, err
			}
			fields = append(fields, f)
		case first&0xe0 == 0x20:
			if n, p, err = readInt(p, 5); err != nil {
				return nil, err
			}
			if len(fields) > 0 {
				return nil, errors.New("decode head: table size update behind a field")
			}
			if n > 4096 {
				return nil, fmt.Errorf("decode head: table size update to %d", n)
			}
			d.table.resize(n)
			d.Updates++
		default:
			var f Field
			prefix := 4
			if first&0xc0 == 0x40 {
				prefix = 6
			}
			if f, p, err = d.literal(p, prefix); err != nil {
				return nil, err
			}
			if prefix == 6 {
				d.table.add(f)
			}
			fields = append(fields, f)
		}
	}
	return fields, nil
}

// literal reads a literal field.
func (d *Decoder) literal(p []byte, prefix int) (f Field, rest []byte, err error) {
	n, p, err := readInt(p, prefix)
	if err != nil {
		return f, nil, err
	}
	if n > 0 {
		if f, err = d.table.at(n); err != nil {
			return f, nil, err
		}
	} else if f.Name, p, err = readString(p); err != nil {
		return f, nil, err
	}
	f.Value, p, err = readString(p)
	return f, p, err
}

// readInt reads an integer behind the first bits of a byte.
func readInt(p []byte, prefix int) (n int, rest []byte, err error) {
	if len(p) == 0 {
		return 0, nil, errShort
	}
	most := 1<<prefix - 1
	if n = int(p[0]) & most; n < most {
		return n, p[1:], nil
	}
	for i, b := range p[1:] {
		if i > 4 {
			return 0, nil, errors.New("decode head: integer too large")
		}
		n += int(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			return n, p[i+2:], nil
		}
	}
	return 0, nil, errShort
}

// readString reads a string literal.
func readString(p []byte) (text string, rest []byte, err error) {
	if len(p) == 0 {
		return "", nil, errShort
	}
	huffman := p[0]&0x80 != 0
	n, p, err := readInt(p, 7)
	switch {
	case err != nil:
		return "", nil, err
	case n > len(p):
		return "", nil, errShort
	case huffman:
		text, err = UnHuffman(p[:n])
		return text, p[n:], err
	}
	return string(p[:n]), p[n:], nil
}

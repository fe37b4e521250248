package http2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
	"github.com/yettproxy/yett/proxy/wire"
)

// collector notes fields.
type collector struct{ list []wire.Field }

func (c *collector) take(f *wire.Field) { c.list = append(c.list, *f) }

func (c *collector) String() string {
	var b strings.Builder
	for _, f := range c.list {
		fmt.Fprintf(&b, "%s=%s ", f.Name, f.Value)
	}
	return strings.TrimSpace(b.String())
}

// decode decodes heads in pieces of a size.
func decode(d *decoder, c *collector, size int, heads ...string) (list []string, err error) {
	for _, head := range heads {
		c.list = nil
		for piece := range slices.Chunk([]byte(head), size) {
			if err := d.write(piece); err != nil {
				return list, err
			}
		}
		if err := d.close(); err != nil {
			return list, err
		}
		list = append(list, c.String())
	}
	return list, nil
}

// TestHeadsDecode is RFC 7541 appendix C.3 and C.4, and a table that is full, in pieces of all sizes.
func TestHeadsDecode(t *testing.T) {
	plain := h2raw.NewEncoder()
	huffman := h2raw.NewEncoder()
	huffman.Huffman = true
	want := []string{
		":method=GET :scheme=http :path=/ :authority=www.example.com",
		":method=GET :scheme=http :path=/ :authority=www.example.com cache-control=no-cache",
		":method=GET :scheme=https :path=/index.html :authority=www.example.com custom-key=custom-value",
	}
	for i := range 300 { // evicts many times over, and wraps the ring
		want = append(want, fmt.Sprintf(":method=GET x-%d=%s x-%d=again", i%7, strings.Repeat("v", i), i/2))
	}
	for _, e := range []*h2raw.Encoder{plain, huffman} {
		var heads []string
		for _, line := range want {
			var fields []h2raw.Field
			for f := range strings.FieldsSeq(line) {
				name, value, _ := strings.Cut(f, "=")
				fields = append(fields, h2raw.Field{Name: name, Value: value})
			}
			heads = append(heads, string(e.Block(fields...)))
		}
		for _, size := range []int{1, 2, 7, 1000} {
			c := new(collector)
			d := &decoder{taker: c, most: tableSize}
			got, err := decode(d, c, size, heads...)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("pieces of %d: %v", size, err)
			}
			if d.size > tableSize || d.size < tableSize/2 || d.rest != nil {
				t.Errorf("the table has %d bytes, the rest is %q", d.size, d.rest)
			}
		}
	}
}

func TestFieldsOfTheTableKnowTheirIDs(t *testing.T) {
	for i, f := range staticTable {
		if f.ID != wire.Lookup(f.Name) {
			t.Errorf("entry %d, %s, is %v", i+1, f.Name, f.ID)
		}
	}
	c := new(collector)
	d := &decoder{taker: c, most: tableSize}
	if _, err := decode(d, c, 100, "\x40\x09x-real-ip\x01a", "\xbe"); err != nil || c.list[0].ID != wire.XRealIP {
		t.Errorf("%v, %v", c.list, err)
	}
}

func TestWhatIsNoHead(t *testing.T) {
	for name, tt := range map[string]struct {
		head string
		want error
	}{
		"index 0":                         {"\x80", errIndex},
		"an index behind the tables":      {"\xbe", errIndex},
		"a name behind the tables":        {"\x7f\x00\x01a", errIndex},
		"an integer that does not end":    {"\xff\xff\xff\xff\xff\xff", errInteger},
		"a field cut short":               {"\x40\x05a", errCut},
		"an update behind a field":        {"\x82\x20", errUpdate},
		"an update that is too large":     {"\x3f\xe2\x1f", errUpdate},
		"EOS":                             {"\x00\x01a\x84\xff\xff\xff\xff", errText},
		"padding of zeros":                {"\x00\x01a\x81\x18", errText},
		"padding of more than seven bits": {"\x00\x01a\x82\x1f\xff", errText},
	} {
		for _, size := range []int{1, 100} {
			c := new(collector)
			if got, err := decode(&decoder{taker: c, most: tableSize}, c, size, tt.head); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, %v; want %v", name, got, err, tt.want)
			}
		}
	}
}

// TestSilenceKeepsTheTable: heads that nobody wants change the table all the same.
func TestSilenceKeepsTheTable(t *testing.T) {
	c := new(collector)
	d := &decoder{taker: c, most: tableSize, silent: true}
	if got, err := decode(d, c, 100, "\x40\x01a\x81\x1f\x00\x01b\x01c"); err != nil || got[0] != "" {
		t.Errorf("%q, %v", got, err)
	}
	d.silent = false
	if got, err := decode(d, c, 100, "\xbe"); err != nil || got[0] != "a=a" {
		t.Errorf("%q, %v", got, err)
	}
}

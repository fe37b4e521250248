package compress

import (
	"io"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/wire"
)

// sink is a client that takes everything.
type sink struct{ wire.Stream }

func (sink) Write(p []byte) (int, error) { return len(p), nil }
func (sink) Flush() error                { return nil }
func (sink) Finish(*wire.Fields) error   { return nil }

// exchange returns one whose response is a page and whose client accepts what is said.
func exchange(accept string) *filter.Exchange {
	x := &filter.Exchange{Stream: sink{}}
	x.Request.Method, x.Request.Major, x.Request.Minor = "GET", 1, 1
	x.Request.Fields.Add("Accept-Encoding", accept)
	x.Response.Status, x.Response.Length = 200, 100_000
	x.Response.Fields.Add("Content-Type", "text/html")
	return x
}

func TestAcceptEncoding(t *testing.T) {
	for accept, want := range map[string]bool{
		"gzip": true, "GZip": true, "deflate, gzip": true, "gzip;q=0.001": true, "gzip ; q=1": true, "gzip;q=1.000": true,
		"": false, "gzip;q=0": false, "gzip; q=0.000": false, "x-gzip": false, "*": false, "deflate;q=1": false, "gzipped": false,
	} {
		x := exchange(accept)
		if got := accepts(x.Request.Fields.All(), "gzip"); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestEncodersAreBoundedAndComeBack(t *testing.T) {
	c, err := New(ir.CompressionSettings{Brotli: ir.CodingSettings{On: true, Level: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var open []*Stream
	for {
		s := c.Wrap(exchange("br"))
		if s == nil {
			break
		}
		open = append(open, s)
	}
	if len(open) != mostBrotli {
		t.Errorf("%d responses are compressed at once, want %d", len(open), mostBrotli)
	}
	x := exchange("br")
	if c.Wrap(x) != nil || x.Response.Fields.Value(wire.Vary) == "" || x.Response.Length != 100_000 {
		t.Errorf("without an encoder: %+v", x.Response)
	}
	for _, s := range open {
		s.Release()
	}
	if s := c.Wrap(exchange("br")); s == nil {
		t.Error("no encoder came back")
	}
}

func TestALevelThatThereIsNotStillCompresses(t *testing.T) {
	c, _ := New(ir.CompressionSettings{Gzip: ir.CodingSettings{On: true, Level: 99}})
	s := c.Wrap(exchange("gzip"))
	if _, err := io.WriteString(s, "hello"); err != nil || s.Finish(nil) != nil {
		t.Error(err)
	}
	s.Release()
}

func TestNothingIsAllocatedForResponsesThatStayAsTheyAre(t *testing.T) {
	c, _ := New(ir.CompressionSettings{Gzip: ir.CodingSettings{On: true, Level: 1, MinLength: 1 << 20}})
	x := exchange("gzip")
	if n := testing.AllocsPerRun(100, func() { c.Wrap(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGzip(b *testing.B) {
	c, _ := New(ir.CompressionSettings{Gzip: ir.CodingSettings{On: true, Level: 1}})
	body := make([]byte, 10<<10)
	for i := range body {
		body[i] = byte('a' + i*i%17)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	x := exchange("gzip")
	for b.Loop() {
		s := c.Wrap(x)
		_, _ = s.Write(body)
		_ = s.Finish(nil)
		s.Release()
		x.Arena.Reset()
		x.Response.Fields.Drop(func(f *wire.Field) bool { return wire.EqualFold(f.Name, "Content-Encoding") })
		x.Response.Length = 100_000
	}
}

//lint:file-ignore SA1019 the server of x/net is what this engine is compared with.

package http2

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// hello answers with a small body.
func hello(x *filter.Exchange) {
	x.Response.Status, x.Response.Length = 200, 13
	x.Response.Fields.AddKnown(wire.ContentType, "text/plain")
	x.Stream.WriteHead(&x.Response)
	x.Stream.Write(helloBody)
	x.Stream.Finish(nil)
}

var helloBody = []byte("hello, world\n")

// pipeline is a client that costs little: it sends the same head for a number of streams in one write and counts the ends of
// streams.
type pipeline struct {
	nc    net.Conn
	in    *bufio.Reader
	id    uint32
	block []byte
	out   []byte
}

func newPipeline(tb testing.TB, addr string) *pipeline {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	p := &pipeline{nc: nc, in: bufio.NewReaderSize(nc, 64<<10), id: 1}
	p.out = append(p.out, xhttp2.ClientPreface...)
	p.out = appendHeader(p.out, 0, frameSettings, 0, 0)
	p.out = appendWindowUpdate(p.out, 0, 1<<30)
	var b writer
	enc := hpack.NewEncoder(&b)
	fields := append(get("/index.html"), "user-agent", "bench/1.0", "accept", "*/*", "accept-encoding", "gzip", "x-request-id", "0123456789abcdef")
	for range 2 { // the second time all of it is in the table
		b = b[:0]
		for i := 0; i < len(fields); i += 2 {
			enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		if p.block == nil {
			p.block = append(p.block, b...)
			if err := p.round(1); err != nil {
				tb.Fatal(err)
			}
		}
	}
	p.block = append(p.block[:0], b...)
	return p
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// round does n requests at once.
func (p *pipeline) round(n int) error {
	for range n {
		p.out = appendBlock(p.out, p.id, flagEndStream, p.block)
		p.id += 2
	}
	if _, err := p.nc.Write(p.out); err != nil {
		return err
	}
	p.out = p.out[:0]
	for n > 0 {
		h, err := p.in.Peek(headerSize)
		if err != nil {
			return err
		}
		size, kind, flags := int(h[0])<<16|int(h[1])<<8|int(h[2]), frameType(h[3]), h[4]
		if kind == frameGoAway {
			return io.EOF
		}
		if (kind == frameData || kind == frameHeaders) && flags&flagEndStream != 0 {
			n--
		}
		if _, err := p.in.Discard(headerSize + size); err != nil {
			return err
		}
	}
	return nil
}

// endlessRig is a rig whose connections live for ever.
func endlessRig(tb testing.TB) *rig {
	r := newRig(tb)
	r.limit(func(l *wire.Limits) { l.RequestsPerConnection = 1 << 30 })
	r.serve = hello
	return r
}

func TestRequestsCostAtMostTwoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops things at random under the race detector")
	}
	p := newPipeline(t, endlessRig(t).addr)
	for _, n := range []int{1, 16} {
		for range 20 {
			if err := p.round(n); err != nil {
				t.Fatal(err)
			}
		}
		allocs := testing.AllocsPerRun(200, func() {
			if err := p.round(n); err != nil {
				t.Fatal(err)
			}
		}) / float64(n)
		t.Logf("%d at once: %.2f allocations a request", n, allocs)
		if allocs > 2 {
			t.Errorf("%d at once: %.2f allocations a request, want at most 2", n, allocs)
		}
	}
}

// xnet serves the same with golang.org/x/net/http2.Server.
func xnet(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var srv xhttp2.Server
	srv.MaxConcurrentStreams = 128
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "13")
		w.Write(helloBody)
	})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { srv.ServeConn(nc, &xhttp2.ServeConnOpts{Handler: handler}) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	return l.Addr().String()
}

func BenchmarkServer(b *testing.B) {
	for name, addr := range map[string]func(testing.TB) string{
		"ours": func(tb testing.TB) string { return endlessRig(tb).addr }, "x net": xnet,
	} {
		for _, n := range []int{1, 16} {
			b.Run(name+"/"+map[int]string{1: "one", 16: "sixteen"}[n]+" at once", func(b *testing.B) {
				p := newPipeline(b, addr(b))
				b.ReportAllocs()
				for i := 0; i < b.N; i += n {
					if err := p.round(n); err != nil {
						b.Fatal(err)
					}
				}
				p.nc.Close()
			})
		}
	}
}

package forward

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
)

const (
	smallRequest = "GET /hello?x=y HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
	smallPost    = "POST /hello HTTP/1.1\r\nHost: a.test\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789"
	smallAnswer  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello"
)

// frugal answers every request that ends with tail, without allocating.
func frugal(tail, answer string) func(*peer, int) {
	end, reply := []byte(tail), []byte(answer)
	return func(p *peer, _ int) {
		buf := make([]byte, 64<<10)
		n := 0
		for {
			m, err := p.TCPConn.Read(buf[n:])
			if err != nil {
				return
			}
			if n += m; !bytes.HasSuffix(buf[:n], end) {
				continue
			}
			n = 0
			if _, err := p.TCPConn.Write(reply); err != nil {
				return
			}
		}
	}
}

// endless lets client connections carry any number of requests.
func endless(r *rig) {
	limits := wire.DefaultLimits()
	limits.RequestsPerConnection = 1 << 30
	r.server.Limits = func() *wire.Limits { return &limits }
	r.quiet.Store(true)
}

// exchanger returns a function that sends one request and reads its answer, without allocating.
func exchanger(t testing.TB, r *rig, request string) func() {
	r.start()
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	buf := make([]byte, 1<<20)
	send := []byte(request)
	if _, err := c.Write(send); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200") {
		t.Fatalf("%q %v", buf[:n], err)
	}
	size := n // of every further answer
	return func() {
		if _, err := c.Write(send); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf[:size]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExchangesDoNotAllocate counts the allocations of the whole process over real sockets: client, engine,
// forwarder and endpoint.
func TestExchangesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for name, tt := range map[string]struct{ request, tail, answer string }{
		"GET":              {smallRequest, "\r\n\r\n", smallAnswer},
		"POST":             {smallPost, "0123456789", smallAnswer},
		"a chunked answer": {smallRequest, "\r\n\r\n", chunked},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, frugal(tt.tail, tt.answer))
			r := newRig(t, nil, b.addr())
			endless(r)
			exchange := exchanger(t, r, tt.request)
			for range 10 {
				exchange()
			}
			if n := testing.AllocsPerRun(500, exchange); n >= 1 {
				t.Errorf("%v allocations for each exchange", n)
			}
			if b.conns.Load() != 1 {
				t.Errorf("%d connections to the endpoint", b.conns.Load())
			}
		})
	}
}

func BenchmarkExchange(b *testing.B) {
	large := "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 1<<16)
	for name, tt := range map[string]struct{ request, tail, answer string }{
		"get": {smallRequest, "\r\n\r\n", smallAnswer}, "post": {smallPost, "0123456789", smallAnswer}, "64k": {smallRequest, "\r\n\r\n", large},
	} {
		b.Run(name, func(b *testing.B) {
			back := newBackend(b, frugal(tt.tail, tt.answer))
			r := newRig(b, nil, back.addr())
			endless(r)
			exchange := exchanger(b, r, tt.request)
			b.ReportAllocs()
			for b.Loop() {
				exchange()
			}
		})
	}
}

package http1

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// browserHead is the head of an ordinary request.
var browserHead = crlf(`GET /api/v1/items?limit=10&continue=abc HTTP/1.1
Host: shop.example.com
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: en-GB,en;q=0.5
Accept-Encoding: gzip, deflate, br, zstd
Connection: keep-alive
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark
Referer: https://shop.example.com/
Sec-Fetch-Mode: navigate

`)

// serverHead is the head of an ordinary response.
var serverHead = crlf(`HTTP/1.1 200 OK
Date: Sun, 22 Nov 2026 12:00:00 GMT
Content-Type: application/json; charset=utf-8
Content-Length: 13
Cache-Control: no-cache
X-Request-Id: 0123456789abcdef
Vary: Accept-Encoding
Connection: keep-alive

`)

func BenchmarkParseRequestHead(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(browserHead)))
	var h requestHead
	var r wire.Request
	var a wire.Arena
	limits := wire.DefaultLimits()
	buf := []byte(browserHead)
	for b.Loop() {
		a.Reset()
		r.Reset()
		h.reset(&r, &a, &limits, false)
		if done, no := h.parse(buf); !done || no.status != 0 {
			b.Fatal(no)
		}
	}
}

func BenchmarkParseResponseHead(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(serverHead)))
	var r wire.Response
	var a wire.Arena
	c := cannedClient(serverHead + "hello, world\n")
	buf, n := c.in, c.end
	for b.Loop() {
		a.Reset()
		c.in, c.pos, c.end, c.state = buf, 0, n, stateHead
		if err := c.ReadResponse(&r, &a, "GET", 64<<10); err != nil {
			b.Fatal(err)
		}
	}
}

// cannedClient is a client connection that has read these bytes already.
func cannedClient(read string) *ClientConn {
	client, server := net.Pipe()
	server.Close()
	c := NewClientConn(client)
	c.in = []byte(read)
	c.end = len(read)
	return c
}

// constant answers every request the same way.
type constant struct{}

func (constant) ServeExchange(x *filter.Exchange) {
	x.ReplyText(200, "text/plain", "hello, world\n")
	write(x)
}

// forwardish is what a proxy does to a request.
func benchRequest() *wire.Request {
	r := &wire.Request{Method: "GET", Target: "/api/v1/items?limit=10", Authority: "shop.example.com"}
	for _, f := range []string{"User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Cookie", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"} {
		r.Fields.Add(f, "some value of ordinary length, 40 bytes")
	}
	return r
}

func BenchmarkSerializeRequest(b *testing.B) {
	b.ReportAllocs()
	c := cannedClient("")
	r := benchRequest()
	for b.Loop() {
		if err := c.WriteRequest(r, false); err != nil {
			b.Fatal(err)
		}
	}
}

// serveLoopback serves one connection and returns the client's end.
func serveLoopback(tb testing.TB, h Handler) *net.TCPConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	l.Close()
	limits := wire.DefaultLimits()
	limits.RequestsPerConnection = 1 << 30
	srv := &Server{Handler: h, Limits: func() *wire.Limits { return &limits }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(tb.Context(), server, &filter.Conn{})
	}()
	tb.Cleanup(func() {
		client.Close()
		<-done
	})
	return client.(*net.TCPConn)
}

func BenchmarkServerExchange(b *testing.B) {
	b.ReportAllocs()
	client := serveLoopback(b, constant{})
	buf := make([]byte, 4096)
	head := []byte(browserHead)
	for b.Loop() {
		client.Write(head)
		if n, err := client.Read(buf); err != nil || !bytes.HasSuffix(buf[:n], []byte("world\n")) {
			b.Fatalf("%q, %v", buf[:n], err)
		}
	}
}

func BenchmarkClientExchange(b *testing.B) {
	b.ReportAllocs()
	conn := serveLoopback(b, constant{})
	c := NewClientConn(conn)
	c.SetReadTimeout(time.Minute)
	c.SetWriteTimeout(time.Minute)
	r := benchRequest()
	var resp wire.Response
	var a wire.Arena
	for b.Loop() {
		a.Reset()
		if err := oneExchange(c, r, &resp, &a); err != nil {
			b.Fatal(err)
		}
	}
}

// oneExchange is a request without body and its response, read to the end.
func oneExchange(c *ClientConn, r *wire.Request, resp *wire.Response, a *wire.Arena) error {
	if err := c.WriteRequest(r, false); err != nil {
		return err
	}
	if err := c.FinishWithRead(nil); err != nil {
		return err
	}
	if err := c.ReadResponse(resp, a, r.Method, 64<<10); err != nil {
		return err
	}
	for {
		if _, err := c.Next(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	c.Idle()
	return nil
}

func BenchmarkChunks(b *testing.B) {
	b.ReportAllocs()
	body := []byte(strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 8) + "0\r\n")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var d chunks
		for rest := body; len(rest) > 0; {
			skip, n, v := d.next(rest)
			if v == malformed {
				b.Fatal("malformed")
			}
			rest = rest[skip+n:]
			d.took(int64(n))
		}
	}
}

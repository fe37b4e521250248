package forward

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// backend is a scripted endpoint: what it does with a connection is a function.
type backend struct {
	t        testing.TB
	listener *net.TCPListener
	conns    atomic.Int32
	requests atomic.Int32
	open     sync.Map
	wg       sync.WaitGroup
}

// newBackend starts an endpoint. script is called for each connection with its number, from 1.
func newBackend(t testing.TB, script func(c *peer, n int)) *backend {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, listener: l}
	b.wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			n := int(b.conns.Add(1))
			b.open.Store(c, true)
			b.wg.Go(func() {
				defer b.open.Delete(c)
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				script(&peer{b: b, TCPConn: c, r: bufio.NewReader(c)}, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		b.wg.Wait()
	})
	return b
}

// addr is where the endpoint listens.
func (b *backend) addr() netip.AddrPort { return b.listener.Addr().(*net.TCPAddr).AddrPort() }

// peer is a connection as an endpoint sees it.
type peer struct {
	b *backend
	*net.TCPConn
	r *bufio.Reader
}

// request is a request as it came, byte for byte.
type request struct {
	head string
	body string
	err  error
}

// line is the request line.
func (r *request) line() string {
	line, _, _ := strings.Cut(r.head, "\r\n")
	return line
}

// field returns the values of a field, joined by "|".
func (r *request) field(name string) string {
	var values []string
	for _, line := range strings.Split(r.head, "\r\n")[1:] {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return strings.Join(values, "|")
}

// readHead reads the head of a request, or returns false at the end of the connection.
func (p *peer) readHead() (request, bool) {
	var head bytes.Buffer
	for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
		line, err := p.r.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return request{head: head.String(), err: err}, false
		}
	}
	p.b.requests.Add(1)
	return request{head: head.String()}, true
}

// read reads a whole request.
func (p *peer) read() (request, bool) {
	r, ok := p.readHead()
	if !ok {
		return r, false
	}
	parsed, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(r.head), p.r)))
	if err != nil {
		r.err = err
		return r, false
	}
	var body []byte
	switch {
	case parsed.ContentLength > 0:
		body = make([]byte, parsed.ContentLength)
		_, r.err = io.ReadFull(p.r, body)
	case parsed.ContentLength < 0:
		body, r.err = p.readChunks()
	}
	r.body = string(body)
	return r, r.err == nil
}

// readChunks reads a chunked body without trailers.
func (p *peer) readChunks() (body []byte, err error) {
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return body, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return body, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(p.r, chunk); err != nil {
			return body, err
		}
		if n == 0 {
			return body, nil
		}
		body = append(body, chunk[:n]...)
	}
}

// say writes bytes.
func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// reset closes the connection with RST.
func (p *peer) reset() {
	_ = p.SetLinger(0)
	p.Close()
}

// untilClosed waits until the proxy closes the connection and returns how long that took.
func (p *peer) untilClosed() time.Duration {
	start := time.Now()
	_, _ = io.Copy(io.Discard, p.r)
	return time.Since(start)
}

// ok is a small response.
func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// always answers each request with the same text.
func always(text string) func(*peer, int) {
	return func(p *peer, _ int) {
		for {
			if _, more := p.read(); !more {
				return
			}
			p.say(text)
		}
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// addrPort parses an address that is known to be good.
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

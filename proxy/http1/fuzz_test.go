package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// memConn is a connection whose other side has sent everything already and closed its half. Reads return
// at most step bytes.
type memConn struct {
	net.Conn // nil: nothing else may be called
	in       []byte
	step     int
	out      bytes.Buffer
}

func (c *memConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	if c.step > 0 && len(p) > c.step {
		p = p[:c.step]
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memConn) Close() error                     { return nil }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// serveBytes serves a connection on which raw comes in pieces of step bytes, and returns what the handler
// saw and what was answered.
func serveBytes(raw []byte, step int) (*rig, []byte) {
	r := &rig{}
	r.limit(func(*wire.Limits) {})
	r.srv = Server{Handler: r, Limits: r.limits.Load}
	conn := &memConn{in: bytes.Clone(raw), step: step}
	r.srv.Serve(context.Background(), conn, &filter.Conn{})
	return r, conn.out.Bytes()
}

var requestSeeds = []string{
	browserHead,
	get("GET / HTTP/1.1") + after,
	"\r\n" + get("GET http://b.test:80/x?y HTTP/1.1"),
	get("OPTIONS * HTTP/1.1"),
	get("CONNECT a:1 HTTP/1.1") + smug,
	post("Content-Length: 5\n", "hello") + after,
	post(ch, "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n") + after,
	post("Content-Length: 6\n"+ch, "0\r\n\r\n") + smug,
	post("Transfer-Encoding: gzip, chunked\n", "0\r\n\r\n") + smug,
	post("Content-Length: 2\nContent-Length: 3\n", "hi") + smug,
	post(ch, "5\nhello\n0\n\n") + smug,
	post(ch, "fffffffffffffffff\r\n"),
	webSocket("") + "\x81\x05hello",
	"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + after,
	"GET / HTTP/1.1\nHost: a\n\n" + smug,
	"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET /a%2f..%2e?%zz HTTP/1.1\r\nhOST: [::1]:80\r\nX_Y: 1\r\nX-\xff: 2\r\n\r\n",
	post("Expect: 100-continue\nContent-Length: 2\n", "hi") + after,
	get("HEAD / HTTP/1.1") + get("TRACE / HTTP/1.1"),
}

// FuzzServer feeds bytes to a connection. What reaches the handler must be what net/http reads from the
// same bytes, and what is answered must be well formed and no error of the proxy's own.
func FuzzServer(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s), uint16(0))
		f.Add([]byte(s), uint16(1))
	}
	f.Fuzz(func(t *testing.T, raw []byte, step uint16) { checkServer(t, raw, int(step)) })
}

// checkServer serves bytes in pieces and at once and compares what comes of it.
func checkServer(t *testing.T, raw []byte, step int) {
	r, answers := serveBytes(raw, step)
	checkAnswers(t, raw, answers)
	compareWithStandardLibrary(t, raw, r.seen)
	if whole, _ := serveBytes(raw, 0); whole.lines() != r.lines() {
		t.Errorf("in pieces of %d bytes\n%s\nin one\n%s", step, r.lines(), whole.lines())
	}
}

// checkAnswers checks that answers is a sequence of well-formed responses with statuses that a client can
// be at fault for.
func checkAnswers(t *testing.T, raw, answers []byte) {
	c := wiretest.NewClient(t, &memConn{in: answers})
	method, _, _ := strings.Cut(strings.TrimLeft(string(raw), "\r\n"), " ")
	if strings.Contains(string(raw), "HEAD ") {
		return // which answer belongs to which request is not known here
	}
	for {
		m, err := c.Response(method)
		if errors.Is(err, io.EOF) && m == nil {
			return
		}
		if err != nil {
			t.Fatalf("answers %q: %v", answers, err)
		}
		switch m.Status() {
		case 100, 200, 400, 405, 414, 417, 421, 431, 501, 505:
		default:
			t.Fatalf("answered %q", m.StartLine)
		}
	}
}

// compareWithStandardLibrary reads the same bytes with net/http, request for request.
func compareWithStandardLibrary(t *testing.T, raw []byte, requests []*seen) {
	br := bufio.NewReader(bytes.NewReader(raw))
	for i, s := range requests {
		std, body, err := readStandard(br)
		for std != nil && answeredByEngine(std) {
			std, body, err = readStandard(br)
		}
		if s.err != nil {
			return // broken off within the body; nothing may follow
		}
		if err != nil {
			if excused(s, err) {
				return
			}
			t.Fatalf("request %d %+v: net/http refuses it: %v", i, s, err)
		}
		if std.Method != s.method || body != s.body {
			t.Fatalf("request %d: we read %s with body %q, net/http %s with body %q", i, s.method, s.body, std.Method, body)
		}
		if s.length != std.ContentLength {
			t.Fatalf("request %d: we read length %d, net/http %d", i, s.length, std.ContentLength)
		}
		if s.authority != std.Host {
			t.Fatalf("request %d: we read host %q, net/http %q", i, s.authority, std.Host)
		}
	}
}

// answeredByEngine reports whether a request is not for the handler.
func answeredByEngine(q *http.Request) bool {
	if q.Method != "OPTIONS" {
		return false
	}
	hops, ok := wire.ParseLength(q.Header.Get("Max-Forwards"))
	if values := q.Header["Max-Forwards"]; len(values) > 1 { // the last one counts for us
		hops, ok = wire.ParseLength(values[len(values)-1])
	}
	return ok && hops == 0 || q.RequestURI == "*" || q.URL.Host != "" && q.URL.Path == "" && q.RequestURI[0] != '/' && !strings.Contains(q.RequestURI, "?")
}

// readStandard reads a request and its body with net/http, empty lines before it skipped.
func readStandard(br *bufio.Reader) (*http.Request, string, error) {
	for {
		b, err := br.Peek(2)
		if err != nil || string(b) != "\r\n" {
			break
		}
		br.Discard(2)
	}
	q, err := http.ReadRequest(br)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(q.Body)
	return q, string(body), err
}

// excused reports whether net/http may refuse a request that we accept, and why.
func excused(s *seen, err error) bool {
	text := err.Error()
	switch {
	case strings.Contains(text, "invalid URL escape"), strings.Contains(text, "invalid character"), strings.Contains(text, "invalid port"), strings.Contains(text, "invalid host"):
		// net/url looks into user information, hosts and ports of what it takes for an authority ("//…");
		// for us everything that begins with a slash is a path.
		return strings.HasPrefix(s.target, "//")
	}
	return false
}

// FuzzChunks compares the chunk decoder with net/http's, on bytes cut into pieces.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "a;b=c\r\n0123456789\r\n0\r\n", "2\nhi\n0\n", "2 \r\nhi\r\n0\r\n", "0002\r\nhi\r\n0\r\n", "ffffffffffffffff\r\n", "2\r\nhiX\r\n0\r\n"} {
		f.Add([]byte(s), uint8(1), false)
		f.Add([]byte(s), uint8(100), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, step uint8, spaces bool) {
		d := chunks{spaces: spaces}
		var got []byte
		end, pos := 0, 0
		for d.state != chunkEnd {
			skip, n, v := d.next(raw[pos:end])
			pos += skip
			if v == malformed {
				return
			}
			if v == needMore {
				if end == len(raw) {
					return
				}
				end = min(len(raw), end+int(step)+1)
				continue
			}
			got = append(got, raw[pos:pos+n]...)
			pos += n
			d.took(int64(n))
		}
		// net/http's reader wants to see something behind the last chunk.
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(append(raw[:pos:pos], "\r\n"...))))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: we decode %q, net/http %q, %v", raw, got, want, err)
		}
	})
}

// FuzzSerialize checks that nothing in a response can make a line of its own.
func FuzzSerialize(f *testing.F) {
	f.Add("X-A", "b", "OK", uint16(200))
	f.Add("X-A\r\nX-B", "b\r\n\r\nHTTP/1.1 200 OK", "\r\n\r\n", uint16(404))
	f.Fuzz(func(t *testing.T, name, value, reason string, status uint16) {
		r := wire.Response{Status: 100 + int(status)%900, Reason: reason}
		r.Fields.Add(name, value)
		b, _ := appendResponse(nil, &r)
		lines := strings.Split(string(b), "\r\n")
		want := 3
		if wire.Framing>>r.Fields.At(0).ID&1 != 0 {
			want = 2
		}
		if len(lines) != want || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
			t.Errorf("%q became %q", fmt.Sprint(name, value, reason), b)
		}
	})
}

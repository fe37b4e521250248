package http1

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
)

var responseSeeds = []string{
	serverHead + "hello, world\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200\r\nConnection: x, close\r\nX: 1\r\nContent-Length: 1\r\n\r\nab",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	"HTTP/1.0 2000\n0:\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n\nHTTP/1.1 200 OK\r\n\r\n",
}

// FuzzClient feeds bytes to a client connection as an answer. What it takes for a complete response must
// be what net/http reads from the same bytes, and nothing may be left over on a connection that is used again.
func FuzzClient(f *testing.F) {
	for _, s := range responseSeeds {
		f.Add([]byte(s), uint16(0), "GET")
		f.Add([]byte(s), uint16(1), "HEAD")
	}
	f.Fuzz(func(t *testing.T, raw []byte, step uint16, method string) {
		if method != "HEAD" {
			method = "GET"
		}
		checkClient(t, raw, int(step), method)
	})
}

// checkClient reads bytes as an answer and compares it with what net/http reads.
func checkClient(t *testing.T, raw []byte, step int, method string) {
	conn := &memConn{in: bytes.Clone(raw), step: step}
	c := NewClientConn(conn)
	got := do(c, &wire.Request{Method: method, Target: "/", Authority: "a.test"}, "")
	if got.err != nil {
		if c.Reusable() {
			t.Fatal("a connection is used again after an error")
		}
		return
	}
	br := bufio.NewReader(bytes.NewReader(raw))
	var std *http.Response
	var err error
	for {
		std, err = http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || std.StatusCode >= 200 {
			break
		}
	}
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", raw, err)
	}
	body, err := io.ReadAll(std.Body)
	if err != nil || string(body) != got.body || std.StatusCode != got.status {
		t.Fatalf("%q: we read %d with body %q, net/http %d with body %q, %v", raw, got.status, got.body, std.StatusCode, body, err)
	}
	if got.reusable && std.Close {
		t.Fatalf("%q: net/http would close the connection", raw)
	}
}

// fragments are what mutate puts into messages.
var fragments = []string{
	"\r\n", "\n", "\r", " ", "\t", "0", "5", "a", ":", ";", ",", "\x00", "\xff", "%2e", "..", "/", "//", "?", "#", "@", "[::1]",
	"HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "chunked", "0\r\n\r\n", "5\r\nhello\r\n", "OPTIONS * ", "http://a/", "GET / HTTP/1.1\r\n",
	"Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "Host: a\r\n", "Expect: 100-continue\r\n", "X_Y: 1\r\n",
	"Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: upgrade\r\n", "Upgrade: websocket\r\n", "Max-Forwards: 0\r\n",
}

// mutate returns one or two of the seeds with a few insertions, deletions and replacements.
func mutate(rng *rand.Rand, seeds []string) []byte {
	s := seeds[rng.IntN(len(seeds))]
	if rng.IntN(3) == 0 {
		s += seeds[rng.IntN(len(seeds))]
	}
	for range rng.IntN(4) {
		at := rng.IntN(len(s) + 1)
		to := min(len(s), at+rng.IntN(6))
		switch rng.IntN(3) {
		case 0:
			s = s[:at] + fragments[rng.IntN(len(fragments))] + s[at:]
		case 1:
			s = s[:at] + s[to:]
		case 2:
			s = s[:at] + fragments[rng.IntN(len(fragments))] + s[to:]
		}
	}
	return []byte(s)
}

// What we accept, net/http accepts and reads the same way: method, host, length and body of requests,
// status and body of responses. The one exception is in excused.
func TestMutatedMessagesReadAsNetHTTPReadsThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(9112, 9110))
	for range 10_000 {
		raw, step := mutate(rng, requestSeeds), rng.IntN(4)
		checkServer(t, raw, step)
		if t.Failed() {
			t.Fatalf("request %q in pieces of %d", raw, step)
		}
		raw = mutate(rng, responseSeeds)
		checkClient(t, raw, step, []string{"GET", "HEAD"}[rng.IntN(2)])
		if t.Failed() {
			t.Fatalf("response %q in pieces of %d", raw, step)
		}
	}
}

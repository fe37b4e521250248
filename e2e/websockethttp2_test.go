package e2e

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/yettproxy/yett/e2e/h2raw"
	"github.com/yettproxy/yett/e2e/harness"
)

// socketOverHTTP2 lets a WebSocket library that knows only HTTP/1.1 speak over HTTP/2: the handshake goes out as an extended
// CONNECT, and what browsers do between the two is done here (RFC 8441 section 5).
type socketOverHTTP2 struct {
	t    *testing.T
	dial func(t testing.TB) *h2raw.Conn
	// answered is told of the answer to the handshake.
	answered func(c *h2raw.Conn, a *h2raw.Answer)
}

// RoundTrip implements http.RoundTripper.
func (s *socketOverHTTP2) RoundTrip(r *http.Request) (*http.Response, error) {
	c := s.dial(s.t).Greet(h2raw.Setting{ID: h2raw.InitialWindowSize, Value: 20_000})
	if c.Settings[h2raw.EnableConnectProtocol] != 1 {
		return nil, errors.New("extended CONNECT is not offered")
	}
	fields := []string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: " + r.URL.Host, ":path: " + r.URL.RequestURI()}
	for name, values := range r.Header {
		switch name {
		case "Connection", "Upgrade", "Sec-Websocket-Key":
		default:
			fields = append(fields, strings.ToLower(name)+": "+values[0])
		}
	}
	c.Request(1, false, fields...)
	a := c.At(1)
	c.Until(func() bool { return a.Status != "" || a.Reset })
	s.answered(c, a)
	if a.Status != "200" {
		return nil, fmt.Errorf("the handshake was answered with %s", a)
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])}}
	for _, f := range a.Fields {
		head.Set(f.Name, f.Value)
	}
	return &http.Response{StatusCode: 101, Header: head, Body: newSocketStream(c)}, nil
}

// socketStream is stream 1 of a connection as bytes.
type socketStream struct {
	c    *h2raw.Conn
	in   *io.PipeReader
	mu   sync.Mutex
	more *sync.Cond
	left [2]int // what the server grants the connection and the stream
	over bool
}

// newSocketStream begins to read the stream.
func newSocketStream(c *h2raw.Conn) *socketStream {
	in, out := io.Pipe()
	s := &socketStream{c: c, in: in}
	s.more = sync.NewCond(&s.mu)
	s.left = [2]int{65535 + c.Granted[0], int(c.Settings[h2raw.InitialWindowSize]) + c.Granted[1]}
	go func() {
		a, granted := c.At(1), [2]int{c.Granted[0], c.Granted[1]}
		for done := false; !done; {
			done = !c.Step() || a.Done || a.Reset
			body := a.Body
			a.Body = nil
			s.mu.Lock()
			s.left[0] += c.Granted[0] - granted[0]
			s.left[1] += c.Granted[1] - granted[1]
			s.over = done
			s.mu.Unlock()
			s.more.Broadcast()
			granted = [2]int{c.Granted[0], c.Granted[1]}
			_, _ = out.Write(body)
		}
		out.Close()
	}()
	return s
}

// Read implements io.ReadWriteCloser.
func (s *socketStream) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write implements io.ReadWriteCloser, within the windows.
func (s *socketStream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		m := min(len(p), s.left[0], s.left[1], 16384)
		switch {
		case s.over:
			return n, net.ErrClosed
		case m <= 0:
			s.more.Wait()
			continue
		}
		s.left[0], s.left[1] = s.left[0]-m, s.left[1]-m
		if err := s.c.Send(h2raw.DataFrame(1, false, p[:m])); err != nil {
			return n, err
		}
		n, p = n+m, p[m:]
	}
	return n, nil
}

// Close implements io.ReadWriteCloser.
func (s *socketStream) Close() error {
	_ = s.c.Send(h2raw.DataFrame(1, true, nil))
	return s.in.Close()
}

func TestWebSocketsOverHTTP2(t *testing.T) {
	s := newStage(t)
	s.serve("m", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			fmt.Fprint(w, "no WebSocket here")
			return
		case "/refused":
			w.WriteHeader(403)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(4 << 20)
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(data) == "bye" {
				_ = c.Close(4001, "so long")
				return
			}
			if c.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	}))
	s.settings = []string{"ssl-redirect: false"}
	s.add(
		ing{name: "m", host: "a.test", paths: []string{"/ Prefix m"}}.String(),
		ing{name: "quiet", host: "quiet.test", paths: []string{"/ Prefix m"}, notes: []string{"proxy-read-timeout: 1"}}.String(),
	)
	s.start()
	for way, dial := range s.ways() {
		t.Run(way, func(t *testing.T) {
			var conn *h2raw.Conn
			var answer *h2raw.Answer
			client := &http.Client{Transport: &socketOverHTTP2{t, dial, func(c *h2raw.Conn, a *h2raw.Answer) { conn, answer = c, a }}}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			open := func(url string) (*websocket.Conn, error) {
				c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"echo"}})
				return c, err
			}
			c, err := open("ws://a.test/ws")
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadLimit(4 << 20)
			if answer.Field("sec-websocket-accept") != "" || c.Subprotocol() != "echo" {
				t.Errorf("the answer is %v", answer.Fields)
			}
			for _, n := range []int{0, 1, 126, 65536, 1 << 20} {
				message := bytes.Repeat([]byte{byte(n)}, n)
				go func() { _ = c.Write(ctx, websocket.MessageBinary, message) }()
				if _, data, err := c.Read(ctx); err != nil || !bytes.Equal(data, message) {
					t.Fatalf("a message of %d bytes: %d came back, %v", n, len(data), err)
				}
			}
			_ = c.Write(ctx, websocket.MessageText, []byte("bye"))
			if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4001 {
				t.Errorf("the end is %v, want status 4001", err)
			}
			for path, want := range map[string]string{"/page": "502", "/refused": "403"} {
				if _, err := open("ws://a.test" + path); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %s", path, err, want)
				}
				if got := alive(conn, 3); got != "426" { // of a handler that wants WebSockets
					t.Errorf("the connection does not go on: %s", got)
				}
			}
			begin := time.Now()
			if c, err = open("ws://quiet.test/ws"); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(ctx); err == nil || time.Since(begin) < 900*time.Millisecond || time.Since(begin) > 10*time.Second {
				t.Errorf("a silent tunnel ended after %v with %v, want 1 s", time.Since(begin), err)
			}
		})
	}
	harness.Until(t, 3*time.Second, "the tunnels in the access log", func() bool {
		return strings.Count(s.gate.Output(), `"GET /ws HTTP/2.0" 101`) == 4
	})
}

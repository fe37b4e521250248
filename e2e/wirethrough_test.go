package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// socketOf returns the TCP connection under conn.
func socketOf(conn net.Conn) *net.TCPConn {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return conn.(*net.TCPConn)
}

// goneWhileWaiting closes a client whose answer is being thought about.
func goneWhileWaiting(t *testing.T, s *suite, v via, l *lane) {
	fastest := time.Hour
	for range 5 {
		client := s.dial(t, v)
		client.Send("GET /r HTTP/1.1\r\nHost: " + l.host + "\r\n\r\n")
		fastest = min(fastest, untilEnd(t, l, client, ""))
	}
	judgeAbort(t, fastest)
}

// goneWithinAnswer closes a client that has got a part of its answer.
func goneWithinAnswer(t *testing.T, s *suite, v via, l *lane) {
	fastest := time.Hour
	for range 5 {
		client := s.dial(t, v)
		client.Send("GET /r HTTP/1.1\r\nHost: " + l.host + "\r\n\r\n")
		fastest = min(fastest, untilEnd(t, l, client, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
	}
	judgeAbort(t, fastest)
}

// untilEnd lets an upstream say something, closes the client and returns how long the upstream has to wait
// for the end.
func untilEnd(t *testing.T, l *lane, client *wiretest.Client, answer string) time.Duration {
	t.Helper()
	conn := l.accept(wiretest.Wait)
	if conn == nil {
		t.Fatal("the upstream sees nothing")
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(wiretest.Wait))
	head := make([]byte, 4096)
	if _, err := conn.Read(head); err != nil {
		t.Fatal(err)
	}
	if answer != "" {
		_, _ = io.WriteString(conn, answer)
		_ = client.Conn().SetReadDeadline(time.Now().Add(wiretest.Wait))
		if _, err := client.Conn().Read(head); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	_ = client.Conn().Close()
	if n, err := conn.Read(head); err == nil || isTimeout(err) {
		t.Fatalf("the upstream reads %d bytes, %v; want an end", n, err)
	}
	return time.Since(start)
}

// judgeAbort checks how fast an upstream learned of a client that is gone.
func judgeAbort(t *testing.T, took time.Duration) {
	t.Helper()
	t.Logf("the upstream learned of it within %s", took)
	if took > 100*time.Millisecond {
		t.Errorf("the upstream learned of it within %s, want 100ms", took)
	}
}

// serveLane serves a lane with a handler.
func serveLane(t *testing.T, l *lane, h http.HandlerFunc) {
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
}

// clientFor is an ordinary HTTP/1.1 client whose connections all lead to the gate.
func (s *suite) clientFor(t *testing.T, v via) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, v.addr)
		},
		DisableCompression: true, ExpectContinueTimeout: 10 * time.Second,
	}
	if v.tls != nil {
		transport.TLSClientConfig = v.tls.Clone()
		transport.TLSClientConfig.ServerName = ""
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 60 * time.Second}
}

// echoThroughTunnel lets a real WebSocket client talk to a real server.
func echoThroughTunnel(t *testing.T, s *suite, v via, l *lane) {
	serveLane(t, l, func(w http.ResponseWriter, r *http.Request) {
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
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, v.scheme+"://"+l.host+"/ws", &websocket.DialOptions{HTTPClient: s.clientFor(t, v), Subprotocols: []string{"echo"}})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer c.CloseNow()
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "echo" {
		t.Errorf("the subprotocol is %q", got)
	}
	c.SetReadLimit(4 << 20)
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 2 << 20} {
		message := bytes.Repeat([]byte{byte(n)}, n)
		go func() { _ = c.Write(ctx, websocket.MessageBinary, message) }()
		kind, data, err := c.Read(ctx)
		if err != nil || kind != websocket.MessageBinary || !bytes.Equal(data, message) {
			t.Fatalf("a message of %d bytes: %d bytes came back, %v", n, len(data), err)
		}
	}
	for i := range 200 {
		text := fmt.Sprintf("message %d", i)
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, data, err := c.Read(ctx); err != nil || string(data) != text {
			t.Fatalf("%q came back as %q, %v", text, data, err)
		}
	}
	_ = c.Write(ctx, websocket.MessageText, []byte("bye"))
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4001 {
		t.Errorf("the end is %v, want status 4001", err)
	}
}

// largeBodies sends 20 MB up and 20 MB down at once, with and without a length.
func largeBodies(t *testing.T, s *suite, v via, l *lane) {
	const size = 20_000_000
	block := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(block)
	sum := fmt.Sprintf("%x", sha256.Sum256(block))
	serveLane(t, l, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		w.Header().Set("X-Got", fmt.Sprintf("%d %x %d %v", n, h.Sum(nil), r.ContentLength, err))
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = w.Write(block)
	})
	c := s.clientFor(t, v)
	for _, up := range []string{"length", "chunked"} {
		for _, down := range []string{"length", "chunked"} {
			r, _ := http.NewRequest("POST", v.scheme+"://"+l.host+"/"+down, bytes.NewReader(block))
			announced := int64(size)
			if up == "chunked" {
				r.ContentLength, announced = -1, -1
			}
			start := time.Now()
			resp, err := c.Do(r)
			if err != nil {
				t.Fatalf("up with %s: %v", up, err)
			}
			h := sha256.New()
			n, err := io.Copy(h, resp.Body)
			resp.Body.Close()
			if got, want := resp.Header.Get("X-Got"), fmt.Sprintf("%d %s %d <nil>", size, sum, announced); got != want {
				t.Errorf("up with %s: the upstream got %s, want %s", up, got, want)
			}
			if got := fmt.Sprintf("%x", h.Sum(nil)); err != nil || got != sum || (resp.ContentLength == size) != (down == "length") {
				t.Errorf("down with %s: %d bytes, length %d, %v, right: %t", down, n, resp.ContentLength, err, got == sum)
			}
			t.Logf("up with %s, down with %s: %s", up, down, time.Since(start))
		}
	}
}

// trailersOfAnswers checks that trailers of answers pass, those of requests end here, and the head says
// which will come.
func trailersOfAnswers(t *testing.T, s *suite, v via, l *lane) {
	serveLane(t, l, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, fmt.Sprint(len(r.Trailer)))
		w.Header().Set("X-Sum", "abc")
	})
	r, _ := http.NewRequest("POST", v.scheme+"://"+l.host+"/", io.MultiReader(strings.NewReader("hello")))
	r.Trailer = http.Header{"X-Client": {"1"}}
	r.Header.Set("TE", "trailers")
	resp, err := s.clientFor(t, v).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "0" || err != nil {
		t.Errorf("the upstream saw %s trailers, %v", body, err)
	}
	if got := resp.Trailer.Get("X-Sum"); got != "abc" {
		t.Errorf("the trailer is %q, want abc", got)
	}
}

// slowUpload sends a body in pieces, but not before it was told to go on.
func slowUpload(t *testing.T, s *suite, v via, l *lane) {
	serveLane(t, l, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		_, _ = io.Copy(h, r.Body)
		fmt.Fprintf(w, "%x", h.Sum(nil))
	})
	var told atomic.Bool
	pieces, h := 40, sha256.New()
	reader, writer := io.Pipe()
	go func() {
		for i := range pieces {
			piece := bytes.Repeat([]byte{byte('a' + i%26)}, 1000)
			h.Write(piece)
			if _, err := writer.Write(piece); err != nil {
				return
			}
			if i == 0 && !told.Load() {
				t.Error("the body was sent before 100")
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = writer.Close()
	}()
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { told.Store(true) }})
	r, _ := http.NewRequestWithContext(ctx, "POST", v.scheme+"://"+l.host+"/", reader)
	r.ContentLength = int64(pieces * 1000)
	r.Header.Set("Expect", "100-continue")
	resp, err := s.clientFor(t, v).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if want := fmt.Sprintf("%x", h.Sum(nil)); resp.StatusCode != 200 || string(body) != want {
		t.Errorf("got %d %q, want the sum %s", resp.StatusCode, body, want)
	}
	if !told.Load() {
		t.Error("there was no 100")
	}
}

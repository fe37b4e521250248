package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// prompt is how long a small piece of a stream may be on its way, with room for a busy machine.
const prompt = time.Second

// eventsAsTheyCome lets an upstream tell things one by one: each must be there before the next one is told.
func eventsAsTheyCome(t *testing.T, s *suite, v via, l *lane) {
	next := make(chan struct{})
	serveLane(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 20 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	for _, framing := range []string{"HTTP/1.1", "HTTP/1.0"} {
		conn := s.connect(t, v)
		defer conn.Close()
		_, _ = io.WriteString(conn, bytesOf("GET /events "+framing+"⏎Host: "+l.host+"⏎⏎", v.scheme))
		r := bufio.NewReader(conn)
		_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
		for i := range 20 {
			for want := fmt.Sprintf("data: %d\n", i); ; {
				got, err := r.ReadString('\n')
				if err != nil {
					t.Fatalf("%s: event %d: %v", framing, i, err)
				}
				if got == want {
					break
				}
			}
			_ = conn.SetReadDeadline(time.Now().Add(prompt))
			next <- struct{}{}
		}
	}
}

// bothDirections sends a request body in pieces, each after the answer to the one before.
func bothDirections(t *testing.T, s *suite, v via, l *lane) {
	go func() {
		conn := l.accept(wiretest.Wait)
		if conn == nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		piece := make([]byte, 5)
		for {
			if _, err := io.ReadFull(q.Body, piece); err != nil {
				break
			}
			_, _ = fmt.Fprintf(conn, "5\r\n%s\r\n", piece)
		}
		_, _ = io.WriteString(conn, "0\r\n\r\n")
	}()
	conn := s.connect(t, v)
	defer conn.Close()
	_, _ = io.WriteString(conn, bytesOf("POST /talk HTTP/1.1⏎Host: "+l.host+"⏎"+chunked+"⏎", v.scheme))
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
	var body io.Reader
	for i := range 20 {
		said := fmt.Sprintf("say%02d", i)
		_, _ = io.WriteString(conn, "5\r\n"+said+"\r\n")
		if i == 0 {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body = resp.Body
		}
		heard := make([]byte, 5)
		if _, err := io.ReadFull(body, heard); err != nil || string(heard) != said {
			t.Fatalf("said %q, heard %q, %v", said, heard, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(prompt))
	}
	_, _ = io.WriteString(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

// halfClosed ends the client's side behind the request: it wants an answer all the same.
func halfClosed(t *testing.T, s *suite, v via, _ *lane) {
	conn := s.connect(t, v)
	defer conn.Close()
	request, body := s.probe("a")
	_, _ = io.WriteString(conn, request)
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); string(got) != body || err != nil {
		t.Errorf("the body is %q, %v", got, err)
	}
}

// slowReader reads a long answer slowly; the proxy must not hold it in memory.
func slowReader(t *testing.T, s *suite, v via, l *lane) {
	const size = 64 << 20
	block := make([]byte, 1<<20)
	serveLane(t, l, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	before := s.measure(t)["process_resident_memory_bytes"]
	var conns []net.Conn
	for range 4 {
		conn := s.connect(t, v)
		defer conn.Close()
		_ = socketOf(conn).SetReadBuffer(256 << 10) // less than a segment makes loopback crawl
		_, _ = io.WriteString(conn, "GET /long HTTP/1.1\r\nHost: "+l.host+"\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(2 * wiretest.Wait))
		if _, err := io.CopyN(io.Discard, conn, 100<<10); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	if grown := s.measure(t)["process_resident_memory_bytes"] - before; grown > 48<<20 {
		t.Errorf("memory has grown by %.0f MiB with four slow readers", grown/(1<<20))
	}
	if n, err := io.CopyN(io.Discard, conns[0], size-(100<<10)); err != nil {
		t.Errorf("the rest is %d bytes, %v", n, err)
	}
}

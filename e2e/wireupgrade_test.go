package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// bytesBehindUpgrade sends bytes behind a handshake before it is answered: they must not reach the upstream
// before its 101, and all of them after it.
func bytesBehindUpgrade(t *testing.T, s *suite, v via, _ *lane) {
	smuggled := bytesOf(smug, v.scheme)
	problems := make(chan string, 1)
	s.setAnswer(func() wiretest.Answer {
		return wiretest.Answer{Then: func(conn net.Conn, r *bufio.Reader) {
			problems <- func() string {
				if early := quiet(conn, r); early != "" {
					return early
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
				_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
				got := make([]byte, len(smuggled))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != smuggled {
					return fmt.Sprintf("the tunnel brought %q, %v", got, err)
				}
				_, _ = io.WriteString(conn, " and bye")
				return ""
			}()
		}}
	})
	conn := s.connect(t, v)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(wiretest.Wait))
	_, _ = io.WriteString(conn, bytesOf(get("/r", webSocket+"⏎")+smug, v.scheme))
	all, err := io.ReadAll(conn)
	head, rest, _ := strings.Cut(string(all), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || rest != "hello and bye" {
		t.Errorf("the client got %q, %v", all, err)
	}
	select {
	case p := <-problems:
		if p != "" {
			t.Error(p)
		}
	case <-time.After(2 * wiretest.Wait):
		t.Error("the upstream was not asked")
	}
	if whole, _ := s.arrived(t); len(whole) != 1 {
		t.Errorf("upstreams saw %v, want the handshake alone", whole)
	}
}

// quiet reports what comes within a moment, "" for nothing.
func quiet(conn net.Conn, r *bufio.Reader) string {
	_ = conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	b, err := r.ReadByte()
	if !isTimeout(err) {
		return fmt.Sprintf("came before 101: %q, %v", b, err)
	}
	return ""
}

// bytesBehindTheLast sends something behind a request that is the last of its connection, once that is being
// answered: the answer must arrive as a whole all the same, and the bytes mean nothing.
func bytesBehindTheLast(t *testing.T, s *suite, v via, _ *lane) {
	const size = 8 << 20
	s.setAnswer(func() wiretest.Answer {
		time.Sleep(50 * time.Millisecond)
		return wiretest.Answer{Bytes: bytesOf("HTTP/1.1 200 OK⏎"+length(size)+"⏎", "") + strings.Repeat("x", size)}
	})
	client := s.dial(t, v)
	client.Send(bytesOf(get("/r", "Connection: close⏎⏎"), v.scheme))
	if !s.waitForHead("a") {
		t.Fatal("the upstream does not see the request")
	}
	client.Send(bytesOf("«"+smug+"×1000»", v.scheme))
	time.Sleep(100 * time.Millisecond) // so that the proxy has written what it can, and waits for us
	if m := client.Must("GET", 200); len(m.Body) != size {
		t.Errorf("the body has %d bytes", len(m.Body))
	}
	if end := client.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("the connection is %s", end)
	}
	if whole, broken := s.arrived(t); fmt.Sprint(whole) != "[a GET /r]" || len(broken) > 0 {
		t.Errorf("upstreams saw %v and %v", whole, broken)
	}
}

// requestBehindRefusal sends a request behind a handshake that will be refused: it is one.
func requestBehindRefusal(t *testing.T, s *suite, v via, _ *lane) {
	problems := make(chan string, 1)
	s.setAnswer(func() wiretest.Answer {
		return wiretest.Answer{Then: func(conn net.Conn, r *bufio.Reader) {
			problems <- quiet(conn, r)
			_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = r.ReadByte()
		}}
	})
	client := s.dial(t, v)
	client.Send(bytesOf(get("/r", webSocket+"⏎")+smug, v.scheme))
	client.Must("GET", 403)
	client.Must("GET", 200)
	if end := s.ending(client, true); end != "open" {
		t.Errorf("the connection is %s", end)
	}
	if p := <-problems; p != "" {
		t.Error(p)
	}
	whole, broken := s.arrived(t)
	if fmt.Sprint(whole) != "[a GET /r b GET /smuggled]" || len(broken) > 0 {
		t.Errorf("upstreams saw %v and %v", whole, broken)
	}
}

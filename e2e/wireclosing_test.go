package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// answerWhileIdle puts an answer on an idle connection that the same client will use next.
func answerWhileIdle(t *testing.T, s *suite, v via, _ *lane) {
	poisoned := make(chan struct{})
	s.setAnswer(func() wiretest.Answer {
		return wiretest.Answer{Bytes: bytesOf(ok, ""), Then: func(conn net.Conn, r *bufio.Reader) {
			time.Sleep(20 * time.Millisecond)
			_, _ = io.WriteString(conn, bytesOf(fake, ""))
			close(poisoned)
			_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
			if b, err := r.ReadByte(); err == nil {
				t.Errorf("the connection was used again: %q", b)
			}
		}}
	})
	client := s.dial(t, v)
	client.Send(bytesOf(askR, v.scheme))
	client.Must("GET", 200)
	<-poisoned
	for range 3 {
		if end := s.ending(client, true); end != "open" {
			t.Errorf("the connection is %s", end)
		}
	}
}

// closer answers one request on each connection of a lane and closes it when the next one comes, in one of several
// ways. It counts the POSTs that it has read as a whole.
type closer struct {
	executed sync.Map // path to *atomic.Int64
	conns    sync.Map // net.Conn to nothing
}

// newCloser serves a lane.
func newCloser(t *testing.T, l *lane) *closer {
	c := new(closer)
	var serving sync.WaitGroup
	serving.Go(func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns.Store(conn, nil)
			serving.Go(func() {
				c.serve(conn.(*net.TCPConn), i%3)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.conns.Range(func(conn, _ any) bool { return conn.(net.Conn).Close() == nil || true })
		serving.Wait()
	})
	return c
}

// serve answers the first request of a connection and not the second: it is read and the connection closed (0)
// or reset (2), or not even read, or the connection is closed before it comes (1).
func (c *closer) serve(conn *net.TCPConn, way int) {
	r := bufio.NewReader(conn)
	for turn := range 2 {
		if turn == 1 && way == 1 {
			_ = conn.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(300)) * time.Microsecond))
			_, _ = r.Peek(1)
			return
		}
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, q.Body); q.Method == "POST" && n == 2 && err == nil {
			count, _ := c.executed.LoadOrStore(q.URL.Path, new(atomic.Int64))
			count.(*atomic.Int64).Add(1)
		}
		if turn == 0 {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		} else if way == 2 {
			_ = conn.SetLinger(0)
		}
	}
}

// getOnClosing sends a thousand requests over connections that are closed at that moment.
func getOnClosing(t *testing.T, s *suite, v via, l *lane) {
	newCloser(t, l)
	client := s.dial(t, v)
	failed := 0
	for i := range 1000 {
		client.Send(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", i, l.host))
		m, err := client.Response("GET")
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if m.Status() != 200 {
			failed++
		}
	}
	if failed > 0 {
		t.Errorf("%d of 1000 requests failed", failed)
	}
}

// postOnClosing does the same with requests that must not be repeated once they may have been acted upon.
func postOnClosing(t *testing.T, s *suite, v via, l *lane) {
	c := newCloser(t, l)
	client := s.dial(t, v)
	statuses := map[int]int{}
	for i := range 300 {
		client.Send(fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\nhi", i, l.host))
		m, err := client.Response("POST")
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		statuses[m.Status()]++
		if m.Status() != 200 && m.Status() != 502 {
			t.Errorf("request %d: %d, want 200 or 502", i, m.Status())
		}
	}
	c.executed.Range(func(path, n any) bool {
		if n := n.(*atomic.Int64).Load(); n > 1 {
			t.Errorf("POST %s reached the upstream %d times", path, n)
		}
		return true
	})
	t.Logf("answers by status: %v", statuses)
	if statuses[200] == 0 || statuses[502] == 0 {
		t.Errorf("answers by status: %v, want both", statuses)
	}
}

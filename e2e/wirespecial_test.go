package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// specialCase is a case that needs more than a line: a script for both sides, or time.
type specialCase struct {
	// id is that of docs/wire.md, "" for what is not on that list.
	id, what string
	// own says that the case has a host and an upstream of its own, with these annotations, and runs beside
	// others of its kind.
	own         bool
	annotations []string
	run         func(t *testing.T, s *suite, v via, l *lane)
}

const (
	unlimited = `proxy-body-size: "0"`
	// oneSecond are the shortest timeouts that annotations can have.
	readOneSecond = `proxy-read-timeout: "1"`
	sendOneSecond = `proxy-send-timeout: "1"`
)

var specialCases = []*specialCase{
	{id: "C-33", what: "reset within a body with a length", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, length(200000)+"⏎«x×60000»", true)
	}},
	{id: "C-33", what: "reset within a chunked body", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, chunked+"⏎30d40⏎«x×60000»", true)
	}},
	{id: "C-33", what: "end within a body with a length", own: true, run: func(t *testing.T, s *suite, v via, l *lane) {
		abortUpload(t, s, v, l, length(200000)+"⏎«x×60000»", false)
	}},
	{id: "C-34", what: "413 while 100 MiB are sent", own: true, annotations: []string{unlimited}, run: refuseUpload},
	{id: "K-04", what: "100 for a slow upstream", run: continueEarly},
	{id: "K-09", what: "bytes behind a handshake that succeeds late", run: bytesBehindUpgrade},
	{id: "K-09", what: "bytes behind a handshake that fails late", run: requestBehindRefusal},
	{id: "R-14", what: "an answer while nobody asks", run: answerWhileIdle},
	{id: "R-18", what: "GET on connections that are being closed", own: true, run: getOnClosing},
	{id: "R-18", what: "POST on connections that are being closed", own: true, run: postOnClosing},
	{id: "R-19", what: "no answer", own: true, annotations: []string{readOneSecond}, run: neverAnswers},
	{id: "R-19", what: "nothing is read", own: true, annotations: []string{unlimited, sendOneSecond}, run: func(t *testing.T, s *suite, v via, l *lane) {
		readsSlowly(t, s, v, l, 0)
	}},
	{id: "R-19", what: "a byte a second is read", own: true, annotations: []string{unlimited, sendOneSecond}, run: func(t *testing.T, s *suite, v via, l *lane) {
		readsSlowly(t, s, v, l, 1)
	}},
	{what: "a hundred requests at once", run: hundredAtOnce},
	{what: "requests in pieces", run: piecewise},
	{what: "answers in pieces", run: piecewiseAnswers},
	{what: "the client goes while the upstream thinks", own: true, run: goneWhileWaiting},
	{what: "the client goes within the answer", own: true, run: goneWithinAnswer},
	{what: "websocket", own: true, run: echoThroughTunnel},
	{what: "20 MB both ways", own: true, annotations: []string{unlimited}, run: largeBodies},
	{what: "trailers", own: true, run: trailersOfAnswers},
	{what: "events as they come", own: true, run: eventsAsTheyCome},
	{what: "both directions at the same time", own: true, run: bothDirections},
	{what: "a client that ends its side", run: halfClosed},
	{what: "a slow reader of a long answer", own: true, run: slowReader},
	{what: "everything at once", own: true, run: everythingAtOnce},
	{what: "a slow upload that waits for 100", own: true, run: slowUpload},
}

// accept waits for a connection to a lane, or returns nil if none comes within d.
func (l *lane) accept(d time.Duration) net.Conn {
	_ = l.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(d))
	conn, err := l.Accept()
	if err != nil {
		return nil
	}
	return conn
}

// abortUpload ends a client within the body of a POST and checks that the upstream learns of it, and that
// nobody repeats the request.
func abortUpload(t *testing.T, s *suite, v via, l *lane, rest string, reset bool) {
	fastest := time.Hour
	for range 5 {
		client := s.dial(t, v)
		client.Send(bytesOf("POST /p HTTP/1.1⏎Host: "+l.host+"⏎"+rest, v.scheme))
		conn := l.accept(wiretest.Wait)
		if conn == nil {
			t.Fatal("the upstream sees nothing")
		}
		_ = conn.SetDeadline(time.Now().Add(wiretest.Wait))
		if _, err := io.CopyN(io.Discard, conn, 50000); err != nil {
			t.Fatalf("read the beginning of the body: %v", err)
		}
		raw := socketOf(client.Conn())
		if reset {
			_ = raw.SetLinger(0)
		}
		start := time.Now()
		_ = raw.Close()
		n, err := io.Copy(io.Discard, conn)
		fastest = min(fastest, time.Since(start))
		if isTimeout(err) || n > 20000 {
			t.Fatalf("the upstream has got %d bytes more and %v, want an end", n, err)
		}
		_ = conn.Close()
		if again := l.accept(50 * time.Millisecond); again != nil {
			t.Error("the upstream was asked again")
			_ = again.Close()
		}
	}
	t.Logf("the upstream learned of it within %s", fastest)
	if fastest > 100*time.Millisecond {
		t.Errorf("the upstream learned of it within %s, want 100ms", fastest)
	}
}

// refuseUpload lets an upstream answer 413 as soon as it has seen the head of a large upload.
func refuseUpload(t *testing.T, s *suite, v via, l *lane) {
	const size = 100 << 20
	client := s.dial(t, v)
	client.Send(bytesOf("POST /p HTTP/1.1⏎Host: "+l.host+"⏎"+length(size)+"⏎", v.scheme))
	var sent atomic.Int64
	var stop atomic.Bool
	var writing sync.WaitGroup
	writing.Go(func() {
		block := make([]byte, 64<<10)
		_ = client.Conn().SetWriteDeadline(time.Now().Add(4 * wiretest.Wait))
		for !stop.Load() && sent.Load() < size {
			n, err := client.Conn().Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	conn := l.accept(wiretest.Wait)
	if conn == nil {
		t.Fatal("the upstream sees nothing")
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * wiretest.Wait))
	r := bufio.NewReader(conn)
	if _, err := http.ReadRequest(r); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
	var received int64
	var reading sync.WaitGroup
	reading.Go(func() { received, _ = io.Copy(io.Discard, r) })
	if m := client.Must("POST", 413); m.Body != "no!" {
		t.Errorf("the body is %q", m.Body)
	}
	if end := client.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("the client's connection is %s behind the answer", end)
	}
	stop.Store(true)
	reading.Wait()
	writing.Wait()
	t.Logf("the client has sent %d bytes, the upstream has got %d", sent.Load(), received)
	if received > 16<<20 {
		t.Errorf("the upstream has got %d bytes behind its answer", received)
	}
}

// continueEarly sends a request that waits for 100 to an upstream that takes its time.
func continueEarly(t *testing.T, s *suite, v via, _ *lane) {
	s.setAnswer(func() wiretest.Answer {
		time.Sleep(200 * time.Millisecond)
		return wiretest.Answer{Bytes: bytesOf(ok, "")}
	})
	client := s.dial(t, v)
	client.Send(bytesOf("POST /r HTTP/1.1⏎"+hostA+"Expect: 100-continue⏎"+length(5)+"⏎", v.scheme))
	client.Must("POST", 100)
	client.Send("hello")
	client.Must("POST", 200)
	if end := s.ending(client, true); end != "open" {
		t.Errorf("the connection is %s", end)
	}
	if whole, broken := s.arrived(t); len(whole) != 1 || whole[0].String() != "a POST /r hello" || len(broken) > 0 {
		t.Errorf("the upstream saw %v and %v", whole, broken)
	}
}

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

// neverAnswers asks an upstream that reads and is silent.
func neverAnswers(t *testing.T, s *suite, v via, l *lane) {
	var conns atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
	client := s.dial(t, v)
	start := time.Now()
	client.Send("GET /r HTTP/1.1\r\nHost: " + l.host + "\r\n\r\n")
	client.Must("GET", 504)
	took := time.Since(start)
	t.Logf("504 after %s and %d tries", took, conns.Load())
	if least, most := time.Duration(conns.Load())*time.Second, time.Duration(conns.Load())*2*time.Second+time.Second; took < least || took > most {
		t.Errorf("504 after %s and %d tries of a second", took, conns.Load())
	}
	if end := s.ending(client, true); end != "open" {
		t.Errorf("the connection is %s", end)
	}
}

// readsSlowly sends 64 MiB to an upstream that reads some bytes a second.
func readsSlowly(t *testing.T, s *suite, v via, l *lane, rate int64) {
	go func() {
		conn := l.accept(wiretest.Wait)
		if conn == nil {
			return
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		for range 20 {
			time.Sleep(time.Second)
			if _, err := io.CopyN(io.Discard, conn, rate); err != nil {
				return
			}
		}
	}()
	before := s.measure(t)["process_resident_memory_bytes"]
	const size = 64 << 20
	client := s.dial(t, v)
	client.Send(bytesOf("POST /p HTTP/1.1⏎Host: "+l.host+"⏎"+length(size)+"⏎", v.scheme))
	var sent atomic.Int64
	go func() {
		block := make([]byte, 64<<10)
		for sent.Load() < size {
			n, err := client.Conn().Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	start := time.Now()
	client.Must("POST", 504)
	t.Logf("504 after %s, %d bytes sent", time.Since(start), sent.Load())
	if grown := s.measure(t)["process_resident_memory_bytes"] - before; grown > 48<<20 {
		t.Errorf("memory has grown by %.0f MiB", grown/(1<<20))
	}
	if end := client.End(wiretest.Wait); end != wiretest.Closed {
		t.Errorf("the connection is %s, want closed", end)
	}
}

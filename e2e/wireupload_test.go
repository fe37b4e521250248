package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

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

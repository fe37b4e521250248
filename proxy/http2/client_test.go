//lint:file-ignore SA1019 the server of x/net is the peer that speaks HTTP/2 in cleartext by prior knowledge.

package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/wire"
)

// echoes answers with the body, and says in fields and trailers what it has seen.
func echoes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI, " ", r.ContentLength, " ", r.Header.Get("Te"), " ", r.Header.Get("X-A")))
	w.Header().Set("Trailer", "Grpc-Status")
	n, _ := io.Copy(w, r.Body)
	w.Header().Set("Grpc-Status", fmt.Sprint(n))
	w.Header().Set(http.TrailerPrefix+"X-Trailer", r.Trailer.Get("X-Sum"))
	w.Header().Set(http.TrailerPrefix+"X-Forwarded-For", "9.9.9.9")
}

func TestRequestsReachXnetServer(t *testing.T) {
	c := toXnet(t, echoes, nil)
	for name, tt := range map[string]struct {
		request *wire.Request
		body    string
		seen    string
	}{
		"GET":                        {call("GET", "/a?b=c", 0), "", "GET a.test /a?b=c 0  "},
		"a short body of its length": {call("POST", "/p", 5, "X-A", "1"), "hello", "POST a.test /p 5  1"},
		"a body of unknown length":   {call("PUT", "/p", wire.Unknown, "TE", "trailers"), "hello", "PUT a.test /p -1 trailers "},
		"a body larger than frames and windows": {
			call("POST", "/p", wire.Unknown), strings.Repeat("0123456789abcdef", 100_000), "POST a.test /p -1  ",
		},
		"connection-specific fields stay behind": {
			call("GET", "/", 0, "Connection", "x", "Upgrade", "h2c", "Keep-Alive", "1", "Transfer-Encoding", "chunked", "X-A", "\x01a"), "",
			"GET a.test / 0   a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, c, tt.request, tt.body)
			if a.err != nil || a.status != 200 || a.body != tt.body {
				t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
			}
			if got := a.fields["x-seen"]; got != tt.seen {
				t.Errorf("seen %q, want %q", got, tt.seen)
			}
			if a.trailers["grpc-status"] != fmt.Sprint(len(tt.body)) || a.trailers["x-forwarded-for"] != "" {
				t.Errorf("trailers %v", a.trailers)
			}
		})
	}
}

func TestRequestTrailersReachTheUpstream(t *testing.T) {
	c := toXnet(t, echoes, nil)
	for _, body := range []string{"", "hello"} {
		s := place(t, c)
		var trailers wire.Fields
		trailers.Add("X-Sum", "5")
		_ = s.WriteRequest(call("POST", "/", wire.Unknown, "Trailer", "X-Sum"))
		_ = s.WriteBody([]byte(body))
		if err := s.FinishRequest(&trailers); err != nil {
			t.Fatal(err)
		}
		if a := finish(s); a.body != body || a.trailers["x-trailer"] != "5" {
			t.Errorf("%q, trailers %v, %v", a.body, a.trailers, a.err)
		}
		s.Release()
	}
}

func TestManyRequestsShareAConnection(t *testing.T) {
	var most, now atomic.Int64
	gate := make(chan struct{})
	c := toXnet(t, func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-gate
		now.Add(-1)
		_, _ = io.Copy(w, r.Body)
	}, func(s *xhttp2.Server) { s.MaxConcurrentStreams = 500 })
	var done sync.WaitGroup
	for i := range 500 {
		s := place(t, c)
		done.Go(func() {
			defer s.Release()
			body := strings.Repeat(fmt.Sprint(i), 1+i%3*10_000)
			_ = s.WriteRequest(call("POST", "/", wire.Unknown))
			if err := errors.Join(s.WriteBody([]byte(body)), s.FinishWithRead(nil)); err != nil {
				t.Error(err)
			}
			if a := finish(s); a.body != body || a.err != nil {
				t.Errorf("%d: %d bytes, %v", i, len(a.body), a.err)
			}
		})
	}
	if c.Reserve() {
		t.Error("a place beyond the upstream's limit")
	}
	for deadline := time.Now().Add(patience); now.Load() < 490; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("only %d at once", now.Load())
			break
		}
	}
	close(gate)
	done.Wait()
	if idle, open := c.Idle(); !open || idle == 0 {
		t.Errorf("idle for %v, open %v", idle, open)
	}
}

func TestBothDirectionsStreamAtOnce(t *testing.T) {
	c := toXnet(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush() // before anything of the body has come
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(bytes.ToUpper(buf[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}, nil)
	s := place(t, c)
	defer s.Release()
	_ = s.WriteRequest(call("POST", "/", wire.Unknown))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	var r wire.Response
	if err := s.ReadResponse(&r, nil, "POST", 1000); err != nil || r.Status != 200 {
		t.Fatal(r.Status, err)
	}
	used := 0
	for _, word := range []string{"one", "two", "three"} {
		if err := errors.Join(s.WriteBody([]byte(word)), s.Flush()); err != nil {
			t.Fatal(err)
		}
		p, _, err := s.next(used)
		if used = len(p); err != nil || string(p) != strings.ToUpper(word) {
			t.Fatalf("%q, %v", p, err)
		}
	}
	if err := s.FinishRequest(nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.next(used); err != io.EOF {
		t.Error(err)
	}
}

func TestAResponseThatNobodyTakesHoldsNobodyUp(t *testing.T) {
	c := toXnet(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1000
		if r.URL.Path == "/large" {
			n = 8 << 20
		}
		for ; n > 0; n -= 1000 {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}, nil)
	var stuck []*ClientStream
	for range 100 {
		s := place(t, c)
		stuck = append(stuck, s)
		_ = s.WriteRequest(call("GET", "/large", 0))
		if err := s.FinishWithRead(nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if a := ask(t, c, call("GET", "/small", 0), ""); len(a.body) != 1000 || a.err != nil {
			t.Fatalf("%d bytes, %v", len(a.body), a.err)
		}
	}
	c.mu.Lock()
	held := 0
	for _, s := range stuck {
		held += s.data.size
	}
	c.mu.Unlock()
	if held > 100*firstGrant {
		t.Errorf("%d bytes held for 100 responses that nobody takes", held)
	}
	for _, s := range stuck {
		s.Release()
	}
	if a := ask(t, c, call("GET", "/large", 0), ""); len(a.body) < 8<<20 || a.err != nil {
		t.Errorf("%d bytes, %v", len(a.body), a.err)
	}
}

func TestTimeOuts(t *testing.T) {
	release := make(chan struct{})
	c := toXnet(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		<-release
	}, nil)
	defer close(release)
	wait := func(path string, f func(s *ClientStream) error) {
		t.Helper()
		s := place(t, c)
		defer s.Release()
		s.SetReadTimeout(30 * time.Millisecond)
		s.SetWriteTimeout(30 * time.Millisecond)
		_ = s.WriteRequest(call("POST", path, wire.Unknown))
		start := time.Now()
		if err := f(s); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
		if took := time.Since(start); took < 25*time.Millisecond || took > 3*time.Second {
			t.Errorf("%s: took %v", path, took)
		}
	}
	wait("/head", func(s *ClientStream) error {
		_ = s.FinishWithRead(nil)
		err := s.ReadResponse(new(wire.Response), nil, "", 1000)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return s.ReadResponse(new(wire.Response), nil, "", 1000) // it may be called again
	})
	wait("/body", func(s *ClientStream) error {
		_ = s.FinishWithRead(nil)
		s.SetReadTimeout(time.Second)
		if err := s.ReadResponse(new(wire.Response), nil, "", 1000); err != nil {
			return err
		}
		s.SetReadTimeout(30 * time.Millisecond)
		_, err, _ := s.CopyBody(new(sink))
		return err
	})
	wait("/send", func(s *ClientStream) error {
		var err error
		for range 100 {
			if err = s.WriteBody(make([]byte, 100<<10)); err != nil {
				break
			}
		}
		return err
	})
	if idle, open := c.Idle(); !open || idle == 0 {
		t.Errorf("the connection is not as before: idle %v, open %v", idle, open)
	}
}

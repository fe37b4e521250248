package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// arrived waits for the end of all requests that have begun and returns them, probes left out.
func (s *suite) arrived(t *testing.T) (whole, broken []*arrival) {
	t.Helper()
	s.mu.Lock()
	begun := slices.Clone(s.begun)
	s.mu.Unlock()
	for _, a := range begun {
		u := s.services[a.service]
		if !u.WaitFor(func() bool { return slices.Contains(u.Requests(), a.Request) }) {
			t.Errorf("%s %s does not end", a.service, a.StartLine)
			continue
		}
		switch {
		case strings.HasPrefix(a.Target(), "/probe-"):
		case a.Err != nil:
			broken = append(broken, a)
		default:
			whole = append(whole, a)
		}
	}
	return whole, broken
}

// ending finds out whether a connection goes on: one that should is asked.
func (s *suite) ending(client *wiretest.Client, open bool) string {
	if !open {
		return map[wiretest.End]string{wiretest.Closed: "closed", wiretest.Reset: "reset", wiretest.Open: "open", wiretest.Talking: "more"}[client.End(wiretest.Wait)]
	}
	request, body := s.probe("a")
	client.Send(request)
	m, err := client.Response("GET")
	switch {
	case isTimeout(err):
		return "stuck"
	case err != nil:
		return "closed"
	case m.Body != body:
		return fmt.Sprintf("open with a foreign answer %q", m.Body)
	}
	return "open"
}

// probe returns a request that nobody else sends, and the body of its answer.
func (s *suite) probe(service string) (request, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes++
	return fmt.Sprintf("GET /probe-%d HTTP/1.1\r\nHost: %s.test\r\n\r\n", s.probes, service), fmt.Sprintf("%s GET /probe-%d", service, s.probes)
}

// afterwards checks what holds after every case: the next clients get their own answers, nothing was
// smuggled, and the process lives.
func (s *suite) afterwards(t *testing.T, v via) {
	t.Helper()
	select {
	case <-s.gate.Done():
		t.Fatal("yett has ended")
	default:
	}
	client := s.dial(t, s.vias[0])
	defer client.Conn().Close()
	for _, service := range []string{"a", "b", "a"} {
		request, body := s.probe(service)
		client.Send(request)
		if m := client.Must("GET", 200); m.Body != body {
			t.Errorf("the next client got %q, want %q", m.Body, body)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.begun {
		if a.Target() == "/smuggled" && !mayBeSeen.MatchString(t.Name()) {
			t.Errorf("%s was asked for /smuggled", a.service)
		}
	}
}

// mayBeSeen matches the cases in which the request for /smuggled is one.
var mayBeSeen = regexp.MustCompile(`/(C-32|K-08|K-09)_`)

// finish checks that the cases have left nothing behind in the process.
func (s *suite) finish(t *testing.T) {
	t.Helper()
	s.begin()
	s.afterwards(t, s.vias[0])
	if log := s.gate.Log(); strings.Contains(log, "panic") {
		t.Errorf("something panicked:\n%s", log)
	}
	var now map[string]float64
	for range 100 {
		now = s.measure(t)
		if now["go_goroutines"] <= s.base["go_goroutines"]+8 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("before and after: %v, %v", s.base, now)
	if now["go_goroutines"] > s.base["go_goroutines"]+8 {
		t.Errorf("%v goroutines are left, there were %v", now["go_goroutines"], s.base["go_goroutines"])
	}
}

// measure reads some metrics of the process.
func (s *suite) measure(t *testing.T) map[string]float64 {
	t.Helper()
	status, text, err := harness.Ask(harness.Browser(t), s.gate.Health, "x", "/metrics")
	if err != nil || status != 200 {
		t.Fatalf("metrics: %d %v", status, err)
	}
	values := map[string]float64{}
	for _, l := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(l, " ")
		if name == "go_goroutines" || name == "process_open_fds" || name == "process_resident_memory_bytes" {
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return values
}

// isEnd reports whether a connection has ended.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isTimeout reports whether a wait was too long.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

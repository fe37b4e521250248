package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// answering is a transport that plays a list of statuses, 0 for an error, and repeats the last.
type answering struct {
	statuses []int
	asked    int
}

var errRefused = errors.New("connection refused")

func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	status := a.statuses[min(a.asked, len(a.statuses)-1)]
	a.asked++
	if status == 0 {
		return nil, errRefused
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func TestReadsWaitForAnAPIServerThatIsAway(t *testing.T) {
	for _, c := range []struct {
		name, method    string
		before          bool // an answer came before
		statuses        []int
		asked, answered int
	}{
		{"a read is repeated", http.MethodGet, true, []int{0, 503, 200}, 3, 200},
		{"a write is not", http.MethodPatch, true, []int{0, 200}, 1, 0},
		{"nothing is before the first answer", http.MethodGet, false, []int{0, 200}, 1, 0},
		{"an answer is an answer", http.MethodGet, true, []int{404}, 1, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			next := &answering{statuses: c.statuses}
			p := &patience{next: next, log: logr.Discard()}
			p.answered.Store(c.before)
			r, err := http.NewRequestWithContext(context.Background(), c.method, "https://127.0.0.1/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := p.RoundTrip(r)
			status := 0
			if err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			if next.asked != c.asked || status != c.answered {
				t.Errorf("asked %d times, answered %d %v; want %d times, %d", next.asked, status, err, c.asked, c.answered)
			}
		})
	}
}

func TestReadsEndWithTheirCaller(t *testing.T) {
	p := &patience{next: &answering{statuses: []int{0}}, log: logr.Discard()}
	p.answered.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := p.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, errRefused) || time.Since(begin) > 5*time.Second {
		t.Errorf("ended with %v after %s, want the transport's error at once", err, time.Since(begin))
	}
}

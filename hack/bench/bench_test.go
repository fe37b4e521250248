package main

import (
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backend starts the backend in this process.
func backend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = runBackend(l) }()
	return l.Addr().String()
}

func TestEveryPlainCaseIsAnsweredByTheBackend(t *testing.T) {
	address := backend(t)
	for _, c := range cases() {
		if c.Missing != "" || c.Load.TLS || c.Load.Kind == kindIdle || c.Setup.Cores > 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			l := c.Load
			l.Address, l.Connections, l.Processes, l.Rate = address, 2, []int{os.Getpid()}, 500
			var r result
			for l.Duration = 30 * time.Millisecond; r.Requests == 0 && l.Duration < 5*time.Second; l.Duration *= 4 { // a busy machine
				r = run(l)
			}
			if r.Errors > 0 || r.Requests == 0 || r.CPU == 0 || r.P50 <= 0 || r.P999 < r.P50 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestTheHTTP2GeneratorIsAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = runGRPCBackend(l) }()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	t.Cleanup(web.Close)
	for kind, address := range map[string]string{kindHTTP2: web.Listener.Addr().String(), kindGRPC: l.Addr().String(), kindGRPCStream: l.Addr().String()} {
		t.Run(kind, func(t *testing.T) {
			load := load{Kind: kind, Address: address, Connections: 2, Streams: 4, Processes: []int{os.Getpid()}}
			var r result
			for load.Duration = 30 * time.Millisecond; r.Requests == 0 && load.Duration < 5*time.Second; load.Duration *= 4 { // a busy machine
				r = run(load)
			}
			if r.Errors > 0 || r.Requests == 0 || r.P50 <= 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestOtherStatusesCountAsErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			c.Close()
		}
	}()
	r := run(load{Kind: kindHTTP, Address: l.Addr().String(), Connections: 1, Requests: []string{request("GET", "/small", host, "", 0)}, Duration: 30 * time.Millisecond})
	if r.Errors == 0 || r.Requests != 0 || !strings.Contains(r.Error, "502") {
		t.Errorf("got %+v", r)
	}
}

func TestTheReportComparesWithTheBetterPeer(t *testing.T) {
	fill := func(cpu ...int64) *figure {
		f := &figure{}
		for _, n := range cpu {
			f.Rounds = append(f.Rounds, result{Requests: 1000, Seconds: 1, CPU: n * 1e6, P50: 100, P99: 200, P999: 300})
		}
		f.conclude()
		return f
	}
	r := report{Date: "2026-01-02", Rows: []row{
		{Case: "small", Title: "small & fast", Bar: 1, Figures: map[string]*figure{"yett": fill(30, 9, 10), "nginx": fill(20, 20, 20), "haproxy": {Missing: "not installed"}}},
		{Case: "h2", Title: "later", Missing: "not there yet"},
	}}
	table := r.table()
	for _, want := range []string{"| small & fast | yett | 10.0 (9.0–30.0) | 0.50 (0.45) | 1000 |", "| haproxy | not installed |", "| later | | not there yet |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if v := r.verdict(); !strings.Contains(v, "| small & fast | CPU, to the better of the two | 0.50 (0.45) | ≤ 1.00 | met |") {
		t.Errorf("verdict:\n%s", v)
	}
	if err := xml.Unmarshal([]byte(r.chart()), new(struct{})); err != nil {
		t.Errorf("chart: %v", err)
	}
}

func TestFiguresGoBetweenTheirLines(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "benchmarks.md")
	r := report{Date: "2026-01-02"}
	if err := os.WriteFile(page, []byte("no place for figures\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(dir); err == nil || !strings.Contains(err.Error(), figuresBegin) {
		t.Errorf("a page without the lines: %v", err)
	}
	if err := os.WriteFile(page, []byte("before\n"+figuresBegin+"\nold\n"+figuresEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second run replaces the first
		if err := r.publish(dir); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if got := string(text); err != nil || strings.Contains(got, "old") || strings.Count(got, "2026-01-02") != 1 ||
		!strings.HasPrefix(got, "before\n"+figuresBegin) || !strings.HasSuffix(got, figuresEnd+"\nafter\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

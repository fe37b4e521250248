package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// idleFields are what a browser would send.
var idleFields = []string{"user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "accept", "text/html,*/*", "cookie", "session=0123456789abcdef"}

// TestIdleConnections looks how much the gate grows by connections that have sent one request and wait: at most 10 KB each, and
// 25 KB over TLS, with 9 000 of them (1 000 unless floodsEnv is "full"). It prints what is beyond the bars, and fails at twice of them:
// a process grows in steps, by what its garbage collector leaves for later too. What the stacks of their goroutines take is exact, and
// held exactly: one that outgrows 4 KiB while it serves a request (which inlining can bring about) doubles what all of them cost.
func TestIdleConnections(t *testing.T) {
	n := most(9000, 1000)
	for _, tt := range []struct {
		way    string
		secure bool
		ask    func(t *testing.T, addr string, config *tls.Config)
		bar    int64
		stack  int64 // bytes of it for each connection; 0 if that is not watched
	}{
		{"HTTP/1.1", false, askOnHTTP1, 10_000, 4 << 10},
		{"HTTP/1.1 over TLS", true, askOnHTTP1, 25_000, 0},
		{"HTTP/2", false, askOnHTTP2, 10_000, 0},
		{"HTTP/2 over TLS", true, askOnHTTP2, 25_000, 0},
	} {
		t.Run(tt.way, func(t *testing.T) {
			x := newTarget(t)
			addr, config := x.gate.HTTP, (*tls.Config)(nil)
			if tt.secure {
				addr, config = x.gate.HTTPS, &tls.Config{InsecureSkipVerify: true}
			}
			for range 100 {
				tt.ask(t, addr, config)
			}
			settle(x)
			before, stacks := resident(t, x.gate.PID()), stackBytes(t, x)
			for range n {
				tt.ask(t, addr, config)
			}
			settle(x)
			each := (resident(t, x.gate.PID()) - before) / int64(n)
			verdict := "within the bar"
			if each > tt.bar {
				verdict = "BEYOND THE BAR"
			}
			stack := (stackBytes(t, x) - stacks) / int64(n)
			t.Logf("%d connections, %d bytes each, %d of them stack, at most %d wanted: %s", n, each, stack, tt.bar, verdict)
			if each > 2*tt.bar {
				t.Errorf("more than twice the bar")
			}
			if tt.stack > 0 && stack > tt.stack*5/4 {
				t.Errorf("stacks of %d bytes, want %d: what has outgrown them?", stack, tt.stack)
			}
		})
	}
}

// askOnHTTP1 opens a connection, asks once and leaves it open.
func askOnHTTP1(t *testing.T, addr string, config *tls.Config) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if config != nil {
		c = tls.Client(c, config)
	}
	head := "GET /probe HTTP/1.1\r\nHost: a.test\r\n"
	for i := 0; i < len(idleFields); i += 2 {
		head += idleFields[i] + ": " + idleFields[i+1] + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
}

// askOnHTTP2 does the same over HTTP/2.
func askOnHTTP2(t *testing.T, addr string, config *tls.Config) {
	c := h2raw.Dial(t, addr, config).Greet()
	var more []string
	for i := 0; i < len(idleFields); i += 2 {
		more = append(more, idleFields[i]+": "+idleFields[i+1])
	}
	c.Request(1, true, lines("GET", "/probe", more...)...)
	if got := c.Response(1).String(); got != "200" {
		t.Fatalf("got %s", got)
	}
}

// stackBytes returns what all stacks of the gate take.
func stackBytes(t *testing.T, x *target) int64 {
	r, err := http.Get("http://" + x.gate.Health + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	const name = "\ngo_memstats_stack_inuse_bytes "
	_, after, found := strings.Cut(string(text), name)
	var n float64
	if _, err := fmt.Sscan(after, &n); !found || err != nil {
		t.Fatalf("metrics do not tell %s: %v", name, err)
	}
	return int64(n)
}

// settle waits until the gate's memory has stopped to change.
func settle(x *target) {
	last := int64(0)
	for range 20 {
		now := resident(x.t, x.gate.PID())
		if last == now {
			return
		}
		last = now
		time.Sleep(300 * time.Millisecond)
	}
}

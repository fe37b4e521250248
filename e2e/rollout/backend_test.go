package rollout

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// pods gives every backend an address of its own, as a cluster does.
var pods atomic.Int32

// pod is a backend with an address of its own on port 8080.
type pod struct {
	name, ip string
	server   *http.Server
	hits     atomic.Int64
}

// podPort is the port of all pods.
const podPort = 8080

// startPod starts a backend that answers with its name.
func startPod(t *testing.T, name string) *pod {
	t.Helper()
	n := pods.Add(1)
	p := &pod{name: name, ip: fmt.Sprintf("10.78.%d.%d", n/250, n%250+1)}
	l, err := net.Listen("tcp", net.JoinHostPort(p.ip, fmt.Sprint(podPort)))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.hits.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name)
	})
	mux.HandleFunc("/slow", serveSlow)
	mux.HandleFunc("/echo", serveEcho)
	p.server = &http.Server{Handler: mux}
	go func() { _ = p.server.Serve(l) }()
	t.Cleanup(func() { p.server.Close() })
	return p
}

// end ends a pod as one ends that finishes what it has begun.
func (p *pod) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.server.Shutdown(ctx)
}

// serveSlow answers with a byte every tenth of a second for as long as the client stays.
func serveSlow(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, "."); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		time.Sleep(100 * time.Millisecond)
	}
}

// serveEcho switches protocols and sends back what comes: a WebSocket as far as a proxy can see.
func serveEcho(w http.ResponseWriter, _ *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(c, rw)
}

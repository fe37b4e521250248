package harness

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// Backend is an HTTP server that answers with its name, and says in X-Seen-Path, X-Seen-Host and X-Seen-Proto what it was
// asked.
type Backend struct {
	Name, IP string
	Port     int
}

// StartBackend starts one on an address, on a free port.
func StartBackend(t testing.TB, ip, name string) *Backend {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Path", r.URL.RequestURI())
		w.Header().Set("X-Seen-Host", r.Host)
		w.Header().Set("X-Seen-Proto", r.Header.Get("X-Forwarded-Proto"))
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return &Backend{Name: name, IP: ip, Port: l.Addr().(*net.TCPAddr).Port}
}

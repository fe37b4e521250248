package main

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// TestAliveWhileTheAPIServerIsAway starts a controller before its API server: it is alive, but not ready.
func TestAliveWhileTheAPIServerIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port) // free again in a moment
	l.Close()
	root := newRoot()
	root.SetArgs([]string{"controller", "--apiserver-host", "http://127.0.0.1:1", "--bind-address", "127.0.0.1", "--http-port", "0", "--https-port", "0",
		"--healthz-host", "127.0.0.1", "--healthz-port", port, "--profiling=false"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	limit, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for path, status := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusInternalServerError, "/healthz": http.StatusInternalServerError} {
		if err := askUntil(limit, "http://127.0.0.1:"+port+path, status); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if <-done == nil {
		t.Error("a controller that never reached an API server ended as if all were well")
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// newDefaultBackend returns `yett default-backend`, which stands in for the default backend image of
// ingress-nginx's chart: 404 for everything, 200 on /healthz.
func newDefaultBackend() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use:    "default-backend",
		Short:  "Answer 404 to everything and 200 to /healthz",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("bind: %w", err)
			}
			return serveDefaultBackend(cmd.Context(), l)
		},
	}
	cmd.Flags().IntVar(&port, "port", 8080, "port to listen on")
	return cmd
}

// serveDefaultBackend serves until the context ends, then lets the last requests finish.
func serveDefaultBackend(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "default backend - 404")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		ended <- server.Shutdown(limit)
	})
	err := server.Serve(l)
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve: %w", err)
	}
	return <-ended
}

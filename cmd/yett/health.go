package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health is the server of the health port: /healthz, /livez, /readyz and /metrics.
type health struct {
	// ready says that the first table is live; ending that the process was told to stop.
	ready, ending atomic.Bool
	listener      net.Listener
	server        *http.Server
	served        chan error
}

// newHealth binds the health port and answers there from now on: waiting for an API server is no reason to be restarted, and
// /livez has to say so.
func newHealth(o *options, registry *prometheus.Registry, log logr.Logger) (*health, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.healthHost, strconv.Itoa(o.healthPort)))
	if err != nil {
		return nil, fmt.Errorf("bind health port: %w", err)
	}
	h := &health{listener: listener, served: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/readyz", h.serveReady)
	mux.HandleFunc(o.healthPath, h.serveReady)
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: promLog{log}}))
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() { h.served <- h.server.Serve(listener) }()
	return h, nil
}

// serveReady answers 200 while traffic is welcome. Until the first table is live it says no, since the
// listeners would answer 404 for everything; while draining it says no, so that no new traffic comes.
func (h *health) serveReady(w http.ResponseWriter, _ *http.Request) {
	switch {
	case h.ending.Load():
		http.Error(w, "draining", http.StatusInternalServerError)
	case !h.ready.Load():
		http.Error(w, "no table yet", http.StatusInternalServerError)
	default:
		_, _ = io.WriteString(w, "ok")
	}
}

// run ends the server with the context.
func (h *health) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { h.server.Close() })
	defer stop()
	if err := <-h.served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health port: %w", err)
	}
	return nil
}

// promLog passes what the metrics handler complains of to the log.
type promLog struct{ log logr.Logger }

// Println implements promhttp.Logger.
func (l promLog) Println(v ...any) { l.log.Info("metrics not gathered", "error", fmt.Sprint(v...)) }

// runProfiler serves pprof on its own port, which is that of loopback unless a flag says otherwise. A port
// that is taken is no reason not to start. The same port answers questions about the routes.
func runProfiler(ctx context.Context, o *options, q *questions, log logr.Logger) error {
	if !o.profiling {
		return nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(o.profilerHost, strconv.Itoa(o.profilerPort)))
	if err != nil {
		log.Info("profiler not started", "reason", err.Error())
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	q.register(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve profiler: %w", err)
	}
	return nil
}

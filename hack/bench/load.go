package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of load.
const (
	kindHTTP      = "http"
	kindWebSocket = "websocket"
	kindIdle      = "idle"
	kindOpen      = "open" // at a fixed rate, over plain HTTP/1.1
	// Over HTTP/2, Streams at a time on each connection.
	kindHTTP2      = "http2"
	kindGRPC       = "grpc"
	kindGRPCStream = "grpcstream"
)

// load is what the load generator is to do. Every connection sends its next request when it has the answer to the last.
type load struct {
	Kind        string
	Address     string
	TLS         bool
	Fresh       bool // a new connection for every request
	Connections int
	Streams     int      // at a time on each connection, with HTTP/2
	Rate        float64  // requests a second, with kindOpen
	Requests    []string // whole requests, sent in turn
	Warm        time.Duration
	Duration    time.Duration
	Processes   []int // the proxy's: their CPU time is read at both ends of Duration
}

// result is what came of a load.
type result struct {
	Requests int64   `json:"requests"`
	Seconds  float64 `json:"seconds"`
	CPU      int64   `json:"cpu_ns"` // of the proxy
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	P999     float64 `json:"p999_us"`
	Errors   int64   `json:"errors,omitempty"`
	Error    string  `json:"error,omitempty"`
	// PerConnection are the bytes of memory that each idle connection added.
	PerConnection float64 `json:"bytes_per_connection,omitempty"`
	Peak          int64   `json:"peak_bytes"` // most memory of the proxy so far
}

// generator runs a load.
type generator struct {
	load
	measuring, ended atomic.Bool
	done, errors     atomic.Int64
	mu               sync.Mutex
	first            error
	took             []time.Duration
}

// run runs a load and tells what came of it.
func run(l load) (r result) {
	g := &generator{load: l}
	switch l.Kind {
	case kindIdle:
		return g.idle()
	case kindOpen:
		return runOpen(l)
	}
	var wg sync.WaitGroup
	for i := range l.Connections {
		wg.Go(func() { g.worker(i) })
	}
	time.Sleep(l.Warm)
	g.measuring.Store(true)
	begin, count, cpu := time.Now(), g.done.Load(), cpuTime(l.Processes)
	time.Sleep(l.Duration)
	r.CPU, r.Requests, r.Seconds = cpuTime(l.Processes)-cpu, g.done.Load()-count, time.Since(begin).Seconds()
	g.ended.Store(true)
	wg.Wait()
	slices.Sort(g.took)
	r.P50, r.P99, r.P999 = quantile(g.took, 0.5), quantile(g.took, 0.99), quantile(g.took, 0.999)
	g.report(&r)
	return r
}

// report adds what went wrong.
func (g *generator) report(r *result) {
	r.Errors = g.errors.Load()
	if g.first != nil {
		r.Error = g.first.Error()
	}
}

// quantile returns a quantile of sorted times in microseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Nanoseconds()) / 1e3
}

// worker drives one connection after another until the load ends.
func (g *generator) worker(i int) {
	took := make([]time.Duration, 0, 1<<16)
	for n := i; !g.ended.Load(); {
		if err := g.session(&n, &took); err != nil && !g.ended.Load() {
			if g.errors.Add(1) > 1000 {
				break
			}
			g.mu.Lock()
			if g.first == nil {
				g.first = err
			}
			g.mu.Unlock()
		}
	}
	g.mu.Lock()
	g.took = append(g.took, took...)
	g.mu.Unlock()
}

// session sends requests over one connection. The time of a fresh connection's request includes making it.
func (g *generator) session(n *int, took *[]time.Duration) error {
	begin := time.Now()
	c, err := g.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if g.Streams > 0 {
		return g.h2session(c, took)
	}
	exchange := g.http(c)
	if g.Kind == kindWebSocket {
		if exchange, err = g.webSocket(c); err != nil {
			return err
		}
	}
	if !g.Fresh {
		begin = time.Now()
	}
	for !g.ended.Load() {
		if err := exchange(*n); err != nil {
			return err
		}
		*n++
		now := time.Now()
		g.done.Add(1)
		if g.measuring.Load() {
			*took = append(*took, now.Sub(begin))
		}
		if g.Fresh {
			break
		}
		begin = now
	}
	return nil
}

// dial makes a connection.
func (g *generator) dial() (net.Conn, error) {
	c, err := net.DialTimeout("tcp", g.Address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok && g.Fresh {
		_ = tcp.SetLinger(0) // no port waits in TIME_WAIT
	}
	_ = c.SetDeadline(time.Now().Add(g.Warm + g.Duration + 30*time.Second))
	if !g.TLS {
		return c, nil
	}
	// The certificate is the bench's own; what is measured is the other side.
	protocol := "http/1.1"
	if g.Streams > 0 {
		protocol = "h2"
	}
	secure := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{protocol}, //nolint:gosec
		CurvePreferences: []tls.CurveID{tls.X25519}}) // one that all of them have: Debian's OpenSSL knows no ML-KEM
	if err := secure.Handshake(); err != nil {
		c.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return secure, nil
}

// http returns a function that does one exchange on a connection.
func (g *generator) http(c net.Conn) func(n int) error {
	r := bufio.NewReaderSize(c, 4096)
	scratch := []byte(nil)
	requests := make([][]byte, len(g.Requests))
	for i, text := range g.Requests {
		requests[i] = []byte(text)
	}
	return func(n int) error {
		if _, err := c.Write(requests[n%len(requests)]); err != nil {
			return err
		}
		length, err := readHead(r, 200)
		if err != nil {
			return err
		}
		if length <= r.Size() {
			_, err = r.Discard(length)
			return err
		}
		if scratch == nil {
			scratch = make([]byte, 64<<10)
		}
		for length > 0 { // past the small buffer: large reads cost the generator less
			m, err := r.Read(scratch[:min(length, len(scratch))])
			if err != nil {
				return err
			}
			length -= m
		}
		return nil
	}
}

// readHead reads the head of a response and returns its Content-Length.
func readHead(r *bufio.Reader, want int) (length int, err error) {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case first:
			if status, err := strconv.Atoi(string(line[9:12])); err != nil || status != want {
				return 0, fmt.Errorf("answered %q", bytes.TrimSpace(line))
			}
		case len(line) <= 2:
			return length, nil
		case len(line) > 16 && bytes.EqualFold(line[:15], []byte("content-length:")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
		}
	}
}

// webSocket upgrades a connection and returns a function that sends a frame and awaits its echo.
func (g *generator) webSocket(c net.Conn) (func(int) error, error) {
	if _, err := io.WriteString(c, g.Requests[0]); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	if _, err := readHead(r, 101); err != nil {
		return nil, err
	}
	const size = 64
	frame := append([]byte{0x82, 0x80 | size, 1, 2, 3, 4}, make([]byte, size)...)
	back := make([]byte, 2+size)
	return func(int) error {
		if _, err := c.Write(frame); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, back); err != nil {
			return err
		}
		if back[0] != 0x82 || back[2] != 1 {
			return errors.New("not the frame that was sent")
		}
		return nil
	}, nil
}

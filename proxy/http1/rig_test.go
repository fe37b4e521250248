package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// seen is a request as the handler saw it, cloned.
type seen struct {
	method, target, path, query, host, authority string
	fields                                       []wire.Field
	overrides                                    []wire.Field
	length                                       int64
	body                                         string
	trailers                                     []wire.Field
	err                                          error
	expect, upgrade                              bool
}

// line is the short form that tables compare: method, target, host, body.
func (s *seen) line() string {
	out := s.method + " " + s.target + " " + s.host
	if s.body != "" {
		out += " " + s.body
	}
	if s.err != nil {
		out += " !"
	}
	return out
}

func (s *seen) get(name string) (string, bool) {
	for _, f := range s.fields {
		if wire.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

// rig is a server on loopback with a handler that records what it is given, reads the body and answers 200
// "ok", unless the test has another idea.
type rig struct {
	tb     testing.TB
	srv    Server
	addr   string
	limits atomic.Pointer[wire.Limits]
	// serve, if set, answers instead.
	serve func(x *filter.Exchange)

	draining atomic.Bool
	mu       sync.Mutex
	seen     []*seen
	rejected []string
}

func newRig(tb testing.TB) *rig {
	r := &rig{tb: tb}
	r.limit(func(l *wire.Limits) {
		l.HeadTimeout, l.IdleTimeout, l.BodyTimeout = 10*time.Second, 10*time.Second, 10*time.Second
	})
	r.srv = Server{
		Handler: r, Limits: r.limits.Load, Draining: r.draining.Load,
		Rejected: func(x *filter.Exchange, reason string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.rejected = append(r.rejected, reason)
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { r.srv.Serve(ctx, conn, &filter.Conn{}) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		cancel()
		done.Wait()
	})
	return r
}

// limit changes the limits.
func (r *rig) limit(change func(l *wire.Limits)) {
	l := wire.DefaultLimits()
	if now := r.limits.Load(); now != nil {
		l = *now
	}
	change(&l)
	r.limits.Store(&l)
}

// ServeExchange implements Handler.
func (r *rig) ServeExchange(x *filter.Exchange) {
	if r.serve != nil {
		r.serve(x)
		return
	}
	s := r.record(x)
	answer(x, s.err)
}

// record reads the body and notes the request.
func (r *rig) record(x *filter.Exchange) *seen {
	q := &x.Request
	body, err := io.ReadAll(x.Stream)
	s := &seen{
		method: strings.Clone(q.Method), target: strings.Clone(q.Target), path: strings.Clone(q.Path), query: strings.Clone(q.Query),
		host: strings.Clone(q.Host), authority: strings.Clone(q.Authority), length: q.Length, body: string(body), err: err,
		expect: q.ExpectContinue, upgrade: q.Upgrade, fields: cloneFields(q.Fields.All()), overrides: cloneFields(x.Overrides.All()),
	}
	if t := x.Stream.Trailers(); t != nil {
		s.trailers = cloneFields(t.All())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
	return s
}

func cloneFields(fields []wire.Field) []wire.Field {
	var out []wire.Field
	for _, f := range fields {
		out = append(out, wire.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value), ID: f.ID})
	}
	return out
}

// answer answers 200 "ok", or what a malformed body calls for.
func answer(x *filter.Exchange, err error) {
	var bad *wire.BodyError
	switch {
	case err == nil:
		x.ReplyText(200, "text/plain", "ok")
	case errors.As(err, &bad) && bad.Status != 499:
		x.Reply(bad.Status)
	default:
		x.Stream.Abort()
		return
	}
	write(x)
}

// write sends the answer that is in the exchange.
func write(x *filter.Exchange) {
	if x.Stream.WriteHead(&x.Response) != nil {
		return
	}
	if _, err := x.Stream.Write(wire.Bytes(x.Body)); err != nil {
		return
	}
	x.Stream.Finish(nil)
}

// requests returns what the handler saw so far.
func (r *rig) requests() []*seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*seen(nil), r.seen...)
}

// reasons returns why requests were rejected.
func (r *rig) reasons() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.rejected, "|")
}

// lines returns the short forms of what the handler saw.
func (r *rig) lines() string {
	var out []string
	for _, s := range r.requests() {
		out = append(out, s.line())
	}
	return strings.Join(out, "\n")
}

// crlf turns the notation of the tables into bytes: every LF is a CRLF.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

const (
	after = "GET /after HTTP/1.1\r\nHost: z.test\r\n\r\n"
	smug  = "GET /smuggled HTTP/1.1\r\nHost: b.test\r\n\r\n"
)

// run sends raw and checks the status codes and, in sync or closed, the state of the connection after
// them.
func (r *rig) run(raw string, statuses []int, open bool) {
	r.tb.Helper()
	c := wiretest.Dial(r.tb, r.addr)
	c.Send(raw)
	method, _, _ := strings.Cut(strings.TrimLeft(raw, "\r\n"), " ")
	for i, want := range statuses {
		m, err := c.Response(method)
		if err != nil {
			r.tb.Fatalf("response %d: %v (so far %+v)", i, err, m)
		}
		if m.Status() != want {
			r.tb.Fatalf("response %d is %q, want %d", i, m.StartLine, want)
		}
		if m.Status() >= 200 {
			method = "GET"
		}
		if last := i == len(statuses)-1; last && m.Status() >= 400 && !open && m.Get("Connection") != "close" {
			r.tb.Errorf("response %d does not announce the end: %+v", i, m.Fields)
		}
	}
	if !open {
		if end := c.End(wiretest.Wait); end != wiretest.Closed {
			r.tb.Fatalf("connection is %s, want it closed", end)
		}
		return
	}
	c.Send(after)
	c.Must("GET", 200)
	seen := r.requests()
	if n := len(seen); n == 0 || seen[n-1].target != "/after" {
		r.tb.Fatalf("the connection is out of sync:\n%s", r.lines())
	}
	r.mu.Lock()
	r.seen = r.seen[:len(r.seen)-1]
	r.mu.Unlock()
}

// pipe returns the two ends of a connection in memory, on which every write waits for its reader.
func pipe(tb testing.TB) (client, server net.Conn) {
	client, server = net.Pipe()
	tb.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

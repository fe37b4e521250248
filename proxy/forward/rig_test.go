package forward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is the upstream of most tests.
var key = upstream.Key{Namespace: "ns", Service: "service", Port: "80"}

// rig is a whole proxy in front of endpoints of a test: a real listener, the real engine, and a handler that
// does nothing but forward.
type rig struct {
	t        testing.TB
	f        *Forwarder
	registry *upstream.Registry
	upstream *upstream.Upstream
	plan     atomic.Pointer[Plan]
	policy   ir.Policy
	listener net.Listener
	server   http1.Server
	serial   atomic.Uint64
	conns    sync.WaitGroup
	records  chan record
	// before, if set, sees each exchange before it is forwarded.
	before atomic.Pointer[func(x *filter.Exchange)]
	// quiet drops records that nobody reads.
	quiet atomic.Bool
	once  sync.Once
	ctx   context.Context
}

// record is what was known of an exchange at its end.
type record struct {
	Status            int
	Local, Gone       bool
	Attempts          []filter.Attempt
	TunnelIn, TunelUp int64
}

// newRig starts a proxy whose upstream has these endpoints. change may change the policy.
func newRig(t testing.TB, change func(*ir.Policy), endpoints ...netip.AddrPort) *rig {
	t.Helper()
	r := &rig{t: t, registry: upstream.NewRegistry(), policy: ir.DefaultPolicy(), records: make(chan record, 64)}
	if change != nil {
		change(&r.policy)
	}
	r.f = New(Options{Registry: r.registry})
	r.upstream = r.registry.Upstream(key)
	r.publish(endpoints...)
	r.compile(Spec{Policy: &r.policy, Main: &ir.Upstream{Key: key}})
	r.server.Handler = r
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithCancel(context.Background())
	t.Cleanup(func() {
		r.listener.Close()
		cancel()
		r.conns.Wait()
		r.registry.Close()
		r.f.Close()
	})
	return r
}

// start begins to accept clients.
func (r *rig) start() {
	r.once.Do(func() { r.conns.Go(func() { r.accept(r.ctx) }) })
}

// compile replaces the plan.
func (r *rig) compile(s Spec) {
	r.t.Helper()
	if s.Origin == nil {
		s.Origin = &filter.Origin{Namespace: "ns", Ingress: "main", Path: "/"}
	}
	plan, err := r.f.Compile(s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.plan.Store(plan)
}

// see shows each exchange to a function before it is forwarded.
func (r *rig) see(f func(x *filter.Exchange)) { r.before.Store(&f) }

// publish replaces the endpoints.
func (r *rig) publish(endpoints ...netip.AddrPort) {
	var specs []upstream.Spec
	for _, e := range endpoints {
		specs = append(specs, upstream.Spec{Address: upstream.Address{AddrPort: e}})
	}
	r.upstream.Publish(specs)
}

// accept serves the clients.
func (r *rig) accept(ctx context.Context) {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		raw, _ := c.(*net.TCPConn).SyscallConn()
		info := &filter.Conn{
			Serial: r.serial.Add(1), Raw: raw,
			Peer:  c.RemoteAddr().(*net.TCPAddr).AddrPort(),
			Local: c.LocalAddr().(*net.TCPAddr).AddrPort(),
		}
		r.conns.Go(func() { r.server.Serve(ctx, c, info) })
	}
}

// ServeExchange implements http1.Handler.
func (r *rig) ServeExchange(x *filter.Exchange) {
	x.ClientText, x.ForwardedFor, x.ForwardedPort, x.RequestID = "192.0.2.7", "192.0.2.7", "80", "0123456789abcdef"
	x.ForwardedHost = x.Request.Authority
	if x.Scheme == "" {
		x.Scheme = "http"
	}
	if before := r.before.Load(); before != nil {
		(*before)(x)
	}
	r.f.Do(x, r.plan.Load(), r.upstream, r)
	if x.Local && !x.ClientGone {
		r.answer(x)
	}
	rec := record{Status: x.Response.Status, Local: x.Local, Gone: x.ClientGone, TunnelIn: x.TunnelIn, TunelUp: x.TunnelOut}
	if r.quiet.Load() {
		return
	}
	rec.Attempts = append(rec.Attempts, x.Attempts[:x.NumAttempts]...)
	select {
	case r.records <- rec:
	default:
		r.t.Error("nobody reads the records")
	}
}

// answer sends an answer of the proxy's own.
func (r *rig) answer(x *filter.Exchange) {
	if _, err := r.Respond(x); err != nil {
		x.Stream.Abort()
		return
	}
	if x.Request.Method != "HEAD" {
		_, _ = x.Stream.Write(wire.Bytes(x.Body))
	}
	_ = x.Stream.Finish(nil)
}

// Respond implements Responder.
func (r *rig) Respond(x *filter.Exchange) (wire.Stream, error) {
	for _, f := range x.ResponseAdd.All() {
		x.Response.Fields.Append(f)
	}
	return x.Stream, x.Stream.WriteHead(&x.Response)
}

// record waits for the end of the next exchange.
func (r *rig) record() record {
	r.t.Helper()
	select {
	case rec := <-r.records:
		return rec
	case <-time.After(patience):
		r.t.Fatal("the exchange does not end")
	}
	return record{}
}

// client is a client connection that sends exact bytes.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

// dial connects a client to the proxy.
func (r *rig) dial() *client {
	r.t.Helper()
	r.start()
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{r.t, c, bufio.NewReader(c)}
}

// send writes bytes.
func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("client: %v", err)
	}
}

// answer is a response as a client sees it.
type answer struct {
	*http.Response
	body string
	// err is what ended the body, if not its end.
	err error
}

// receive reads the final response to a request with a method.
func (c *client) receive(method string) answer {
	c.t.Helper()
	var resp *http.Response
	for resp == nil || resp.StatusCode < 200 {
		var err error
		if resp, err = http.ReadResponse(c.r, &http.Request{Method: method}); err != nil {
			c.t.Fatalf("client: %v", err)
		}
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body), err}
}

// get sends a GET and reads the response.
func (c *client) get(path string, fields ...string) answer {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: a.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n")
	return c.receive("GET")
}

// post returns a POST with a body.
func post(body string, fields ...string) string {
	return "POST /p HTTP/1.1\r\nHost: a.test\r\n" + strings.Join(append(fields, ""), "\r\n") +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// expectClosed checks that the proxy closes the connection, with nothing more said.
func (c *client) expectClosed() {
	c.t.Helper()
	b := make([]byte, 100)
	if n, err := c.r.Read(b); n != 0 || err == nil {
		c.t.Errorf("more from the proxy: %q, %v", b[:n], err)
	} else if errors.Is(err, context.DeadlineExceeded) {
		c.t.Errorf("the connection stays open: %v", err)
	}
}

// statuses describes the attempts of an exchange.
func statuses(rec record) string {
	var list []string
	for _, a := range rec.Attempts {
		text := strconv.Itoa(a.Status)
		if a.Failure != upstream.NoFailure {
			text += " " + a.Failure.String()
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// idle returns how many idle connections all endpoints have.
func (r *rig) idle() int {
	n := 0
	for _, e := range r.upstream.Set().Endpoints() {
		n += e.Pool(upstream.Profile{}).Len()
	}
	return n
}

// describe is for messages.
func describe(a answer) string { return fmt.Sprintf("%d %q %v", a.StatusCode, a.body, a.err) }

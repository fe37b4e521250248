package forward

import (
	"bufio"
	"bytes"
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
	if r.Respond(x) != nil {
		x.Stream.Abort()
		return
	}
	if x.Request.Method != "HEAD" {
		_, _ = x.Stream.Write(wire.Bytes(x.Body))
	}
	_ = x.Stream.Finish(nil)
}

// Respond implements Responder.
func (r *rig) Respond(x *filter.Exchange) error {
	for _, f := range x.ResponseAdd.All() {
		x.Response.Fields.Append(f)
	}
	return x.Stream.WriteHead(&x.Response)
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

// backend is a scripted endpoint: what it does with a connection is a function.
type backend struct {
	t        testing.TB
	listener *net.TCPListener
	conns    atomic.Int32
	requests atomic.Int32
	open     sync.Map
	wg       sync.WaitGroup
}

// newBackend starts an endpoint. script is called for each connection with its number, from 1.
func newBackend(t testing.TB, script func(c *peer, n int)) *backend {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, listener: l}
	b.wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			n := int(b.conns.Add(1))
			b.open.Store(c, true)
			b.wg.Go(func() {
				defer b.open.Delete(c)
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				script(&peer{b: b, TCPConn: c, r: bufio.NewReader(c)}, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		b.wg.Wait()
	})
	return b
}

// addr is where the endpoint listens.
func (b *backend) addr() netip.AddrPort { return b.listener.Addr().(*net.TCPAddr).AddrPort() }

// peer is a connection as an endpoint sees it.
type peer struct {
	b *backend
	*net.TCPConn
	r *bufio.Reader
}

// request is a request as it came, byte for byte.
type request struct {
	head string
	body string
	err  error
}

// line is the request line.
func (r *request) line() string {
	line, _, _ := strings.Cut(r.head, "\r\n")
	return line
}

// field returns the values of a field, joined by "|".
func (r *request) field(name string) string {
	var values []string
	for _, line := range strings.Split(r.head, "\r\n")[1:] {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return strings.Join(values, "|")
}

// readHead reads the head of a request, or returns false at the end of the connection.
func (p *peer) readHead() (request, bool) {
	var head bytes.Buffer
	for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
		line, err := p.r.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return request{head: head.String(), err: err}, false
		}
	}
	p.b.requests.Add(1)
	return request{head: head.String()}, true
}

// read reads a whole request.
func (p *peer) read() (request, bool) {
	r, ok := p.readHead()
	if !ok {
		return r, false
	}
	parsed, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(r.head), p.r)))
	if err != nil {
		r.err = err
		return r, false
	}
	var body []byte
	switch {
	case parsed.ContentLength > 0:
		body = make([]byte, parsed.ContentLength)
		_, r.err = io.ReadFull(p.r, body)
	case parsed.ContentLength < 0:
		body, r.err = p.readChunks()
	}
	r.body = string(body)
	return r, r.err == nil
}

// readChunks reads a chunked body without trailers.
func (p *peer) readChunks() (body []byte, err error) {
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return body, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return body, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(p.r, chunk); err != nil {
			return body, err
		}
		if n == 0 {
			return body, nil
		}
		body = append(body, chunk[:n]...)
	}
}

// say writes bytes.
func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// reset closes the connection with RST.
func (p *peer) reset() {
	_ = p.SetLinger(0)
	p.Close()
}

// untilClosed waits until the proxy closes the connection and returns how long that took.
func (p *peer) untilClosed() time.Duration {
	start := time.Now()
	_, _ = io.Copy(io.Discard, p.r)
	return time.Since(start)
}

// ok is a small response.
func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// always answers each request with the same text.
func always(text string) func(*peer, int) {
	return func(p *peer, _ int) {
		for {
			if _, more := p.read(); !more {
				return
			}
			p.say(text)
		}
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
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

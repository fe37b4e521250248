package http3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/certtest"
	"github.com/yettproxy/yett/proxy/filter"
	engine "github.com/yettproxy/yett/proxy/http3"
	"github.com/yettproxy/yett/proxy/wire"
)

// handler is a function that answers.
type handler func(x *filter.Exchange)

// ServeExchange implements engine.Handler.
func (h handler) ServeExchange(x *filter.Exchange) { h(x) }

// rig is a running server and its client.
type rig struct {
	t      testing.TB
	server *engine.Server
	addr   string
	roots  *tls.Config
	client *http.Client
	// rejected are the reasons that the engine gave.
	rejected chan string
}

// newRig starts a server. change may change its options.
func newRig(t testing.TB, h handler, change func(*engine.Options)) *rig {
	t.Helper()
	ca := certtest.New(t, "Root")
	r := &rig{t: t, rejected: make(chan string, 64), roots: &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{"h3"}}}
	limits := wire.DefaultLimits()
	o := engine.Options{
		Addresses: []string{"127.0.0.1:0"}, TLS: &tls.Config{Certificates: []tls.Certificate{ca.Server("a.test").TLS}}, Handler: h,
		Limits:   func() *wire.Limits { return &limits },
		Rejected: func(x *filter.Exchange, reason string) { r.rejected <- fmt.Sprint(x.Response.Status, " ", reason) },
		Panicked: func(_ *filter.Exchange, v any) { t.Errorf("panic: %v", v) },
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.server, err = engine.New(o); err != nil {
		t.Fatal(err)
	}
	r.addr = r.server.Addresses()[0].String()
	r.server.Start(context.Background())
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.server.Drain(ctx, 0) // what a test left open is cut
	})
	r.client = r.newClient()
	return r
}

// newClient returns a client with a connection of its own.
func (r *rig) newClient() *http.Client {
	transport := &http3.Transport{
		TLSClientConfig: r.roots,
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, r.addr, c, q)
		},
	}
	r.t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do sends a request and returns the answer with its body.
func (r *rig) do(method, target string, body io.Reader, fields ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, "https://a.test"+target, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read body: %v", method, target, err)
	}
	return resp, string(text)
}

// echo answers with what it was asked, and with trailers what came in them.
func echo(x *filter.Exchange) {
	body, err := io.ReadAll(x.Stream)
	if err != nil {
		x.Stream.Abort()
		return
	}
	q := &x.Request
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s path=%s query=%s host=%s length=%d version=%d.%d body=%d\n", q.Method, q.Target, q.Path, q.Query, q.Host, q.Length, q.Major, q.Minor, len(body))
	for _, f := range q.Fields.All() {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if tr := x.Stream.Trailers(); tr != nil {
		for _, f := range tr.All() {
			fmt.Fprintf(&b, "trailer %s: %s\n", f.Name, f.Value)
		}
	}
	x.ReplyText(200, "text/plain", b.String())
	finish(x, nil)
}

// finish sends the answer that is in the exchange.
func finish(x *filter.Exchange, trailers *wire.Fields) {
	if x.Stream.WriteHead(&x.Response) != nil {
		return
	}
	if _, err := io.WriteString(x.Stream, x.Body); err == nil {
		_ = x.Stream.Finish(trailers)
	}
}

// raw sends bytes on a stream of its own and returns what comes back of it, or the code it was reset with.
func (r *rig) raw(frames ...[]byte) (status string, code quic.StreamErrorCode) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := quic.DialAddr(ctx, r.addr, r.roots, &quic.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.CloseWithError(0, "") }()
	settings, err := c.OpenUniStream()
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := settings.Write([]byte{0, 4, 0}); err != nil { // a control stream with empty SETTINGS
		r.t.Fatal(err)
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := s.Write(slices.Concat(frames...)); err != nil {
		r.t.Fatal(err)
	}
	s.Close()
	if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return readStatus(s)
}

package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/route"
)

// Rehearsal is a Proxy that is only asked what it would do: it listens nowhere, opens neither ports nor log files, forwards nothing,
// and asks nobody. What filters remember begins empty. Configure it through Proxy, by Apply and its Registry. It is safe for
// concurrent use.
type Rehearsal struct {
	proxy *Proxy
	asked *asked
	// mu serialises explanations: what filters ask for is told to the one under way.
	mu sync.Mutex
}

// NewRehearsal returns a Rehearsal. authStatus is what services that filters would ask, such as that of auth-url, count as
// having answered: 200 lets requests in. healthPath is Options.HealthPath. Whoever made it must call Close in the end.
func NewRehearsal(authStatus int, healthPath string) (*Rehearsal, error) {
	a := &asked{status: authStatus}
	p, err := New(Options{Client: a, HealthPath: healthPath, rehearse: true})
	if err != nil {
		return nil, err
	}
	return &Rehearsal{proxy: p, asked: a}, nil
}

// Proxy returns what to configure. It must be neither started nor drained.
func (r *Rehearsal) Proxy() *Proxy { return r.proxy }

// Table returns the routes as they stand; each knows what its filters were made from.
func (r *Rehearsal) Table() *route.Table { return r.proxy.current.Load().table }

// Close ends the Rehearsal.
func (r *Rehearsal) Close() error { return r.proxy.Drain(context.Background(), 0) }

// Call is a request to be explained.
type Call struct {
	// Head is the request as it would be sent by HTTP/1.1: its line, its fields, an empty line.
	Head []byte
	// From is who would open the connection, Port the port that it would come to.
	From netip.Addr
	Port uint16
	// TLS says that the request comes over TLS, without a certificate of the client. ServerName is the name that it asks for in
	// the handshake.
	TLS        bool
	ServerName string
}

// explainTimeout ends an explanation that does not come to its end, such as of a body that the head promises.
const explainTimeout = 5 * time.Second

// Explain says what the proxy would do with a request, and why. The engine parses the request as it would one from a client.
func (r *Rehearsal) Explain(call Call) (*Explanation, error) {
	if !bytes.HasSuffix(call.Head, []byte("\r\n\r\n")) {
		return nil, errors.New("explain request: its head has no empty line at its end")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked.take()
	ctx, cancel := context.WithTimeout(context.Background(), explainTimeout)
	defer cancel()
	e := &explainer{proxy: r.proxy, snapshot: r.proxy.current.Load(), asked: r.asked, done: cancel}
	info := &filter.Conn{Peer: netip.AddrPortFrom(call.From, 54321), Local: netip.AddrPortFrom(netip.IPv4Unspecified(), call.Port), HTTPS: call.TLS}
	if call.TLS {
		info.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: call.ServerName}
	}
	client, gate := net.Pipe()
	var background sync.WaitGroup
	background.Go(func() { _, _ = client.Write(call.Head) })
	background.Go(func() { _, _ = io.Copy(io.Discard, client) })
	engine := http1.Server{Handler: e, Limits: r.proxy.limits, Rejected: e.rejected, Panicked: e.panicked}
	engine.Serve(ctx, gate, info)
	client.Close()
	background.Wait()
	if e.out == nil {
		return nil, fmt.Errorf("explain request: no end within %v", explainTimeout)
	}
	return e.out, nil
}

// asked stands for all services that filters would ask. It answers at once and remembers what it was asked.
type asked struct {
	status int
	mu     sync.Mutex
	list   []string
}

var _ http.RoundTripper = (*asked)(nil)

// RoundTrip implements http.RoundTripper.
func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	to := *r.URL
	if to.Opaque != "" { // as whoever is asked would see it
		to.Path, to.RawPath, to.Opaque = to.Opaque, to.Opaque, ""
	}
	a.list = append(a.list, r.Method+" "+to.String())
	return &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: r,
	}, nil
}

// take returns what was asked since the last call.
func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

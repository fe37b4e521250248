//lint:file-ignore SA1019 only the transport of x/net speaks HTTP/2 in cleartext by prior knowledge to any address.

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	"golang.org/x/net/http2"
)

// h2Client is a client that speaks HTTP/2, whatever host a request names.
type h2Client struct {
	*http.Client
	scheme string
}

// overTLS returns a client of net/http that agrees on HTTP/2 in the handshake.
func overTLS(t *testing.T, g *harness.Gate) *h2Client {
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.HTTPS)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &h2Client{&http.Client{Transport: transport, Timeout: 30 * time.Second}, "https"}
}

// inClear returns a client that begins with HTTP/2 at once, in cleartext.
func inClear(t *testing.T, g *harness.Gate) *h2Client {
	transport := &http2.Transport{
		AllowHTTP: true, DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.HTTP)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &h2Client{&http.Client{Transport: transport, Timeout: 30 * time.Second}, "http"}
}

// send sends a request and returns the response with its body, which must be HTTP/2.
func (c *h2Client) send(t *testing.T, method, host, target string, body io.Reader, fields ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, c.scheme+"://"+host+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
		return &http.Response{}, nil
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: read: %v", method, target, err)
	}
	if resp.Proto != "HTTP/2.0" {
		t.Errorf("%s %s: answered in %s", method, target, resp.Proto)
	}
	return resp, out
}

// multiplex is the upstream of the tests here.
type multiplex struct {
	gone chan struct{}
}

// ServeHTTP answers with the hash of the body, or what the path asks for.
func (m *multiplex) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/large":
		piece := make([]byte, 64<<10)
		random := rand.NewChaCha8([32]byte{1})
		for range 160 {
			_, _ = random.Read(piece)
			_, _ = w.Write(piece)
		}
	case "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "12")
	case "/wait":
		select {
		case <-r.Context().Done():
			m.gone <- struct{}{}
		case <-time.After(20 * time.Second):
		}
	case "/stream":
		w.(http.Flusher).Flush()
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				break
			}
			w.(http.Flusher).Flush()
		}
		m.gone <- struct{}{}
	default:
		sum := sha256.New()
		_, err := io.Copy(sum, r.Body)
		if err != nil {
			return
		}
		time.Sleep(time.Duration(len(r.URL.Query().Get("slow"))) * 10 * time.Millisecond)
		_, _ = io.WriteString(w, hex.EncodeToString(sum.Sum(nil)))
	}
}

// newMultiplex starts a gate for the tests here.
func newMultiplex(t *testing.T, settings ...string) (*stage, *multiplex) {
	s := newStage(t)
	m := &multiplex{gone: make(chan struct{}, 100)}
	s.serve("m", m)
	s.echo("a", "b")
	s.settings = append(settings, "ssl-redirect: false")
	s.add(
		ing{name: "m", host: "m.test", paths: []string{"/ Prefix m"}, notes: []string{"proxy-body-size: 100m"}}.String(),
		secret("users", "auth: me:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc="), // admin
		ing{name: "locked", host: "locked.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: users"}}.String(),
		ing{name: "main", host: "c.test", paths: []string{"/"}}.String(),
		ing{name: "canary", host: "c.test", paths: []string{"/ Prefix b"}, notes: []string{"canary: true", "canary-by-header: X-Canary"}}.String(),
	)
	s.start()
	return s, m
}

func TestHTTP2CarriesEverythingThroughTheGate(t *testing.T) {
	s, m := newMultiplex(t)
	for name, c := range map[string]*h2Client{"TLS": overTLS(t, s.gate), "cleartext": inClear(t, s.gate)} {
		t.Run(name, func(t *testing.T) {
			empty := sha256.Sum256(nil)
			if r, body := c.send(t, "GET", "m.test", "/", nil); r.StatusCode != 200 || string(body) != hex.EncodeToString(empty[:]) {
				t.Errorf("GET: %d %q", r.StatusCode, body)
			}
			if r, body := c.send(t, "HEAD", "m.test", "/", nil); r.StatusCode != 200 || len(body) != 0 || r.ContentLength != 64 {
				t.Errorf("HEAD: %d %q %d", r.StatusCode, body, r.ContentLength)
			}
			for _, size := range []int{1, 20_000, 3 << 20} {
				large := make([]byte, size)
				_, _ = rand.NewChaCha8([32]byte{2}).Read(large)
				want := sha256.Sum256(large)
				for what, body := range map[string]io.Reader{"known": bytes.NewReader(large), "unknown": io.MultiReader(bytes.NewReader(large))} {
					if r, got := c.send(t, "POST", "m.test", "/", body); r.StatusCode != 200 || string(got) != hex.EncodeToString(want[:]) {
						t.Errorf("POST of %d bytes, length %s: %d %q", size, what, r.StatusCode, got)
					}
				}
			}
			want := make([]byte, 10<<20)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
			if r, got := c.send(t, "GET", "m.test", "/large", nil); r.StatusCode != 200 || sha256.Sum256(got) != sha256.Sum256(want) {
				t.Errorf("a large response: %d, %d bytes", r.StatusCode, len(got))
			}
			if r, body := c.send(t, "GET", "m.test", "/trailers", nil); string(body) != "body" || r.Trailer.Get("X-Sum") != "12" {
				t.Errorf("trailers: %q %v", body, r.Trailer)
			}
			var load sync.WaitGroup
			for range 100 {
				load.Go(func() {
					if r, body := c.send(t, "POST", "m.test", "/?slow=12345", strings.NewReader("x")); r.StatusCode != 200 || len(body) != 64 {
						t.Errorf("one of 100: %d %q", r.StatusCode, body)
					}
				})
			}
			load.Wait()
			for _, path := range []string{"/wait", "/stream"} {
				ctx, cancel := context.WithCancel(context.Background())
				r, _ := http.NewRequestWithContext(ctx, "GET", c.scheme+"://m.test"+path, nil)
				time.AfterFunc(200*time.Millisecond, cancel)
				resp, err := c.Do(r)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", path, err)
				}
				select {
				case <-m.gone:
				case <-time.After(3 * time.Second):
					t.Errorf("%s: the upstream did not learn that the client gave up", path)
				}
			}
		})
	}
	for _, line := range []string{`"GET /trailers HTTP/2.0" 200`, `"GET /wait HTTP/2.0" 499`, `"GET /stream HTTP/2.0" 200`} {
		harness.Until(t, 3*time.Second, line+" in the access log", func() bool { return strings.Contains(s.gate.Output(), line) })
	}
}

func TestHTTP2MeetsTheSameRules(t *testing.T) {
	s, _ := newMultiplex(t)
	c := inClear(t, s.gate)
	for _, tt := range []struct {
		host, target string
		fields       []string
		status       int
		seen         string
	}{
		{"locked.test", "/", nil, 401, ""},
		{"locked.test", "/", []string{"Authorization", "Basic bWU6YWRtaW4="}, 200, `"Service":"a"`},
		{"locked.test", "/", []string{"Authorization", "Basic bWU6d3Jvbmc="}, 401, ""},
		{"c.test", "/", nil, 200, `"Service":"a"`},
		{"c.test", "/", []string{"X-Canary", "always"}, 200, `"Service":"b"`},
		{"unknown.test", "/", nil, 404, ""},
		{"c.test", "/x", []string{"Cookie", "a=1; b=2", "X-Forwarded-For", "6.6.6.6"}, 200, `"Cookie":["a=1; b=2"]`},
	} {
		r, body := c.send(t, "GET", tt.host, tt.target, nil, tt.fields...)
		if r.StatusCode != tt.status || !strings.Contains(string(body), tt.seen) {
			t.Errorf("%s%s %v: %d %s", tt.host, tt.target, tt.fields, r.StatusCode, body)
		}
	}
	r, body := overTLS(t, s.gate).send(t, "GET", "c.test", "/", nil)
	if r.StatusCode != 200 || !strings.Contains(string(body), `"X-Forwarded-Proto":["https"]`) || !strings.Contains(string(body), `"Host":"c.test"`) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}

func TestHTTP2CanBeSwitchedOff(t *testing.T) {
	s, _ := newMultiplex(t, "use-http2: false")
	nc, err := tls.Dial("tcp", s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := nc.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q", got)
	}
	r, err := http.NewRequest("GET", "http://m.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := inClear(t, s.gate).Do(r); err == nil {
		t.Errorf("answered with %d", resp.StatusCode)
	}
}

// TestHTTP2DrainsWithoutLosingARequest is about rolling updates of the gate: clients that heed GOAWAY lose nothing.
func TestHTTP2DrainsWithoutLosingARequest(t *testing.T) {
	s, _ := newMultiplex(t)
	next := serve(t, s.dir) // where connections go that come after the end
	var asked, late atomic.Int64
	var load sync.WaitGroup
	stop := make(chan struct{})
	for _, tlsToo := range []bool{true, false} {
		c := inClear(t, s.gate)
		if tlsToo {
			c = overTLS(t, s.gate)
		}
		redirectDials(c, s.gate, next)
		for range 8 {
			load.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					r, body := c.send(t, "POST", "m.test", "/?slow=1", strings.NewReader("x"))
					if asked.Add(1); r.StatusCode != 200 || len(body) != 64 {
						late.Add(1)
						t.Errorf("%d %q", r.StatusCode, body)
						return
					}
				}
			})
		}
	}
	harness.Until(t, 5*time.Second, "load", func() bool { return asked.Load() > 200 })
	s.gate.Term()
	select {
	case <-s.gate.Done():
	case <-time.After(20 * time.Second):
		t.Error("the gate does not end")
	}
	before := asked.Load()
	harness.Until(t, 5*time.Second, "load after the end", func() bool { return asked.Load() > before+100 })
	close(stop)
	load.Wait()
	t.Logf("%d requests, %d failed", asked.Load(), late.Load())
}

// redirectDials makes a client connect to another gate once the first one does not listen any more.
func redirectDials(c *h2Client, first, second *harness.Gate) {
	dial := func(ctx context.Context, a, b string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", a)
		if err != nil {
			return new(net.Dialer).DialContext(ctx, "tcp", b)
		}
		return nc, nil
	}
	switch tr := c.Transport.(type) {
	case *http.Transport:
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, first.HTTPS, second.HTTPS) }
	case *http2.Transport:
		tr.DialTLSContext = func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
			return dial(ctx, first.HTTP, second.HTTP)
		}
	}
}

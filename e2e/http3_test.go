package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/yettproxy/yett/proxy/certtest"
)

// h3 returns a client that speaks HTTP/3 to the gate with an SNI of its own, and perhaps a certificate.
func (s *stage) h3(sni string, c *certtest.Certificate) *http.Client {
	transport := &http3.Transport{
		TLSClientConfig: showing(sni, c),
		Dial: func(ctx context.Context, _ string, config *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, s.gate.HTTPS, config, q)
		},
	}
	s.t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask3 sends a request over HTTP/3.
func (s *stage) ask3(c *http.Client, method, host, target string, body io.Reader, fields ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, "https://"+host+target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header[name] = append(r.Header[name], value)
	}
	resp, err := c.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s%s: %v", method, host, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Errorf("%s %s%s: read body: %v", method, host, target, err)
	}
	return resp, string(text)
}

// TestHTTP3 sends requests through the whole gate over HTTP/3.
func TestHTTP3(t *testing.T) {
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	good, stranger := ca.Client("alice", nil), other.Client("alice", nil)
	s := newStage(t)
	s.echo("a")
	s.serve("mirror", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil { // else net/http throws away what is not read at the first write
			t.Error(err)
		}
		_, _ = io.Copy(w, r.Body)
	}))
	s.add(caSecret("ca", ca.PEM(), ""), secret("users", "auth: alice:{PLAIN}secret"),
		ing{name: "a", host: "a.test", paths: []string{"/", "/mirror Prefix mirror"}, secret: "-", notes: []string{"proxy-body-size: 0"}}.String(),
		ing{name: "auth", host: "auth.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-type: basic", "auth-secret: users"}}.String(),
		ing{name: "list", host: "list.test", paths: []string{"/"}, secret: "-", notes: []string{"allowlist-source-range: 10.0.0.0/8"}}.String(),
		ing{name: "rewrite", host: "rewrite.test", paths: []string{"/app(/|$)(.*) ImplementationSpecific"}, secret: "-", notes: []string{"use-regex: true", "rewrite-target: /$2"}}.String(),
		ing{name: "cert", host: "cert.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca"}}.String())
	s.settings = []string{`log-format-upstream: "$server_protocol $request_uri $status $ssl_protocol"`}
	s.start("--enable-http3")

	if r := s.tls("a.test", "/"); r.Header.Get("Alt-Svc") != `h3=":443"; ma=86400` {
		t.Errorf("Alt-Svc over https: %q", r.Header.Get("Alt-Svc"))
	}
	if r := s.tls("a.test:8443", "/"); r.Header.Get("Alt-Svc") != `h3=":8443"; ma=86400` {
		t.Errorf("Alt-Svc on another port: %q", r.Header.Get("Alt-Svc"))
	}
	if r := s.get("a.test", "/"); r.Header.Get("Alt-Svc") != "" {
		t.Errorf("Alt-Svc over http: %q", r.Header.Get("Alt-Svc"))
	}
	c := s.h3("a.test", nil)
	resp, text := s.ask3(c, "GET", "a.test", "/x?y=1", nil, "X-Forwarded-For: 1.2.3.4", "Ssl-Client-Verify: SUCCESS")
	if resp.StatusCode != 200 || resp.ProtoMajor != 3 || resp.Header.Get("Alt-Svc") != "" || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %s %v", resp.StatusCode, resp.Proto, resp.Header)
	}
	wants(t, "what the backend saw", text, `"URI":"/x?y=1"`, `"Host":"a.test"`, `"X-Forwarded-Proto":["https"]`, `"X-Forwarded-For":["127.0.0.1"]`, "!SUCCESS")
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4<<16)
	for name, body := range map[string]io.Reader{"of known length": bytes.NewReader(payload), "streamed": io.MultiReader(bytes.NewReader(payload))} {
		if resp, text := s.ask3(c, "POST", "a.test", "/mirror", body); resp.StatusCode != 200 || text != string(payload) {
			t.Errorf("a body %s: %d with %d bytes", name, resp.StatusCode, len(text))
		}
	}
	for _, tt := range []struct {
		sni, host, target string
		client            *certtest.Certificate
		fields            []string
		want              int
	}{
		{"nobody.test", "nobody.test", "/", nil, nil, 404}, {"auth.test", "auth.test", "/", nil, nil, 401},
		{"auth.test", "auth.test", "/", nil, []string{"Authorization: Basic YWxpY2U6c2VjcmV0"}, 200}, {"list.test", "list.test", "/", nil, nil, 403},
		{"rewrite.test", "rewrite.test", "/app/y", nil, nil, 200}, {"cert.test", "cert.test", "/", nil, nil, 400}, {"cert.test", "cert.test", "/", &good, nil, 200},
		{"cert.test", "cert.test", "/", &stranger, nil, 400}, {"a.test", "cert.test", "/", &good, nil, 421}, {"CERT.test", "cert.test", "/", &good, nil, 200},
	} {
		if resp, text := s.ask3(s.h3(tt.sni, tt.client), "GET", tt.host, tt.target, nil, tt.fields...); resp.StatusCode != tt.want {
			t.Errorf("SNI %s, host %s%s: %d, want %d\n%s", tt.sni, tt.host, tt.target, resp.StatusCode, tt.want, text)
		}
	}
	if out := s.gate.Output(); !strings.Contains(out, "HTTP/3.0 /x?y=1 200 TLSv1.3") {
		t.Errorf("access log: %s", out)
	}
	// Early data (0-RTT) are not accepted: a session that is taken up again has none.
	config := showing("a.test", nil)
	config.NextProtos, config.ClientSessionCache = []string{"h3"}, tls.NewLRUClientSessionCache(4)
	for i := range 2 {
		q, err := quic.DialAddrEarly(t.Context(), s.gate.HTTPS, config, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-q.HandshakeComplete()
		time.Sleep(50 * time.Millisecond) // for the session ticket
		if state := q.ConnectionState(); state.Used0RTT || state.TLS.DidResume != (i > 0) {
			t.Errorf("connection %d: early data %v, resumed %v", i, state.Used0RTT, state.TLS.DidResume)
		}
		_ = q.CloseWithError(0, "")
	}
}

// TestHTTP3Drains: requests under way are answered when the process is to end.
func TestHTTP3Drains(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-"}.String())
	s.start("--enable-http3")
	c := s.h3("a.test", nil)
	s.ask3(c, "GET", "a.test", "/", nil)
	answered := make(chan int, 1)
	go func() {
		resp, err := c.Get("https://a.test/?wait=1500ms")
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Error(err)
		}
		answered <- resp.StatusCode
	}()
	time.Sleep(300 * time.Millisecond) // the request is with the backend by now, or it is refused, which fails the test
	begin := time.Now()
	s.gate.Term()
	if status := <-answered; status != 200 {
		t.Errorf("answered %d", status)
	}
	select {
	case <-s.gate.Done():
	case <-time.After(15 * time.Second):
		t.Error("the process does not end")
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestHTTP3IsOffByDefault: no port, no announcement.
func TestHTTP3IsOffByDefault(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-"}.String())
	s.start()
	if r := s.tls("a.test", "/"); r.Header.Get("Alt-Svc") != "" {
		t.Errorf("Alt-Svc: %q", r.Header.Get("Alt-Svc"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if q, err := quic.DialAddr(ctx, s.gate.HTTPS, showing("a.test", nil), nil); err == nil {
		_ = q.CloseWithError(0, "")
		t.Error("somebody speaks QUIC")
	}
}

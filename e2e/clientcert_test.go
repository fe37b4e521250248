package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
	"github.com/yettproxy/yett/proxy/certtest"
)

// caSecret is a Secret for auth-tls-secret.
func caSecret(name, ca, crl string) string {
	text := fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ndata:\n  ca.crt: %s\n", name, base64.StdEncoding.EncodeToString([]byte(ca)))
	if crl != "" {
		text += "  ca.crl: " + base64.StdEncoding.EncodeToString([]byte(crl)) + "\n"
	}
	return text
}

// showing is the configuration of a client that shows a certificate, whoever the server says it knows.
func showing(sni string, c *certtest.Certificate) *tls.Config {
	config := &tls.Config{ServerName: sni, InsecureSkipVerify: true}
	if c != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.TLS, nil }
	}
	return config
}

// show sends a GET with a certificate, nil for none.
func (s *stage) show(c *certtest.Certificate, sni, host, target string, fields ...string) *reply {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.gate.HTTPS, showing(sni, c))
	if err != nil {
		s.t.Fatalf("https %s: %v", sni, err)
	}
	defer conn.Close()
	return s.exchange(conn, "GET", host, target, "", fields...)
}

// told is what a backend was told about the client's certificate.
func (r *reply) told() string {
	if r.Seen == nil {
		return r.String()
	}
	h := r.Seen.Header
	return strings.Join([]string{h.Get("Ssl-Client-Verify"), h.Get("Ssl-Client-Subject-Dn"), h.Get("Ssl-Client-Issuer-Dn")}, "|")
}

// TestClientCertificates is nginx-compat section 3.8.
func TestClientCertificates(t *testing.T) {
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	good, stranger := ca.Client("alice", nil), other.Client("mallory", nil)
	gone := ca.Client("gone", nil)
	expired := ca.Client("late", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	s := newStage(t)
	s.echo("a")
	asked := make(chan http.Header, 1)
	auth := serveOn(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header }), []string{"127.0.0.1"})
	s.add(caSecret("ca", ca.PEM(), ""), caSecret("crl", ca.PEM(), ca.Revoke(time.Now().Add(time.Hour), gone)))
	for name, notes := range map[string][]string{
		"on": nil, "optional": {"auth-tls-verify-client: optional"}, "noca": {"auth-tls-verify-client: optional_no_ca"}, "off": {"auth-tls-verify-client: off"},
		"pass": {"auth-tls-pass-certificate-to-upstream: true"}, "cn": {"auth-tls-match-cn: CN=(alice|bob)$"}, "othercn": {"auth-tls-match-cn: CN=carol"},
		"page": {"auth-tls-error-page: https://help.test/$host"}, "crl": {"auth-tls-secret: default/crl"},
		"auth":       {fmt.Sprintf("auth-url: http://127.0.0.1:%d/", auth), "auth-tls-pass-certificate-to-upstream: true"},
		"noredirect": {"ssl-redirect: false"}, "noredirectopt": {"ssl-redirect: false", "auth-tls-verify-client: optional"},
	} {
		if name != "crl" {
			notes = append(notes, "auth-tls-secret: default/ca")
		}
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, secret: "-", notes: notes}.String())
	}
	s.add(ing{name: "plain", host: "plain.test", paths: []string{"/"}, secret: "-"}.String(),
		ing{name: "acme", host: "noredirect.test", paths: []string{"/.well-known/acme-challenge/x"}}.String(),
		ing{name: "wild", host: "*.wild.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca", "server-alias: alias.test"}}.String())
	s.start()
	const subject = "CN=alice|CN=Root,O=Test"
	none, bad := "400 none", "400 bad"
	for _, tt := range []struct {
		host   string
		client *certtest.Certificate
		want   string
	}{
		{"on", nil, none}, {"on", &good, "SUCCESS|" + subject}, {"on", &stranger, bad}, {"on", &expired, bad}, {"on", &gone, "SUCCESS|CN=gone|CN=Root,O=Test"},
		{"optional", nil, "NONE||"}, {"optional", &good, "SUCCESS|" + subject}, {"optional", &stranger, bad},
		{"noca", nil, "NONE||"}, {"noca", &good, "SUCCESS|" + subject}, {"noca", &expired, bad},
		{"noca", &stranger, "FAILED:unable to verify the first certificate|CN=mallory|CN=Other,O=Test"},
		{"off", nil, "NONE||"}, {"off", &good, "NONE||"}, {"plain", &good, "||"},
		{"cn", nil, none}, {"cn", &good, "SUCCESS|" + subject}, {"cn", &gone, "403"}, {"othercn", &good, "403"},
		{"page", nil, "302 https://help.test/page.test"}, {"page", &stranger, "302 https://help.test/page.test"}, {"page", &good, "SUCCESS|" + subject},
		{"crl", &good, "SUCCESS|" + subject}, {"crl", &gone, bad}, {"x.wild", &good, "SUCCESS|" + subject}, {"x.wild", nil, none},
	} {
		host := tt.host + ".test"
		r := s.show(tt.client, host, host, "/", "ssl-client-verify: SUCCESS", "Ssl-Client-Subject-DN: CN=root", "ssl-client-cert: x", "ssl_client_verify: SUCCESS")
		got := r.told()
		switch {
		case r.Status == 400 && strings.Contains(r.Body, "<title>400 No required SSL certificate was sent</title>"):
			got = none
		case r.Status == 400 && strings.Contains(r.Body, "<title>400 The SSL certificate error</title>"):
			got = bad
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.host, got, tt.want)
		}
		if r.Seen != nil && r.Seen.Header.Get("Ssl-Client-Cert") != "" || r.Seen != nil && len(r.Seen.Header["Ssl_client_verify"]) > 0 {
			t.Errorf("%s: what the client wrote passes: %v", tt.host, r.Seen.Header)
		}
	}
	if r := s.show(&good, "pass.test", "pass.test", "/"); r.Seen == nil {
		t.Errorf("pass: %s", r)
	} else if text, err := url.PathUnescape(r.Seen.Header.Get("Ssl-Client-Cert")); err != nil || text != good.Cert {
		t.Errorf("ssl-client-cert: %q, %v", r.Seen.Header.Get("Ssl-Client-Cert"), err)
	}
	// The authorization service is told the same.
	if r := s.show(&good, "auth.test", "auth.test", "/", "ssl-client-subject-dn: CN=root"); r.Status != 200 {
		t.Errorf("auth: %s", r)
	} else if h := <-asked; h.Get("Ssl-Client-Verify") != "SUCCESS" || strings.Join(h["Ssl-Client-Subject-Dn"], "|") != "CN=alice" || h.Get("Ssl-Client-Cert") == "" {
		t.Errorf("the authorization service is told %v", h)
	}
	refused, err := tls.Dial("tcp", s.gate.HTTPS, showing("on.test", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	s.exchange(refused, "GET", "on.test", "/", "")
	if _, err := refused.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection stays open after a refusal, so that no other certificate can be shown: %v", err)
	}
	// In cleartext: redirects first; what nothing redirects is not served without a certificate, except for issuing one.
	s.want("on.test", "/x", "308 https://on.test/x")
	s.want("noredirect.test", "/x", "403")
	s.want("noredirect.test", "/.well-known/acme-challenge/x", "a /.well-known/acme-challenge/x")
	if r := s.want("noredirectopt.test", "/x", "a /x", "ssl-client-verify: SUCCESS"); r.told() != "||" {
		t.Errorf("cleartext: the backend is told %s", r.told())
	}
}

// TestClientCertificatesAreNotBypassed attacks guarded hosts (reliability S-E15, P-34).
func TestClientCertificatesAreNotBypassed(t *testing.T) {
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	good, stranger := ca.Client("alice", nil), other.Client("alice", nil)
	s := newStage(t)
	s.echo("a")
	s.add(caSecret("ca", ca.PEM(), ""), caSecret("other", other.PEM(), ""),
		ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca"}}.String(),
		ing{name: "o", host: "o.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/other"}}.String(),
		ing{name: "opt", host: "opt.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca", "auth-tls-verify-client: optional"}}.String(),
		ing{name: "p", host: "p.test", paths: []string{"/"}, secret: "-"}.String(),
		ing{name: "w", host: "*.w.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca"}}.String(),
		ing{name: "missing", host: "missing.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/nobody"}}.String(),
		caSecret("spoilt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""),
		ing{name: "spoilt", host: "spoilt.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/spoilt"}}.String())
	s.start()
	for _, tt := range []struct {
		name      string
		client    *certtest.Certificate
		sni, host string
		want      string
	}{
		{"another SNI without guard", &good, "p.test", "a.test", "421"}, {"another SNI with other CAs", &stranger, "o.test", "a.test", "421"},
		{"another SNI that is optional", nil, "opt.test", "a.test", "421"}, {"an SNI that nobody has", &good, "nobody.test", "a.test", "421"},
		{"no SNI", nil, "", "a.test", "400"}, {"no SNI, optional", nil, "", "opt.test", "a /"}, {"another name of the wildcard", &good, "x.w.test", "y.w.test", "421"},
		{"an SNI in capitals", &good, "A.TEST", "a.test", "a /"}, {"a Host in capitals with a port", &good, "a.test", "A.Test.:443", "a /"},
		{"a Host with a dot, without certificate", nil, "a.test", "a.test.", "400"}, {"a wildcard", &good, "x.w.test", "X.w.test", "a /"},
		{"unguarded host on a guarded handshake", &good, "a.test", "p.test", "a /"}, {"a missing Secret", &good, "missing.test", "missing.test", "403"},
		{"a spoilt Secret", &good, "spoilt.test", "spoilt.test", "403"}, {"a missing Secret by another SNI", &good, "a.test", "missing.test", "403"},
	} {
		if got := s.show(tt.client, tt.sni, tt.host, "/"); got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	// An absolute target goes before the Host field.
	if r := s.show(&good, "p.test", "p.test", "http://a.test/"); r.String() != "421" {
		t.Errorf("an absolute target: %s", r)
	}
	// One HTTP/2 connection carries requests for several hosts.
	transport := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		config := showing("p.test", &good)
		config.NextProtos = []string{"h2"}
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, s.gate.HTTPS)
	}}
	defer transport.CloseIdleConnections()
	for host, want := range map[string]int{"p.test": 200, "a.test": 421, "opt.test": 421} {
		req, _ := http.NewRequest("GET", "https://p.test/", nil)
		req.Host = host
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 2 {
			t.Errorf("HTTP/2, authority %s over the connection for p.test: %d, want %d", host, resp.StatusCode, want)
		}
	}
	// A ClientHello in records of one byte.
	raw, err := net.Dial("tcp", s.gate.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	split := tls.Client(&splitter{Conn: raw}, showing("a.test", nil))
	if r := s.exchange(split, "GET", "a.test", "/", ""); r.Status != 400 {
		t.Errorf("a ClientHello in pieces: %s", r)
	}
}

// splitter sends the first record in records of one byte.
type splitter struct {
	net.Conn
	done bool
}

func (s *splitter) Write(p []byte) (int, error) {
	if s.done || len(p) < 5 || p[0] != 22 {
		return s.Conn.Write(p)
	}
	s.done = true
	var out []byte
	for _, b := range p[5:] {
		out = append(out, p[0], p[1], p[2], 0, 1, b)
	}
	if _, err := s.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestCAsAreRotatedUnderLoad: no request of a client with a certificate of the new CA fails once it is there, none with one of the
// old CA succeeds, also not on a connection or with a session that is older.
func TestCAsAreRotatedUnderLoad(t *testing.T) {
	first, second := certtest.New(t, "First"), certtest.New(t, "Second")
	old, fresh := first.Client("old", nil), second.Client("fresh", nil)
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca"}}.String(),
		ing{name: "b", host: "b.test", paths: []string{"/"}}.String())
	s.edit("ca", caSecret("ca", first.PEM(), ""))
	s.start()
	cache := tls.NewLRUClientSessionCache(4)
	session := func(c *certtest.Certificate) *reply {
		config := showing("a.test", c)
		config.ClientSessionCache = cache
		conn, err := tls.Dial("tcp", s.gate.HTTPS, config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return s.exchange(conn, "GET", "a.test", "/", "")
	}
	if r := session(&old); r.Status != 200 {
		t.Fatal(r)
	}
	if r := session(&old); r.Status != 200 {
		t.Fatal(r)
	}
	kept, err := tls.Dial("tcp", s.gate.HTTPS, showing("a.test", &old))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if r := s.exchange(kept, "GET", "a.test", "/", ""); r.Status != 200 {
		t.Fatal(r)
	}
	var rotated, done atomic.Bool
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for !done.Load() {
				after := rotated.Load()
				newer, older := s.show(&fresh, "a.test", "a.test", "/").Status, s.show(&old, "a.test", "a.test", "/").Status
				if after && (newer != 200 || older != 400) {
					t.Errorf("after the change: %d with the new certificate, %d with the old one", newer, older)
				}
				if r := s.get("b.test", "/"); r.Status != 200 {
					t.Errorf("another host: %s", r)
				}
			}
		})
	}
	s.edit("ca", caSecret("ca", second.PEM(), ""))
	harness.Until(t, 5*time.Second, "new CAs", func() bool { return s.show(&fresh, "a.test", "a.test", "/").Status == 200 })
	rotated.Store(true)
	if r := s.exchange(kept, "GET", "a.test", "/", ""); r.Status != 400 {
		t.Errorf("a connection that is older than the CAs: %s", r)
	}
	if r := session(&old); r.Status != 400 {
		t.Errorf("a session that is older than the CAs: %s", r)
	}
	time.Sleep(300 * time.Millisecond) // let the load look at it
	done.Store(true)
	group.Wait()
	s.edit("ca", "")
	harness.Until(t, 5*time.Second, "the Secret is gone", func() bool { return s.show(&fresh, "a.test", "a.test", "/").Status == 403 })
	if r := s.get("b.test", "/"); r.Status != 200 {
		t.Errorf("another host: %s", r)
	}
}

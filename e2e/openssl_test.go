package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/certtest"
)

// openssl runs openssl s_client against the https port and returns what it says. input is what it sends.
func (s *stage) openssl(input string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", s.gate.HTTPS}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("openssl %q: %v", args, err)
	}
	return string(out)
}

// needOpenSSL skips a test where there is none.
func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: nobody to talk to")
	}
}

// wants fails the test unless a text has all of some words, and none of those that begin with "!".
func wants(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		not, word := strings.HasPrefix(w, "!"), strings.TrimPrefix(w, "!")
		if strings.Contains(text, word) == not {
			t.Errorf("%s: %q, in\n%.3000s", what, w, text)
		}
	}
}

// quit makes s_client end once the handshake is done.
const quit = "Q\n"

// TestOpenSSL looks at TLS with a client that is not Go's.
func TestOpenSSL(t *testing.T) {
	needOpenSSL(t)
	s := newStage(t)
	s.echo("a")
	ca, chained := certtest.New(t, "Root"), certtest.New(t, "Top")
	sub := chained.Intermediate("Sub")
	for name, c := range map[string]certtest.Certificate{"a": ca.Server("a.test"), "wild": ca.Server("*.wild.test"), "fallback": ca.Server("fallback.test")} {
		s.add(tlsSecret(name, []byte(c.Cert), []byte(c.Key)))
	}
	big := sub.Server("big.test")
	for i := range 40 { // some 25 KB, more than one record
		big.Cert += chained.Intermediate(fmt.Sprint("Filler ", i)).PEM()
	}
	s.add(tlsSecret("big", []byte(big.Cert+sub.PEM()), []byte(big.Key)),
		ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "a"}.String(), ing{name: "wild", host: "*.wild.test", paths: []string{"/"}, secret: "wild"}.String(),
		ing{name: "big", host: "big.test", paths: []string{"/"}, secret: "big"}.String(),
		ing{name: "cipher", host: "cipher.test", paths: []string{"/"}, secret: "-", notes: []string{"ssl-ciphers: ECDHE-ECDSA-AES256-GCM-SHA384"}}.String())
	s.start("--default-ssl-certificate", "default/fallback")

	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"TLS 1.3", []string{"-tls1_3", "-servername", "a.test"}, []string{"TLSv1.3, Cipher is TLS_", "subject=CN = a.test"}},
		{"TLS 1.2", []string{"-tls1_2", "-servername", "a.test"}, []string{"TLSv1.2, Cipher is ECDHE-", "Secure Renegotiation IS supported", "Extended master secret: yes"}},
		{"TLS 1.1", []string{"-tls1_1", "-servername", "a.test", "-cipher", "ALL:@SECLEVEL=0"}, []string{"alert protocol version", "Cipher is (NONE)"}},
		{"TLS 1.0", []string{"-tls1", "-servername", "a.test", "-cipher", "ALL:@SECLEVEL=0"}, []string{"alert protocol version", "Cipher is (NONE)"}},
		{"no SNI", []string{"-noservername"}, []string{"subject=CN = fallback.test"}},
		{"an unknown SNI", []string{"-servername", "nobody.test"}, []string{"subject=CN = fallback.test"}},
		{"a wildcard", []string{"-servername", "x.wild.test"}, []string{"subject=CN = *.wild.test"}},
		{"two labels under a wildcard", []string{"-servername", "x.y.wild.test"}, []string{"subject=CN = fallback.test"}},
		{"an SNI in capitals", []string{"-servername", "A.TEST"}, []string{"subject=CN = a.test"}},
		{"ALPN h2", []string{"-servername", "a.test", "-alpn", "h2,http/1.1"}, []string{"ALPN protocol: h2"}},
		{"ALPN http/1.1", []string{"-servername", "a.test", "-alpn", "http/1.1"}, []string{"ALPN protocol: http/1.1"}},
		{"ALPN that nobody speaks", []string{"-servername", "a.test", "-alpn", "gopher"}, []string{"alert no application protocol"}},
		{"no ALPN", []string{"-servername", "a.test"}, []string{"No ALPN negotiated"}},
		{"a big chain", []string{"-servername", "big.test", "-showcerts"}, []string{"subject=CN = big.test", "CN = Sub", "Verification error"}},
		{"a weak cipher", []string{"-tls1_2", "-servername", "a.test", "-cipher", "AES128-SHA:@SECLEVEL=0"}, []string{"alert handshake failure"}},
		{"no cipher but CBC", []string{"-tls1_2", "-servername", "a.test", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"}, []string{"alert handshake failure"}},
		{"ssl-ciphers of a host", []string{"-tls1_2", "-servername", "cipher.test", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, []string{"alert handshake failure"}},
		{"ssl-ciphers of a host, chosen", []string{"-tls1_2", "-servername", "cipher.test"}, []string{"Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"}},
		{"other hosts do not care", []string{"-tls1_2", "-servername", "a.test", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, []string{"Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"}},
		{"no certificate is asked for", []string{"-servername", "a.test"}, []string{"No client certificate CA names sent"}},
	} {
		wants(t, tt.name, s.openssl(quit, tt.args...), tt.want...)
	}
	s.opensslSessions(t)
	// Renegotiation is refused: "R" asks for it.
	wants(t, "renegotiation", s.openssl("R\n", "-tls1_2", "-servername", "a.test"), "RENEGOTIATING", "alert unexpected message")
}

// opensslSessions takes sessions up again, and offers early data.
func (s *stage) opensslSessions(t *testing.T) {
	dir := t.TempDir()
	request := "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		file := filepath.Join(dir, "session"+version)
		first := s.openssl(request, version, "-servername", "a.test", "-ign_eof", "-sess_out", file)
		wants(t, version+" first", first, "New, TLSv1", "HTTP/1.1 200")
		again := s.openssl(request, version, "-servername", "a.test", "-ign_eof", "-sess_in", file)
		wants(t, version+" again", again, "Reused, TLSv1", "HTTP/1.1 200")
	}
	early := filepath.Join(dir, "early")
	put(t, early, request)
	text := s.openssl("", "-tls1_3", "-servername", "a.test", "-sess_in", filepath.Join(dir, "session-tls1_3"), "-early_data", early)
	wants(t, "early data", text, "!Early data was accepted")
}

// TestOpenSSLSettings changes what the ConfigMap says about TLS.
func TestOpenSSLSettings(t *testing.T) {
	needOpenSSL(t)
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-"}.String())
	s.settings = []string{"ssl-protocols: TLSv1.1 TLSv1.2", "ssl-ciphers: ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA", "ssl-session-cache: false", "ssl-session-tickets: false", "use-http2: false"}
	s.start()
	wants(t, "TLS 1.3", s.openssl(quit, "-tls1_3", "-servername", "a.test"), "alert protocol version")
	wants(t, "TLS 1.2", s.openssl(quit, "-tls1_2", "-servername", "a.test"), "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384")
	wants(t, "TLS 1.1", s.openssl(quit, "-tls1_1", "-servername", "a.test", "-cipher", "ALL:@SECLEVEL=0"), "Cipher is ECDHE-ECDSA-AES128-SHA")
	wants(t, "ALPN", s.openssl(quit, "-servername", "a.test", "-alpn", "h2,http/1.1"), "ALPN protocol: http/1.1")
	file := filepath.Join(t.TempDir(), "session")
	wants(t, "no tickets", s.openssl(quit, "-tls1_2", "-servername", "a.test", "-sess_out", file), "!TLS session ticket:")
	wants(t, "no resumption", s.openssl(quit, "-tls1_2", "-servername", "a.test", "-sess_in", file), "!Reused")
}

// TestOpenSSLClientCertificates shows certificates with openssl.
func TestOpenSSLClientCertificates(t *testing.T) {
	needOpenSSL(t)
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	s := newStage(t)
	s.echo("a")
	s.add(caSecret("ca", ca.PEM(), ""), ing{name: "a", host: "a.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-tls-secret: default/ca"}}.String())
	s.start()
	dir := t.TempDir()
	files := func(name string, c certtest.Certificate) []string {
		put(t, filepath.Join(dir, name+".crt"), c.Cert)
		put(t, filepath.Join(dir, name+".key"), c.Key)
		return []string{"-cert", filepath.Join(dir, name+".crt"), "-key", filepath.Join(dir, name+".key")}
	}
	request := "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		args := []string{version, "-servername", "a.test", "-ign_eof"}
		wants(t, version+" asked", s.openssl(request, args...), "Acceptable client certificate CA names", "CN = Root", "400 No required SSL certificate was sent")
		wants(t, version+" good", s.openssl(request, append(args, files("good", ca.Client("alice", nil))...)...), "HTTP/1.1 200", "SUCCESS")
		wants(t, version+" bad", s.openssl(request, append(args, files("bad", other.Client("alice", nil))...)...), "400 The SSL certificate error")
		session := filepath.Join(dir, "session"+version)
		good := append(args, files("good", ca.Client("alice", nil))...)
		wants(t, version+" session", s.openssl(request, append(good, "-sess_out", session)...), "HTTP/1.1 200")
		wants(t, version+" session again", s.openssl(request, append(good, "-sess_in", session)...), "HTTP/1.1 200", "Reused", "SUCCESS")
	}
	if out, err := exec.Command("openssl", "version").Output(); err == nil {
		t.Logf("with %s", bytes.TrimSpace(out))
	}
}

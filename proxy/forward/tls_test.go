package forward

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

// newAuthority makes a CA, signed by another one or by itself.
func newAuthority(t testing.TB, parent *authority) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, cert: template, key: key}
	signer := a
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue makes a certificate for a name.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

// secureBackend starts a net/http server that speaks TLS and tells what it saw of the handshake.
func secureBackend(t *testing.T, cert, key, clientCA string) (netip.AddrPort, *atomic.Int32) {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM([]byte(clientCA))
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int32
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			client := ""
			if len(r.TLS.PeerCertificates) > 0 {
				client = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			_, _ = io.WriteString(w, "sni="+r.TLS.ServerName+" client="+client)
		}),
		TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				conns.Add(1)
			}
		},
	}
	done := make(chan bool)
	go func() { _ = s.ServeTLS(l, "", ""); close(done) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort(), &conns
}

func TestTLSToUpstreams(t *testing.T) {
	ca := newAuthority(t, nil)
	middle := newAuthority(t, ca)
	other := newAuthority(t, nil)
	cert, key := ca.issue("pod.test")
	deepCert, deepKey := middle.issue("pod.test")
	deepCert += middle.pem
	clientCert, clientKey := ca.issue("proxy.test")
	const untrusted, refused = "TLS handshake failed", "client certificate refused or missing"
	strangeCert, strangeKey := other.issue("proxy.test")
	tests := map[string]struct {
		settings  ir.UpstreamTLS
		cert, key string
		clientCA  string
		status    int
		body      string // or the failure
	}{
		"nothing is verified and no name is sent": {ir.UpstreamTLS{Name: "pod.test"}, cert, key, "", 200, "sni= client="},
		"the name is sent":                        {ir.UpstreamTLS{Name: "pod.test", SendName: true}, cert, key, "", 200, "sni=pod.test client="},
		"verified":                                {ir.UpstreamTLS{Name: "pod.test", Verify: true, Depth: 1, CA: ca.pem}, cert, key, "", 200, "sni= client="},
		"of another name":                         {ir.UpstreamTLS{Name: "other.test", Verify: true, Depth: 1, CA: ca.pem}, cert, key, "", 502, untrusted},
		"of another CA":                           {ir.UpstreamTLS{Name: "pod.test", Verify: true, Depth: 1, CA: other.pem}, cert, key, "", 502, untrusted},
		"one level deep":                          {ir.UpstreamTLS{Name: "pod.test", Verify: true, Depth: 1, CA: ca.pem}, deepCert, deepKey, "", 200, "sni= client="},
		"too deep":                                {ir.UpstreamTLS{Name: "pod.test", Verify: true, CA: ca.pem}, deepCert, deepKey, "", 502, untrusted},
		"with a client certificate":               {ir.UpstreamTLS{Certificate: clientCert, Key: clientKey}, cert, key, ca.pem, 200, "sni= client=proxy.test"},
		"without the one that is wanted":          {ir.UpstreamTLS{}, cert, key, ca.pem, 502, refused},
		"without it in TLS 1.2, which has no word for that": {ir.UpstreamTLS{MaxVersion: tls.VersionTLS12}, cert, key, ca.pem, 502, untrusted},
		"with one of another CA in TLS 1.2":                 {ir.UpstreamTLS{MaxVersion: tls.VersionTLS12, Certificate: strangeCert, Key: strangeKey}, cert, key, ca.pem, 502, refused},
		"with one of another CA":                            {ir.UpstreamTLS{Certificate: strangeCert, Key: strangeKey}, cert, key, ca.pem, 502, refused},
		"with versions and ciphers": {
			ir.UpstreamTLS{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, Ciphers: "!aNULL:ECDHE-ECDSA-AES128-GCM-SHA256"}, cert, key, "", 200, "sni= client=",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			addr, conns := secureBackend(t, tt.cert, tt.key, tt.clientCA)
			r := newRig(t, func(p *ir.Policy) {
				p.Protocol, p.TLS, p.Retry.Tries = ir.HTTPS, tt.settings, 1
			}, addr)
			for range 3 {
				got := r.dial().get("/")
				if got.StatusCode != tt.status || tt.status == 200 && got.body != tt.body {
					t.Errorf("got %s, want %d %q", describe(got), tt.status, tt.body)
				}
				if rec := r.record(); tt.status == 502 && rec.Attempts[0].Failure.String() != tt.body {
					t.Errorf("attempts %s, want %s", statuses(rec), tt.body)
				}
			}
			if n := conns.Load(); tt.status == 200 && n != 1 {
				t.Errorf("%d connections for three requests", n)
			}
		})
	}
}

func TestAutoHTTPFollowsTheClient(t *testing.T) {
	ca := newAuthority(t, nil)
	cert, key := ca.issue("pod.test")
	secure, _ := secureBackend(t, cert, key, "")
	plain := newBackend(t, always(ok("plain")))
	r := newRig(t, func(p *ir.Policy) { p.Protocol = ir.AutoHTTP }, secure)
	r.see(func(x *filter.Exchange) { x.Scheme = "https" })
	if got := r.dial().get("/"); got.body != "sni= client=" {
		t.Errorf("https: got %s", describe(got))
	}
	r.see(func(x *filter.Exchange) { x.Scheme = "http" })
	r.publish(plain.addr())
	if got := r.dial().get("/"); got.body != "plain" {
		t.Errorf("http: got %s", describe(got))
	}
}

// TestSettingsNeverCross is S-B12: connections of routes with other TLS settings are other connections.
func TestSettingsNeverCross(t *testing.T) {
	ca := newAuthority(t, nil)
	cert, key := ca.issue("pod.test")
	oneCert, oneKey := ca.issue("one")
	twoCert, twoKey := ca.issue("two")
	addr, _ := secureBackend(t, cert, key, ca.pem)
	one := ir.DefaultPolicy()
	one.Protocol, one.TLS = ir.HTTPS, ir.UpstreamTLS{Certificate: oneCert, Key: oneKey}
	two := one
	two.TLS = ir.UpstreamTLS{Certificate: twoCert, Key: twoKey}
	r := newRig(t, nil, addr)
	for range 3 {
		for name, policy := range map[string]*ir.Policy{"one": &one, "two": &two} {
			r.compile(Spec{Policy: policy})
			if got := r.dial().get("/"); got.body != "sni= client="+name {
				t.Errorf("route %s: got %s", name, describe(got))
			}
		}
	}
}

func TestTransportsAreSharedByEqualSettings(t *testing.T) {
	var set transports
	a, err := set.get(ir.UpstreamTLS{Name: "x"}, false)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := set.get(ir.UpstreamTLS{Name: "x"}, false)
	c, _ := set.get(ir.UpstreamTLS{Name: "x", SendName: true}, false)
	if a != b || a == c || a.profile == c.profile || a.profile == (upstream.Profile{}) {
		t.Errorf("%p %p %p, profiles %x %x", a, b, c, a.profile, c.profile)
	}
	for _, bad := range []ir.UpstreamTLS{{Verify: true, CA: "x"}, {Verify: true}, {Certificate: "x", Key: "y"}} {
		if _, err := set.get(bad, false); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestWhatCannotBeCompiled(t *testing.T) {
	f := New(Options{})
	defer f.Close()
	for name, change := range map[string]func(*ir.Policy){
		"an unknown variable in the host": func(p *ir.Policy) { p.Host = "$no_such_variable" },
		"a CA that is none":               func(p *ir.Policy) { p.Protocol = ir.HTTPS; p.TLS = ir.UpstreamTLS{Verify: true, CA: "x"} },
		"a bad expression":                func(p *ir.Policy) { p.RedirectFrom, p.RedirectTo = "~[", "/" },
		"an unknown variable in redirect": func(p *ir.Policy) { p.RedirectFrom, p.RedirectTo = "/", "$no_such_variable" },
	} {
		policy := ir.DefaultPolicy()
		change(&policy)
		if _, err := f.Compile(Spec{Origin: &filter.Origin{}, Policy: &policy}); err == nil {
			t.Errorf("%s is compiled", name)
		}
	}
}

func TestUpstreamTLSThatHangsTimesOut(t *testing.T) {
	b := newBackend(t, func(p *peer, _ int) { p.untilClosed() })
	r := newRig(t, func(p *ir.Policy) { p.Protocol, p.Connect, p.Retry.On = ir.HTTPS, 300*time.Millisecond, 0 }, b.addr())
	start := time.Now()
	if got := r.dial().get("/"); got.StatusCode != 504 {
		t.Errorf("got %s", describe(got))
	}
	if d := time.Since(start); d < 290*time.Millisecond || d > time.Second {
		t.Errorf("it took %v", d)
	}
}

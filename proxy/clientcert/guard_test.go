package clientcert_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/certtest"
	"github.com/yettproxy/yett/proxy/clientcert"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/wire"
)

// connection returns what is known of a connection over which a certificate was shown.
func connection(name string, shown ...certtest.Certificate) *filter.Conn {
	state := &tls.ConnectionState{ServerName: name}
	for _, c := range shown {
		state.PeerCertificates = append(state.PeerCertificates, c.Leaf)
	}
	return &filter.Conn{TLS: state, Certificate: new(atomic.Pointer[filter.ClientCertificate])}
}

// request asks a guard for a host over a connection.
func request(g *clientcert.Guard, conn *filter.Conn, host string) (x *filter.Exchange, admitted bool) {
	x = &filter.Exchange{Start: time.Now(), Conn: conn}
	x.Request.Host = host
	return x, g.Admit(x)
}

func compile(t testing.TB, spec ir.ClientAuth) *clientcert.Guard {
	t.Helper()
	g, err := clientcert.Compile(&spec)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAHandshakeForAnotherHostCountsForNothing(t *testing.T) {
	ca := certtest.New(t, "Root")
	good := ca.Client("alice", nil)
	for _, mode := range []ir.VerifyMode{ir.VerifyOff, ir.VerifyOptionalNoCA, ir.VerifyOptional, ir.VerifyOn} {
		g := compile(t, ir.ClientAuth{Mode: mode, CA: ca.PEM(), Depth: 1})
		for sni, want := range map[string]int{"a.test": 0, "A.Test": 0, "b.test": 421, "": 0, "aa.test": 421} {
			x, ok := request(g, connection(sni, good), "a.test")
			if x.Response.Status != want || ok != (want == 0) {
				t.Errorf("%s: SNI %q, Host a.test: %d, want %d", mode, sni, x.Response.Status, want)
			}
		}
	}
}

func TestSubjectsAreMatchedFromTheirCN(t *testing.T) {
	ca := certtest.New(t, "Root")
	for name, tt := range map[string]struct {
		cn       string
		change   func(*x509.Certificate)
		match    string
		admitted bool
	}{
		"the CN":                       {"alice", nil, "CN=alice", true},
		"one of several":               {"bob", nil, "CN=(alice|bob)", true},
		"another":                      {"carol", nil, "CN=(alice|bob)", false},
		"a longer one, as in nginx":    {"alice2", nil, "CN=alice", true},
		"a longer one, with the end":   {"alice2", nil, "CN=alice$", false},
		"not in another case":          {"Alice", nil, "CN=alice", false},
		"not behind the CN":            {"bob", func(c *x509.Certificate) { c.Subject.Organization = []string{"CN=alice"} }, "CN=alice", false},
		"not within the CN":            {"x CN=alice", nil, "CN=alice", false},
		"the parts that follow":        {"alice", func(c *x509.Certificate) { c.Subject.Organization = []string{"Acme"} }, "CN=alice,O=Acme$", true},
		"a comma that is no separator": {"alice,O=Acme", nil, "CN=alice,O=Acme", false},
		"alternatives are one pattern": {"bob", nil, "CN=alice|bob", false},
		"patterns that look ahead":     {"alice", nil, "CN=(?!bob)a", true},
		"patterns that take for ever":  {strings.Repeat("a", 60), nil, `CN=(?=(a+)+$)(a+)+\d`, false},
		"a subject without a CN":       {"", func(c *x509.Certificate) { c.Subject.Organization = []string{"x"} }, "CN=", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := compile(t, ir.ClientAuth{Mode: ir.VerifyOptional, CA: ca.PEM(), Depth: 1, MatchCN: tt.match})
			x, ok := request(g, connection("a.test", ca.Client(tt.cn, tt.change)), "a.test")
			if ok != tt.admitted || !ok && (x.Response.Status != 403 || x.Body != "client certificate unauthorized") {
				t.Errorf("admitted %v, status %d %q", ok, x.Response.Status, x.Body)
			}
			if x, ok := request(g, connection("a.test"), "a.test"); ok || x.Response.Status != 403 {
				t.Errorf("without a certificate: admitted %v, status %d", ok, x.Response.Status)
			}
		})
	}
}

func TestClientsWithoutAGoodCertificateAreSentToTheErrorPage(t *testing.T) {
	ca := certtest.New(t, "Root")
	g := compile(t, ir.ClientAuth{Mode: ir.VerifyOn, CA: ca.PEM(), Depth: 1, ErrorPage: "https://help.test/?host=$host"})
	for name, conn := range map[string]*filter.Conn{
		"none": connection("a.test"), "bad": connection("a.test", certtest.New(t, "Other").Client("alice", nil)),
	} {
		x, ok := request(g, conn, "a.test")
		if at := x.Response.Fields.Value(wire.Location); ok || x.Response.Status != 302 || at != "https://help.test/?host=a.test" {
			t.Errorf("%s: admitted %v, %d to %q", name, ok, x.Response.Status, at)
		}
	}
}

// TestWhatIsKnownIsForgottenInTime: a connection must not outlive its certificate, nor the CAs that it was checked against.
func TestWhatIsKnownIsForgottenInTime(t *testing.T) {
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	soon := time.Now().Add(time.Hour)
	good := ca.Client("alice", func(c *x509.Certificate) { c.NotAfter = soon })
	g := compile(t, ir.ClientAuth{Mode: ir.VerifyOn, CA: ca.PEM(), Depth: 1})
	conn := connection("a.test", good)
	first, ok := request(g, conn, "a.test")
	if !ok || conn.Certificate.Load() != first.Certificate {
		t.Fatal("not admitted, or not remembered")
	}
	if again, ok := request(g, conn, "a.test"); !ok || again.Certificate != first.Certificate {
		t.Error("not taken from the connection")
	}
	for name, rotated := range map[string]ir.ClientAuth{
		"other CAs":             {Mode: ir.VerifyOn, CA: other.PEM(), Depth: 1},
		"a list that revokes":   {Mode: ir.VerifyOn, CA: ca.PEM(), CRL: ca.Revoke(soon, good), Depth: 1},
		"another name":          {Mode: ir.VerifyOn, CA: ca.PEM(), Depth: 1, MatchCN: "CN=bob"},
		"CAs of another's name": {Mode: ir.VerifyOn, CA: certtest.New(t, "Root").PEM(), Depth: 1},
	} {
		if _, ok := request(compile(t, rotated), conn, "a.test"); ok {
			t.Errorf("%s: the connection is still let in", name)
		}
	}
	x := &filter.Exchange{Start: soon.Add(time.Second), Conn: conn}
	x.Request.Host = "a.test"
	if _, ok := request(g, conn, "a.test"); !ok { // the guard's own word is in the connection again
		t.Fatal("not admitted")
	}
	if g.Admit(x) {
		t.Error("let in after the certificate has expired")
	}
}

func TestHugeNamesAreRefused(t *testing.T) {
	ca := certtest.New(t, "Root")
	huge := ca.Client("alice", func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("x", 8<<10)} })
	for _, mode := range []ir.VerifyMode{ir.VerifyOn, ir.VerifyOptional, ir.VerifyOptionalNoCA} {
		if _, ok := request(compile(t, ir.ClientAuth{Mode: mode, CA: ca.PEM(), Depth: 1}), connection("a.test", huge), "a.test"); ok {
			t.Errorf("%s: a subject of 8 KiB is let in", mode)
		}
	}
}

func TestSpoiltCAsDoNotCompile(t *testing.T) {
	ca := certtest.New(t, "Root")
	for name, spec := range map[string]ir.ClientAuth{
		"no CA": {}, "no PEM": {CA: "x"}, "no certificate": {CA: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"a spoilt second one": {CA: ca.PEM() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"no list":             {CA: ca.PEM(), CRL: "x"}, "a spoilt list": {CA: ca.PEM(), CRL: "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"},
		"no expression": {CA: ca.PEM(), MatchCN: "CN=("}, "no variable": {CA: ca.PEM(), ErrorPage: "http://x/$nothing"},
	} {
		if _, err := clientcert.Compile(&spec); err == nil {
			t.Errorf("%s: compiles", name)
		}
	}
}

func TestRequestsOfAConnectionCostNothing(t *testing.T) {
	ca := certtest.New(t, "Root")
	g := compile(t, ir.ClientAuth{Mode: ir.VerifyOn, CA: ca.PEM(), Depth: 1, MatchCN: "CN=alice", PassCertificate: true})
	x := &filter.Exchange{Conn: connection("a.test", ca.Client("alice", nil))}
	allocs := testing.AllocsPerRun(100, func() {
		x.Reset()
		x.Start, x.Request.Host = time.Now(), "a.test"
		if !g.Admit(x) {
			t.Fatal("not admitted")
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations a request", allocs)
	}
}

func BenchmarkAdmit(b *testing.B) {
	ca := certtest.New(b, "Root")
	g := compile(b, ir.ClientAuth{Mode: ir.VerifyOn, CA: ca.PEM(), Depth: 1})
	good := ca.Client("alice", nil)
	b.Run("first request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			request(g, connection("a.test", good), "a.test")
		}
	})
	b.Run("later requests", func(b *testing.B) {
		b.ReportAllocs()
		x := &filter.Exchange{Conn: connection("a.test", good)}
		for b.Loop() {
			x.Reset()
			x.Start, x.Request.Host = time.Now(), "a.test"
			g.Admit(x)
		}
	})
}

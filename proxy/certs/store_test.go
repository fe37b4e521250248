package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
)

// make1 returns a certificate for hosts under a reference.
func make1(t testing.TB, name string, hosts ...string) ir.Certificate {
	t.Helper()
	cert, key, err := SelfSigned(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return ir.Certificate{Ref: ref(name), Cert: string(cert), Key: string(key)}
}

func ref(name string) ir.CertificateRef { return ir.CertificateRef{Namespace: "ns", Name: name} }

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := NewStore(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// handshake connects to the store as a client, and returns what the client learnt.
func handshake(t testing.TB, s *Store, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	left, right := connect(t) // not net.Pipe: with no buffer between them both ends can wait for each other to read
	defer left.Close()
	done := make(chan error, 1)
	go func() {
		server := tls.Server(right, s.ServerConfig())
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x")) // brings the session tickets along
		}
		right.Close()
		done <- err
	}()
	client.InsecureSkipVerify = true
	c := tls.Client(left, client)
	if err := left.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	err := c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	left.Close()
	<-done
	return c.ConnectionState(), err
}

// connect returns the ends of a TCP connection.
func connect(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// shown returns the first name of the certificate that a client gets to see.
func shown(t testing.TB, s *Store, name string) string {
	t.Helper()
	state, err := handshake(t, s, &tls.Config{ServerName: name})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return state.PeerCertificates[0].DNSNames[0]
}

func TestTheNameDecides(t *testing.T) {
	s := newStore(t)
	cfg := &ir.Config{
		Certificates: []ir.Certificate{
			make1(t, "a", "a.test", "alias.test", "x1.pattern.test"), make1(t, "wild", "*.b.test"), make1(t, "exact", "x.b.test"), make1(t, "default", "default.test"),
		},
		Hosts: []ir.VirtualHost{
			{Name: "", Certificate: ref("a")},
			{Name: "a.test", Certificate: ref("a"), TLS: true, Aliases: []string{"alias.test", "uncovered.test", "x.b.test", `~^x\d\.pattern\.test$`}},
			{Name: "*.b.test", Certificate: ref("wild"), TLS: true},
			{Name: "x.b.test", Certificate: ref("exact"), TLS: true},
			{Name: "plain.test"},
		},
		Settings: ir.Settings{DefaultCertificate: ref("default")},
	}
	if problems := s.Update(cfg); len(problems) != 0 {
		t.Fatalf("problems %v", problems)
	}
	for name, want := range map[string]string{
		"a.test": "a.test", "A.TEST": "a.test", "y.b.test": "*.b.test", "x.b.test": "x.b.test",
		"b.test": "default.test", "y.z.b.test": "default.test", "": "default.test", "unknown.test": "default.test",
		"plain.test": "default.test", "alias.test": "a.test", "uncovered.test": "default.test",
		"x1.pattern.test": "a.test", "x2.pattern.test": "default.test",
	} {
		if got := shown(t, s, name); got != want {
			t.Errorf("%q is shown %s, want %s", name, got, want)
		}
	}
	var list []string
	for _, c := range s.Shown() {
		list = append(list, c.Host+" "+c.Ref.Name+" "+c.Leaf.DNSNames[0])
	}
	if want := []string{"*.b.test wild *.b.test", "_ default default.test", "a.test a a.test", "x.b.test exact x.b.test"}; !slices.Equal(list, want) {
		t.Errorf("Shown %q, want %q", list, want)
	}
}

func TestTheFakeCertificate(t *testing.T) {
	s := newStore(t)
	state, err := handshake(t, s, &tls.Config{ServerName: "any.test", NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := state.PeerCertificates[0]
	if leaf.Subject.CommonName != "Kubernetes Ingress Controller Fake Certificate" || leaf.VerifyHostname("ingress.local") != nil {
		t.Errorf("subject %s, names %v", leaf.Subject, leaf.DNSNames)
	}
	if time.Until(leaf.NotAfter) < 360*24*time.Hour {
		t.Errorf("good until %v", leaf.NotAfter)
	}
	if state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
		t.Errorf("protocol %q, version %x", state.NegotiatedProtocol, state.Version)
	}
}

func TestABadCertificateKeepsTheLastGoodOne(t *testing.T) {
	s := newStore(t)
	good, other := make1(t, "a", "one.a.test"), make1(t, "a", "two.a.test")
	config := func(c ...ir.Certificate) *ir.Config {
		return &ir.Config{Certificates: c, Hosts: []ir.VirtualHost{{Name: "a.test", Certificate: ref("a"), TLS: true}}}
	}
	mismatch, broken := good, good
	mismatch.Cert = other.Cert
	broken.Cert = "no PEM"
	for _, bad := range []ir.Certificate{mismatch, broken, {Ref: ref("a")}} {
		fresh := newStore(t)
		problems := fresh.Update(config(bad))
		if len(problems) != 1 || problems[0].Ref != ref("a") || !strings.Contains(problems[0].Reason, "the default certificate is shown") {
			t.Errorf("problems %v", problems)
		}
		if got := shown(t, fresh, "a.test"); got != "ingress.local" {
			t.Errorf("shown %s, want the default", got)
		}

		if problems := s.Update(config(good)); len(problems) != 0 {
			t.Fatalf("problems %v", problems)
		}
		problems = s.Update(config(bad))
		if len(problems) != 1 || !strings.Contains(problems[0].Reason, "last good one is still shown") || strings.Contains(problems[0].Reason, "BEGIN") {
			t.Errorf("problems %v", problems)
		}
		if got := shown(t, s, "a.test"); got != "one.a.test" {
			t.Errorf("shown %s, want the last good one", got)
		}
	}
	if problems := s.Update(config(other)); len(problems) != 0 {
		t.Fatalf("problems %v", problems)
	}
	if got := shown(t, s, "a.test"); got != "two.a.test" {
		t.Errorf("shown %s, want the new one", got)
	}
	problems := s.Update(config())
	if len(problems) != 1 || problems[0].Host != "a.test" || !strings.Contains(problems[0].Reason, "missing") {
		t.Errorf("problems %v", problems)
	}
	if got := shown(t, s, "a.test"); got != "ingress.local" {
		t.Errorf("shown %s after the Secret was deleted, want the default", got)
	}
}

func TestOnlyChangedCertificatesAreParsed(t *testing.T) {
	s := newStore(t)
	cfg := &ir.Config{Certificates: []ir.Certificate{make1(t, "a", "a.test")}}
	s.Update(cfg)
	before := s.good[ref("a")]
	again := *cfg
	again.Certificates = []ir.Certificate{{Ref: ref("a"), Cert: strings.Clone(cfg.Certificates[0].Cert), Key: strings.Clone(cfg.Certificates[0].Key)}}
	s.Update(&again)
	if s.good[ref("a")] != before {
		t.Errorf("parsed again")
	}
	s.Update(&ir.Config{})
	if len(s.good) != 0 {
		t.Errorf("still kept: %v", s.good)
	}
}

func TestAChainIsSentWhole(t *testing.T) {
	s := newStore(t)
	leaf, ca := make1(t, "a", "a.test"), make1(t, "ca", "ca.test")
	leaf.Cert += ca.Cert
	s.Update(&ir.Config{Certificates: []ir.Certificate{leaf}, Hosts: []ir.VirtualHost{{Name: "a.test", Certificate: ref("a")}}})
	state, err := handshake(t, s, &tls.Config{ServerName: "a.test"})
	if err != nil || len(state.PeerCertificates) != 2 {
		t.Errorf("%d certificates, %v", len(state.PeerCertificates), err)
	}
}

// The alert is the one that nginx sends for ssl_reject_handshake (RFC 6066 section 3).
func TestUnknownNamesAreRejected(t *testing.T) {
	s := newStore(t)
	cfg := &ir.Config{
		Certificates: []ir.Certificate{make1(t, "a", "a.test")},
		Hosts: []ir.VirtualHost{
			{Name: "a.test", Certificate: ref("a"), TLS: true, Aliases: []string{`~^p\.test$`}}, {Name: "*.b.test"}, {Name: ""},
		},
	}
	s.Update(cfg)
	client := &tls.Config{ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if _, err := handshake(t, s, client); err != nil {
		t.Fatal(err)
	}
	cfg.Settings.TLS.RejectUnknown = true
	s.Update(cfg)
	for _, name := range []string{"a.test", "x.b.test", "p.test"} {
		if _, err := handshake(t, s, &tls.Config{ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, name := range []string{"unknown.test", "b.test", ""} {
			_, err := handshake(t, s, &tls.Config{ServerName: name, MaxVersion: version})
			if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%q: %v, want the alert unrecognized_name", name, err)
			}
		}
	}
	// A ticket that was got for another name does not help.
	session, _ := client.ClientSessionCache.Get("a.test")
	client.ClientSessionCache.Put("unknown.test", session)
	client.ServerName = "unknown.test"
	if _, err := handshake(t, s, client); err == nil {
		t.Errorf("an unknown name was let in with another's session")
	}
}

func TestSessionsOutliveUpdates(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newStore(t)
		cfg := &ir.Config{Hosts: []ir.VirtualHost{{Name: "a.test"}}}
		s.Update(cfg)
		client := &tls.Config{ServerName: "a.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
		for i := range 3 {
			state, err := handshake(t, s, client)
			if err != nil {
				t.Fatal(err)
			}
			if state.DidResume != (i > 0) {
				t.Errorf("%x, connection %d resumed: %v", version, i, state.DidResume)
			}
			s.Update(cfg)
		}
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	s := newStore(t)
	update := func(settings ir.TLSSettings) []Problem {
		return s.Update(&ir.Config{Settings: ir.Settings{TLS: settings}})
	}
	version := func(most uint16) uint16 {
		state, err := handshake(t, s, &tls.Config{ServerName: "a.test", MinVersion: tls.VersionTLS10, MaxVersion: most})
		if err != nil {
			return 0
		}
		return state.Version
	}
	update(ir.TLSSettings{})
	if version(tls.VersionTLS13) != tls.VersionTLS13 || version(tls.VersionTLS12) != tls.VersionTLS12 || version(tls.VersionTLS11) != 0 {
		t.Errorf("not TLS 1.2 and 1.3 by default")
	}
	update(ir.TLSSettings{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if version(tls.VersionTLS13) != tls.VersionTLS11 || version(tls.VersionTLS10) != tls.VersionTLS10 {
		t.Errorf("not TLS 1.0 and 1.1 when asked for")
	}
	update(ir.TLSSettings{MinVersion: tls.VersionTLS13})
	if version(tls.VersionTLS12) != 0 {
		t.Errorf("TLS 1.2 although only 1.3 is allowed")
	}
	if problems := update(ir.TLSSettings{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}); len(problems) != 1 || version(tls.VersionTLS12) == 0 {
		t.Errorf("problems %v", problems)
	}
	problems := update(ir.TLSSettings{MaxVersion: tls.VersionTLS12, Ciphers: "DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:NONSENSE"})
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "DHE-RSA-AES128-GCM-SHA256, NONSENSE not known or not supported, left out") {
		t.Errorf("problems %v", problems)
	}
	state, err := handshake(t, s, &tls.Config{ServerName: "a.test"})
	if err != nil || state.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 {
		t.Errorf("cipher %s, %v", tls.CipherSuiteName(state.CipherSuite), err)
	}
	if problems := update(ir.TLSSettings{Ciphers: "NONSENSE"}); len(problems) != 1 || !strings.Contains(problems[0].Reason, "standard ones") {
		t.Errorf("problems %v", problems)
	}
	if version(tls.VersionTLS12) != tls.VersionTLS12 {
		t.Errorf("no handshake with the standard ciphers")
	}
}

func TestParseCiphers(t *testing.T) {
	const standard = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" +
		"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256"
	suites, unknown := ParseCiphers(standard)
	if len(suites) != 6 || suites[1] != tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || len(unknown) != 0 {
		t.Errorf("%v, unknown %v", suites, unknown)
	}
	if suites, unknown := ParseCiphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, AES128-SHA !aNULL"); len(suites) != 2 || !slices.Equal(unknown, []string{"!aNULL"}) {
		t.Errorf("%v, unknown %v", suites, unknown)
	}
	for _, list := range []string{"", "DEFAULT", "nothing", "TLS_AES_128_GCM_SHA256"} {
		if suites, _ := ParseCiphers(list); suites != nil {
			t.Errorf("%q: %v, want the library's", list, suites)
		}
	}
}

func TestTheCommonNameCounts(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "*.cn.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if !covers(leaf, "x.cn.test") || covers(leaf, "cn.test") || covers(leaf, "x.y.cn.test") {
		t.Errorf("the common name *.cn.test covers the wrong names")
	}
	s := newStore(t)
	problems := s.Update(&ir.Config{
		Certificates: []ir.Certificate{{
			Ref:  ref("rsa"),
			Cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
			Key:  string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		}},
		Hosts: []ir.VirtualHost{{Name: "x.cn.test", Certificate: ref("rsa")}},
	})
	state, err := handshake(t, s, &tls.Config{ServerName: "x.cn.test"})
	if err != nil || len(problems) != 0 || state.PeerCertificates[0].Subject.CommonName != "*.cn.test" {
		t.Errorf("problems %v, %v", problems, err)
	}
}

func TestRotationUnderLoad(t *testing.T) {
	s := newStore(t)
	hosts := []ir.VirtualHost{{Name: "a.test", Certificate: ref("a"), TLS: true}}
	versions := []ir.Certificate{make1(t, "a", "one.test"), make1(t, "a", "two.test")}
	s.Update(&ir.Config{Certificates: versions[:1], Hosts: hosts})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 25 {
				if _, err := handshake(t, s, &tls.Config{ServerName: "a.test"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		for i := range 100 {
			c := versions[i%2]
			if i%5 == 0 {
				c.Key = versions[1-i%2].Key
			}
			s.Update(&ir.Config{Certificates: []ir.Certificate{c}, Hosts: hosts})
		}
	})
	group.Wait()
}

func TestChoosingDoesNotAllocate(t *testing.T) {
	s := newStore(t)
	s.Update(&ir.Config{Hosts: []ir.VirtualHost{{Name: "a.test"}, {Name: "*.b.test"}}})
	for _, name := range []string{"a.test", "x.b.test", "unknown.test"} {
		hello := &tls.ClientHelloInfo{ServerName: name}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := s.GetCertificate(hello); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	const n = 1000
	cfg := &ir.Config{}
	c := make1(b, "", "a.test")
	for i := range n {
		name := fmt.Sprint("h", i)
		cfg.Certificates = append(cfg.Certificates, ir.Certificate{Ref: ref(name), Cert: c.Cert, Key: c.Key})
		cfg.Hosts = append(cfg.Hosts, ir.VirtualHost{Name: name + ".test", Certificate: ref(name), TLS: true})
	}
	b.Run("all new", func(b *testing.B) {
		s := newStore(b)
		for b.Loop() {
			clear(s.good)
			s.Update(cfg)
		}
	})
	b.Run("nothing new", func(b *testing.B) {
		s := newStore(b)
		for b.Loop() {
			s.Update(cfg)
		}
	})
}

package certs

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/certtest"
	"github.com/yettproxy/yett/proxy/ir"
)

// asks returns a host that asks clients for certificates.
func asks(name string, mode ir.VerifyMode, ca string) ir.VirtualHost {
	return ir.VirtualHost{Name: name, ClientAuth: ir.ClientAuth{Mode: mode, CA: ca, Depth: 1}}
}

func TestHostsAskForCertificates(t *testing.T) {
	one, two := certtest.New(t, "One"), certtest.New(t, "Two")
	s := newStore(t)
	alias := asks("on.test", ir.VerifyOn, one.PEM())
	alias.Aliases = []string{"alias.test", `~^p\d\.test$`}
	denied := asks("denied.test", ir.VerifyOn, one.PEM())
	denied.Deny = 403
	problems := s.Update(&ir.Config{Hosts: []ir.VirtualHost{
		asks("", ir.VerifyOptional, two.PEM()), alias, asks("*.wild.test", ir.VerifyOptionalNoCA, two.PEM()), asks("off.test", ir.VerifyOff, one.PEM()),
		{Name: "plain.test"}, denied, asks("spoilt.test", ir.VerifyOn, "x"),
	}})
	if len(problems) != 1 || problems[0].Host != "spoilt.test" {
		t.Errorf("problems %v", problems)
	}
	for name, want := range map[string]string{
		"on.test": "One", "ON.test": "One", "alias.test": "One", "p1.test": "One", "x.wild.test": "Two", "off.test": "", "plain.test": "", "denied.test": "",
		"unknown.test": "Two", "": "Two", "wild.test": "Two", "x.y.wild.test": "Two",
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			got := ""
			_, err := handshake(t, s, &tls.Config{ServerName: name, MaxVersion: version, GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				for _, raw := range r.AcceptableCAs {
					switch string(raw) {
					case string(one.Leaf.RawSubject):
						got += "One"
					case string(two.Leaf.RawSubject):
						got += "Two"
					}
				}
				return new(tls.Certificate), nil
			}})
			if err != nil || got != want {
				t.Errorf("%q, version %x: asked for %q, want %q (%v)", name, version, got, want, err)
			}
		}
	}
}

// TestSessionsBelongToWhatWasAsked: a session is taken up again where the same was asked, and nowhere else.
func TestSessionsBelongToWhatWasAsked(t *testing.T) {
	one, two := certtest.New(t, "One"), certtest.New(t, "Two")
	alice := one.Client("alice", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newStore(t)
		hosts := []ir.VirtualHost{asks("a.test", ir.VerifyOn, one.PEM()), asks("b.test", ir.VerifyOn, one.PEM()), asks("c.test", ir.VerifyOn, two.PEM()), {Name: "plain.test"}, {Name: "other.test"}}
		s.Update(&ir.Config{Hosts: hosts})
		cache := tls.NewLRUClientSessionCache(8)
		visit := func(from, to string) tls.ConnectionState {
			t.Helper()
			config := func(name string) *tls.Config {
				return &tls.Config{ServerName: name, MaxVersion: version, ClientSessionCache: cache, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &alice.TLS, nil
				}}
			}
			cache.Put(from, nil)
			if _, err := handshake(t, s, config(from)); err != nil {
				t.Fatal(err)
			}
			session, ok := cache.Get(from)
			if !ok {
				t.Fatalf("%x: no session of %s", version, from)
			}
			cache.Put(to, session)
			return serverSide(t, s, config(to))
		}
		for _, tt := range []struct {
			from, to string
			resumed  bool
			certs    int
		}{
			{"a.test", "a.test", true, 1}, {"a.test", "b.test", true, 1}, {"a.test", "c.test", false, 1}, {"a.test", "plain.test", false, 0},
			{"plain.test", "a.test", false, 1}, {"plain.test", "other.test", true, 0},
		} {
			state := visit(tt.from, tt.to)
			if state.DidResume != tt.resumed || len(state.PeerCertificates) != tt.certs {
				t.Errorf("%x, session of %s at %s: resumed %v with %d certificates, want %v with %d",
					version, tt.from, tt.to, state.DidResume, len(state.PeerCertificates), tt.resumed, tt.certs)
			}
		}
		session := func() bool {
			return serverSide(t, s, &tls.Config{ServerName: "a.test", MaxVersion: version, ClientSessionCache: cache, Certificates: []tls.Certificate{alice.TLS}}).DidResume
		}
		session()
		s.Update(&ir.Config{Hosts: hosts})
		if !session() {
			t.Errorf("%x: an update that changes nothing ends sessions", version)
		}
		hosts[0].ClientAuth.CA = two.PEM()
		s.Update(&ir.Config{Hosts: hosts})
		if session() {
			t.Errorf("%x: a session outlives the CAs that it was made under", version)
		}
		hosts[0].ClientAuth.CRL = two.Revoke(two.Leaf.NotAfter)
		s.Update(&ir.Config{Hosts: hosts})
		if session() {
			t.Errorf("%x: a session outlives a new revocation list", version)
		}
	}
}

// serverSide does a handshake and returns what the server learnt.
func serverSide(t *testing.T, s *Store, client *tls.Config) tls.ConnectionState {
	t.Helper()
	var state tls.ConnectionState
	outer := s.ServerConfig()
	choose := outer.GetConfigForClient
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := choose(hello)
		if err != nil {
			return nil, err
		}
		c = c.Clone()
		c.VerifyConnection = func(cs tls.ConnectionState) error { state = cs; return nil }
		return c, nil
	}
	defer func() { outer.GetConfigForClient = choose }()
	if _, err := handshake(t, s, client); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestNoResumption(t *testing.T) {
	ca := certtest.New(t, "One")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newStore(t)
		s.Update(&ir.Config{
			Hosts:    []ir.VirtualHost{{Name: "a.test"}, asks("b.test", ir.VerifyOptional, ca.PEM())},
			Settings: ir.Settings{TLS: ir.TLSSettings{NoResumption: true}},
		})
		for _, name := range []string{"a.test", "b.test"} {
			client := &tls.Config{ServerName: name, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
			for range 2 {
				if state, err := handshake(t, s, client); err != nil || state.DidResume {
					t.Errorf("%x %s: resumed %v, %v", version, name, state.DidResume, err)
				}
			}
		}
	}
}

func TestHostsChooseCiphers(t *testing.T) {
	s := newStore(t)
	cert := make1(t, "a", "a.test")
	problems := s.Update(&ir.Config{Certificates: []ir.Certificate{cert}, Hosts: []ir.VirtualHost{
		{Name: "a.test", Ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384"}, {Name: "b.test", Ciphers: "NONSENSE"}, {Name: "c.test"},
	}})
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "ssl-ciphers of b.test: NONSENSE") {
		t.Errorf("problems %v", problems)
	}
	const wanted = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	for name, want := range map[string]bool{"a.test": false, "b.test": true, "c.test": true} {
		client := &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
		if _, err := handshake(t, s, client); (err == nil) != want {
			t.Errorf("%s: AES128 is taken: %v", name, err == nil)
		}
		client.CipherSuites = []uint16{wanted}
		if state, err := handshake(t, s, client); err != nil || state.CipherSuite != wanted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/yettproxy/yett/proxy/certtest"
)

// sslSecret is a Secret for proxy-ssl-secret.
func sslSecret(name, ca string, c *certtest.Certificate) string {
	text := "---\napiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\ndata:\n"
	entries := []string{"ca.crt", ca}
	if c != nil {
		entries = append(entries, "tls.crt", c.Cert, "tls.key", c.Key)
	}
	for i := 0; i < len(entries); i += 2 {
		if entries[i+1] != "" {
			text += fmt.Sprintf("  %s: %s\n", entries[i], base64.StdEncoding.EncodeToString([]byte(entries[i+1])))
		}
	}
	return text
}

// shownNames collects what the gate says in its handshakes with a server.
type shownNames struct {
	mu           sync.Mutex
	sni, clients []string
}

// config is that of a server that asks for certificates of a CA, if there is one.
func (n *shownNames) config(cert *certtest.Certificate, clients *certtest.CA) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{cert.TLS}, NextProtos: []string{"h2"}}
	c.VerifyConnection = func(state tls.ConnectionState) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.sni = append(n.sni, state.ServerName)
		if len(state.PeerCertificates) > 0 {
			n.clients = append(n.clients, state.PeerCertificates[0].Subject.CommonName)
		}
		return nil
	}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(clients.Leaf)
	}
	return c
}

// take returns what was seen and forgets it.
func (n *shownNames) take() (sni, clients string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.Sort(n.sni)
	sni, clients = strings.Join(slices.Compact(n.sni), "|"), strings.Join(slices.Compact(n.clients), "|")
	n.sni, n.clients = nil, nil
	return sni, clients
}

// TestGRPCSChecksItsEndpoints is proxy-ssl-* with gRPC: whom the gate believes, which name it sends, and what it shows of itself.
func TestGRPCSChecksItsEndpoints(t *testing.T) {
	s := newStage(t)
	good, bad := certtest.New(t, "good"), certtest.New(t, "bad")
	cert := good.Server("pods.internal")
	client, stranger := good.Client("gate", nil), bad.Client("stranger", nil)
	var open, closed shownNames
	server := startCalleeWith(t, "pods", grpc.Creds(credentials.NewTLS(open.config(&cert, nil))))
	mutual := startCalleeWith(t, "mutual", grpc.Creds(credentials.NewTLS(closed.config(&cert, good))))
	s.settings = []string{"ssl-redirect: false", "proxy-body-size: 0"}
	s.add(endpoints("pods", server.port, "127.0.0.1"), endpoints("mutual", mutual.port, "127.0.0.1"),
		sslSecret("good", good.PEM(), nil), sslSecret("bad", bad.PEM(), nil),
		sslSecret("gate", good.PEM(), &client), sslSecret("stranger", good.PEM(), &stranger))
	const (
		fine      = "OK: "
		untrusted = "Unavailable: 502 Bad Gateway: TLS handshake failed" // which TLS 1.2 also says where a certificate is missing
		refused   = "Unavailable: 502 Bad Gateway: client certificate refused or missing"
	)
	tests := []struct {
		name, service string
		notes         []string
		want, sni     string
		client        string
	}{
		{"unchecked", "pods", nil, fine, "", ""},
		{"checked", "pods", []string{"proxy-ssl-secret: good", "proxy-ssl-verify: on", "proxy-ssl-name: pods.internal"}, fine, "", ""},
		{"named", "pods", []string{"proxy-ssl-secret: good", "proxy-ssl-verify: on", "proxy-ssl-name: pods.internal", "proxy-ssl-server-name: on"}, fine, "pods.internal", ""},
		{"unverified", "pods", []string{"proxy-ssl-secret: bad", "proxy-ssl-name: other.internal", "proxy-ssl-server-name: on"}, fine, "other.internal", ""},
		{"badca", "pods", []string{"proxy-ssl-secret: bad", "proxy-ssl-verify: on", "proxy-ssl-name: pods.internal"}, untrusted, "", ""},
		{"badname", "pods", []string{"proxy-ssl-secret: good", "proxy-ssl-verify: on", "proxy-ssl-name: other.internal"}, untrusted, "", ""},
		{"noname", "pods", []string{"proxy-ssl-secret: good", "proxy-ssl-verify: on"}, untrusted, "", ""},
		{"shown", "mutual", []string{"proxy-ssl-secret: gate", "proxy-ssl-verify: on", "proxy-ssl-name: pods.internal"}, fine, "", "gate"},
		{"shown13", "mutual", []string{"proxy-ssl-secret: gate", "proxy-ssl-protocols: TLSv1.3"}, fine, "", "gate"},
		{"notshown", "mutual", []string{"proxy-ssl-secret: good"}, untrusted, "", ""},
		{"notshown13", "mutual", []string{"proxy-ssl-secret: good", "proxy-ssl-protocols: TLSv1.3"}, refused, "", ""},
		{"wrongshown", "mutual", []string{"proxy-ssl-secret: stranger"}, refused, "", ""},
	}
	for _, tt := range tests {
		s.add(ing{name: tt.name, host: tt.name + ".test", paths: []string{"/ Prefix " + tt.service}, notes: append(tt.notes, "backend-protocol: GRPCS")}.String())
	}
	s.start()
	for i, tt := range tests {
		conn := dialGate(t, s, tt.name+".test", i%2 == 0)
		for _, kind := range callKinds {
			t.Run(tt.name+" "+kind.name, func(t *testing.T) {
				before := server.begun.Load() + mutual.begun.Load()
				_, err := kind.call(soon(t), pb.NewTestServiceClient(conn))
				if got := told(err); got != tt.want {
					t.Errorf("ends with %q, want %q", got, tt.want)
				}
				if arrived := server.begun.Load() + mutual.begun.Load(); err != nil && arrived > before {
					t.Error("the call has arrived")
				}
			})
		}
		sni, _ := open.take()
		moreSNI, clients := closed.take()
		if tt.want == fine && (sni+moreSNI != tt.sni || clients != tt.client) {
			t.Errorf("%s: the server was told the name %q and shown %q, want %q and %q", tt.name, sni+moreSNI, clients, tt.sni, tt.client)
		}
	}
}

// TestGRPCSNeedsHTTP2 has endpoints that speak TLS, but no HTTP/2, or say so and do not.
func TestGRPCSNeedsHTTP2(t *testing.T) {
	certPEM, keyPEM := certificate(t, "pods.internal")
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	// listen has a server take connections, and say something after the handshake.
	listen := func(say string, protocols ...string) int {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					buf := make([]byte, 1000)
					for {
						if _, err := c.Read(buf); err != nil {
							return
						}
						if _, err := c.Write([]byte(say)); err != nil {
							return
						}
					}
				}()
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
	s := newStage(t)
	s.settings = []string{"ssl-redirect: false", "proxy-body-size: 0"}
	const http1 = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
	tests := map[string]struct {
		port int
		want string
	}{
		"noalpn":  {listen(http1), "Unavailable: 502 Bad Gateway: protocol not supported"},
		"onlyold": {listen(http1, "http/1.1"), "Unavailable: 502 Bad Gateway: TLS handshake failed"},
		"lies":    {listen(http1, "h2"), "Unavailable: 502 Bad Gateway: protocol not supported"},
		"silent":  {listen("", "h2"), "DeadlineExceeded: 504 Gateway Timeout: connect timed out"},
	}
	for name, tt := range tests {
		s.add(endpoints(name, tt.port, "127.0.0.1"), ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + name},
			notes: []string{"backend-protocol: GRPCS", "proxy-connect-timeout: 1", "proxy-next-upstream-tries: 1"}}.String())
	}
	s.start()
	for name, tt := range tests {
		conn := dialGate(t, s, name+".test", true)
		for _, kind := range callKinds {
			t.Run(name+" "+kind.name, func(t *testing.T) {
				begin := time.Now()
				if _, err := kind.call(soon(t), pb.NewTestServiceClient(conn)); told(err) != tt.want || time.Since(begin) > 2*time.Second {
					t.Errorf("ends with %q after %v, want %q", told(err), time.Since(begin), tt.want)
				}
			})
		}
	}
}

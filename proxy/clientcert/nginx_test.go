package clientcert_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/nginxtest"
	"github.com/yettproxy/yett/proxy/certtest"
	"github.com/yettproxy/yett/proxy/clientcert"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// guarded is one way to guard a host.
type guarded struct {
	name string
	spec ir.ClientAuth
}

// shown is one certificate of a client; nil for none.
type shown struct {
	name string
	*certtest.Certificate
}

// yard is all that the comparison is about.
type yard struct {
	hosts   []guarded
	clients []shown
}

// newYard makes CAs, hosts and clients.
func newYard(t *testing.T) *yard {
	ca, other := certtest.New(t, "Root"), certtest.New(t, "Other")
	sub := ca.Intermediate("Sub")
	deep := sub.Intermediate("Deep")
	good := ca.Client("alice", nil)
	gone := ca.Client("gone", nil)
	tomorrow, past := time.Now().Add(24*time.Hour), time.Now().Add(-time.Minute)
	client := func(name string, c certtest.Certificate) shown { return shown{name, &c} }
	at := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	y := &yard{clients: []shown{
		{"none", nil}, client("good", good), client("revoked", gone),
		client("expired", ca.Client("late", at(-3*time.Hour, -2*time.Hour))), client("early", ca.Client("early", at(time.Hour, 2*time.Hour))),
		client("for a server", ca.Client("server", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		client("for anything", ca.Client("any", func(c *x509.Certificate) { c.ExtKeyUsage = nil })),
		client("of a stranger", other.Client("alice", nil)), client("its own issuer", certtest.SelfSigned(t, "self")), client("a CA", certtest.SelfSignedCA(t, "ca")), client("of a stranger, with its CA", other.Client("alice", nil, other)),
		client("below an intermediate", sub.Client("alice", nil, sub)), client("below an intermediate not sent", sub.Client("alice", nil)),
		client("below two", deep.Client("alice", nil, deep, sub)), client("expired, of a stranger", other.Client("late", at(-3*time.Hour, -2*time.Hour))),
		client("of a name in parts", ca.Client("x", func(c *x509.Certificate) {
			c.Subject = pkix.Name{
				CommonName: `a, "b"+c\d;<e>#`, Organization: []string{" lead", "trail "}, OrganizationalUnit: []string{"#hash"}, Country: []string{"DE"},
				SerialNumber: "77", ExtraNames: []pkix.AttributeTypeAndValue{
					{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.test"}, {Type: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "odd"},
				},
			}
		})),
		client("of a name beyond ASCII", ca.Client("Zoë 日本\r\nX: y\x00\x7f", nil)),
		client("that hides a CN", ca.Client("bob", func(c *x509.Certificate) { c.Subject.Organization = []string{"CN=alice"} })),
	}}
	spec := func(mode ir.VerifyMode, cas, crl string, depth int) ir.ClientAuth {
		return ir.ClientAuth{Mode: mode, CA: cas, CRL: crl, Depth: depth}
	}
	all := ca.Revoke(tomorrow, gone)
	for _, mode := range []ir.VerifyMode{ir.VerifyOn, ir.VerifyOptional, ir.VerifyOptionalNoCA} {
		m := strings.ReplaceAll(mode.String(), "_", "-")
		y.hosts = append(y.hosts,
			guarded{m, spec(mode, ca.PEM(), "", 1)}, guarded{m + "-deep", spec(mode, ca.PEM(), "", 2)}, guarded{m + "-both", spec(mode, ca.PEM()+other.PEM(), "", 1)},
			guarded{m + "-sub", spec(mode, sub.PEM(), "", 1)}, guarded{m + "-rootsub", spec(mode, sub.PEM()+ca.PEM(), "", 1)},
			guarded{m + "-crl", spec(mode, ca.PEM(), all, 1)}, guarded{m + "-oldcrl", spec(mode, ca.PEM(), ca.Revoke(past), 1)},
			guarded{m + "-othercrl", spec(mode, ca.PEM(), other.Revoke(tomorrow), 1)}, guarded{m + "-crls", spec(mode, ca.PEM(), all+sub.Revoke(tomorrow), 1)},
		)
	}
	y.hosts = append(y.hosts, guarded{"off", spec(ir.VerifyOff, ca.PEM(), "", 1)})
	return y
}

// nginxConfig returns a server for every host, on a socket.
func (y *yard) nginxConfig(socket string, files map[string]string) string {
	var b strings.Builder
	for _, h := range y.hosts {
		files[h.name+".ca"] = h.spec.CA
		fmt.Fprintf(&b, "server { listen unix:%s ssl; server_name %s.test; ssl_certificate cert; ssl_certificate_key key; ssl_session_cache off; ssl_session_tickets off;\n"+
			"ssl_client_certificate %s.ca; ssl_verify_client %s; ssl_verify_depth %d;\n", socket, h.name, h.name, h.spec.Mode, h.spec.Depth)
		if h.spec.CRL != "" {
			files[h.name+".crl"] = h.spec.CRL
			fmt.Fprintf(&b, "ssl_crl %s.crl;\n", h.name)
		}
		b.WriteString(`location / { add_header V "$ssl_client_verify"; add_header S "$ssl_client_s_dn"; add_header I "$ssl_client_i_dn"; ` +
			`add_header C "$ssl_client_escaped_cert"; return 200 ok; } }` + "\n")
	}
	return b.String()
}

// otherwise are the cases in which ours differs, by host and certificate, and why. Upstreams are told FAILED in each of them, by
// whoever lets it pass.
var otherwise = map[string]string{
	"optional-no-ca-othercrl of a stranger, with its CA": "a list of somebody who is no CA of ours counts for nothing",
	"optional-no-ca-rootsub below two":                   "a chain that is too long is one that leads nowhere, whatever else is known",
}

// verdict is what came of a request: status and page, or what the upstream is told.
type verdict struct{ status, verify, subject, issuer, escaped string }

func (v verdict) String() string {
	_, title, _ := strings.Cut(v.status, "<title>")
	title, _, _ = strings.Cut(title, "</title>")
	return fmt.Sprintf("%q %q %q", cmp.Or(title, v.status), v.verify, v.subject)
}

// askNginx sends a request to nginx.
func askNginx(socket, host string, client shown) (verdict, error) {
	raw, err := net.Dial("unix", socket)
	if err != nil {
		return verdict{}, err
	}
	defer raw.Close()
	conn := tls.Client(raw, clientConfig(host, client))
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return verdict{}, err
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return verdict{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if r.StatusCode != 200 {
		return verdict{status: string(body)}, err
	}
	h := r.Header
	return verdict{"200", h.Get("V"), h.Get("S"), h.Get("I"), h.Get("C")}, err
}

// clientConfig shows a certificate whatever the server says about whom it knows.
func clientConfig(host string, client shown) *tls.Config {
	c := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	if client.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client.TLS, nil }
	}
	return c
}

// askGuard asks the guard of a host.
func askGuard(t *testing.T, g *clientcert.Guard, host string, client shown) verdict {
	t.Helper()
	state := &tls.ConnectionState{ServerName: host}
	if client.Certificate != nil {
		for _, der := range client.TLS.Certificate {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			state.PeerCertificates = append(state.PeerCertificates, c)
		}
	}
	x := &filter.Exchange{Start: time.Now(), Conn: &filter.Conn{TLS: state, Certificate: new(atomic.Pointer[filter.ClientCertificate])}}
	x.Request.Host = host
	if !g.Admit(x) {
		return verdict{status: x.Body}
	}
	field := func(name string) string { v, _ := x.Overrides.Find(name); return v }
	return verdict{"200", field("ssl-client-verify"), field("ssl-client-subject-dn"), field("ssl-client-issuer-dn"), field("ssl-client-cert")}
}

// TestGuardsJudgeAsNginx shows every certificate to every host, of nginx and of ours.
func TestGuardsJudgeAsNginx(t *testing.T) {
	y := newYard(t)
	dir, err := os.MkdirTemp("", "nginx")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "tls")
	server := certtest.New(t, "Server").Server("any.test")
	files := map[string]string{"cert": server.Cert, "key": server.Key}
	httpBlock := y.nginxConfig(socket, files)
	nginxtest.Start(t, files, "server_tokens off;\n"+httpBlock, "return 404;")
	for _, h := range y.hosts {
		spec := h.spec
		spec.PassCertificate = true
		g, err := clientcert.Compile(&spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, client := range y.clients {
			host := h.name + ".test"
			want, err := askNginx(socket, host, client)
			if err != nil {
				t.Errorf("%s, certificate %s: nginx: %v", h.name, client.name, err)
				continue
			}
			got := askGuard(t, g, host, client)
			if why := otherwise[h.name+" "+client.name]; why != "" {
				if got == want {
					t.Errorf("%s, certificate %s: nginx does the same after all", h.name, client.name)
				}
				continue
			}
			if got != want {
				t.Errorf("%s, certificate %s:\n got %s\nwant %s", h.name, client.name, got, want)
			}
		}
	}
}

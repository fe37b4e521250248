package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// portService is a Service with one port of a protocol and one endpoint on loopback.
func portService(name, protocol string, port, target int) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {ports: [{name: main, port: %[3]d, protocol: %[2]s}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: main, port: %[4]d, protocol: %[2]s}]
endpoints: [{addresses: [127.0.0.1]}]
`, name, protocol, port, target)
}

// lineServer answers each line with its name and the line, as Redis answers commands.
func lineServer(t *testing.T, name string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintf(c, "+%s %s\r\n", name, lines.Text())
				}
			})
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// command sends a line and returns the answer.
func command(c net.Conn, line string) string {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, line+"\r\n")
	answer, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(answer)
}

// TestTCPAndUDPServices is nginx-compat section 4.8, against ConfigMaps that change under way.
func TestTCPAndUDPServices(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "web", host: "web.test", paths: []string{"/"}}.String())
	redis, other := lineServer(t, "redis"), lineServer(t, "other")
	answers, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := answers.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = answers.WriteTo(append([]byte("answer to "), b[:n]...), from)
		}
	}()
	s.add(portService("redis", "TCP", 6379, redis), portService("other", "TCP", 1, other),
		portService("dns", "UDP", 53, answers.LocalAddr().(*net.UDPAddr).Port))
	tcp, second, udp := freePort(t), freePort(t), freePort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, busy := hostPort(t, taken.Addr().String())
	services := func(lines ...string) {
		s.edit("tcp", dataMap("tcp", append(lines, "oops: default/redis:6379", busy+": default/redis:6379")...))
	}
	services(fmt.Sprintf("%d: default/redis:6379", tcp))
	s.edit("udp", dataMap("udp", fmt.Sprintf("%d: default/dns:main", udp)))
	s.start("--tcp-services-configmap=default/tcp", "--udp-services-configmap=default/udp")

	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	stays := from(t, "127.0.0.1", at(tcp))
	if got := command(stays, "PING"); got != "+redis PING" {
		t.Fatalf("tcp: %q", got)
	}
	c, err := net.Dial("udp", at(udp))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, question := range []string{"one", "two"} {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, question)
		b := make([]byte, 2048)
		if n, err := c.Read(b); string(b[:n]) != "answer to "+question || err != nil {
			t.Fatalf("udp: %q %v", b[:n], err)
		}
	}
	// Two sessions, or one if the second question came before the first was over.
	harness.Until(t, 3*time.Second, "log of the datagrams", func() bool {
		return strings.Contains(s.gate.Output(), "UDP 200 13 3 ") || strings.Contains(s.gate.Output(), "UDP 200 26 6 ")
	})
	s.logged("oops", "not a port")
	s.logged("tcp port", busy, "address already in use")
	s.want("web.test", "/", "a /")

	services(fmt.Sprintf("%d: default/other:main", tcp), fmt.Sprintf("%d: default/redis:6379", second))
	harness.Until(t, 5*time.Second, "second port", func() bool { c, err := net.Dial("tcp", at(second)); closeConn(c); return err == nil })
	if got := command(from(t, "127.0.0.1", at(tcp)), "PING"); got != "+other PING" {
		t.Errorf("a port that leads elsewhere: %q", got)
	}
	if got := command(stays, "STILL"); got != "+redis STILL" {
		t.Errorf("a connection from before: %q", got)
	}
	services(fmt.Sprintf("%d: default/redis:6379", second))
	harness.Until(t, 5*time.Second, "port closed", func() bool { c, err := net.Dial("tcp", at(tcp)); closeConn(c); return err != nil })
	if got := command(stays, "EVEN NOW"); got != "+redis EVEN NOW" {
		t.Errorf("a connection to a port that was closed: %q", got)
	}
	_, metrics, _ := harness.Ask(harness.Browser(t), s.gate.Health, "x", "/metrics")
	if want := fmt.Sprintf(`port="%d",protocol="udp",service="dns"} 2`, udp); !strings.Contains(metrics, want) {
		t.Errorf("the metrics have no %s", want)
	}
	s.gate.Term()
	if got := command(stays, "WHILE DRAINING"); got != "+redis WHILE DRAINING" {
		t.Errorf("a connection while the process ends: %q", got)
	}
	stays.Close()
}

func closeConn(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

// TestSSLPassthrough looks at the certificate that clients see: the Service's own, with HAProxy and a PROXY header in front.
func TestSSLPassthrough(t *testing.T) {
	for name, flag := range map[string]string{"on": "--enable-ssl-passthrough", "off": "--enable-ssl-passthrough=false"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.echo("a")
			secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, "own TLS, %s", r.TLS.ServerName)
			}))
			t.Cleanup(secure.Close)
			s.add(portService("secure", "TCP", 80, secure.Listener.Addr().(*net.TCPAddr).Port))
			notes := []string{"ssl-passthrough: true"}
			s.add(
				ing{name: "raw", host: "example.com", paths: []string{"/ Prefix secure"}, notes: notes}.String(),
				ing{name: "wild", host: "*.example.org", paths: []string{"/ Prefix secure"}, notes: notes}.String(),
				ing{name: "opened", host: "opened.test", paths: []string{"/"}}.String(),
			)
			s.edit("settings", configMap("ssl-redirect: false", "log-format-stream: $remote_addr $ssl_preread_server_name $upstream_addr"))
			s.start(flag)
			roots := x509.NewCertPool()
			roots.AddCert(secure.Certificate())
			// trusted reports why a client that trusts the Service alone does not like what it is shown.
			trusted := func(address, sni, check string) error {
				c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: sni, InsecureSkipVerify: true})
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = c.ConnectionState().PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: check})
				return err
			}
			for _, sni := range []string{"example.com", "EXAMPLE.com", "x.example.org"} {
				if err := trusted(s.gate.HTTPS, sni, "example.com"); (err == nil) != (name == "on") {
					t.Errorf("%s: %v", sni, err)
				}
			}
			for _, sni := range []string{"opened.test", "x.y.example.org", "example.org", ""} {
				if err := trusted(s.gate.HTTPS, sni, "example.com"); err == nil {
					t.Errorf("%q is passed through", sni)
				}
			}
			if r := s.tls("opened.test", "/x"); r.String() != "a /x" {
				t.Errorf("a host that is opened: %s", r)
			}
			if name == "off" {
				s.logged("default/raw", "--enable-ssl-passthrough")
				return
			}
			// In cleartext the host is routed as ever: the Service answers that it wants TLS.
			if r := s.get("example.com", "/"); r.Status != 400 {
				t.Errorf("in cleartext: %s", r)
			}
			s.edit("settings", configMap("ssl-redirect: false", "use-proxy-protocol: true", "log-format-stream: $remote_addr $ssl_preread_server_name $upstream_addr"))
			front := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			haproxy(t, front, fmt.Sprintf("listen v2\n\tbind %s\n\tserver s %s send-proxy-v2\n", front, s.gate.HTTPS))
			harness.Until(t, 10*time.Second, "behind HAProxy", func() bool { return trusted(front, "example.com", "example.com") == nil })
			line := "127.0.0.1 example.com " + secure.Listener.Addr().String()
			harness.Until(t, 3*time.Second, "log line "+line, func() bool { return strings.Contains(s.gate.Output(), line) })
		})
	}
}

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// haproxy runs HAProxy with a configuration until the test ends, and waits until its first address, which must be in the
// text, takes connections.
func haproxy(t *testing.T, address, config string) {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if path = "/usr/sbin/haproxy"; !isFile(path) {
			t.Skip("needs haproxy as the load balancer in front: it is not installed")
		}
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	put(t, file, "defaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 20s\n\ttimeout server 20s\n"+config)
	cmd := exec.Command(path, "-db", "-f", file)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	harness.Until(t, 5*time.Second, "haproxy", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// isFile reports whether there is a file.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// freePort returns a TCP port of loopback that nobody has.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// from dials from one of the addresses of loopback, so that clients can be told apart.
func from(t *testing.T, client, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestHAProxySpeaksThePROXYProtocolToUs puts a real load balancer in front, with both versions, in cleartext and TLS.
func TestHAProxySpeaksThePROXYProtocolToUs(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.settings = []string{"use-proxy-protocol: true", "ssl-redirect: false", "forwarded-for-proxy-protocol-header: X-Client",
		"log-format-upstream: $remote_addr:$remote_port $proxy_protocol_addr $proxy_protocol_server_port $realip_remote_addr $request_uri"}
	s.add(
		ing{name: "open", host: "open.test", paths: []string{"/"}}.String(),
		ing{name: "listed", host: "listed.test", paths: []string{"/"}, notes: []string{"whitelist-source-range: 127.5.0.0/16"}}.String(),
		ing{name: "limited", host: "limited.test", paths: []string{"/"}, notes: []string{"limit-rpm: 1", "limit-burst-multiplier: 1"}}.String(),
	)
	s.start()
	ports := [4]int{freePort(t), freePort(t), freePort(t), freePort(t)}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	haproxy(t, at(0), fmt.Sprintf(
		"listen v1\n\tbind %s\n\tserver s %s send-proxy\nlisten v2\n\tbind %s\n\tserver s %s send-proxy-v2\n"+
			"listen tls1\n\tbind %s\n\tserver s %s send-proxy\nlisten tls2\n\tbind %s\n\tserver s %s send-proxy-v2 proxy-v2-options unique-id,crc32c\n",
		at(0), s.gate.HTTP, at(1), s.gate.HTTP, at(2), s.gate.HTTPS, at(3), s.gate.HTTPS))
	for i, name := range []string{"v1", "v2", "TLS v1", "TLS v2 with extensions"} {
		client := fmt.Sprintf("127.5.0.%d", i+1)
		open := func(address string) net.Conn {
			c := from(t, address, at(i))
			if i < 2 {
				return c
			}
			return tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "open.test"})
		}
		c := open(client)
		r := s.exchange(c, "GET", "open.test", "/"+fmt.Sprint(i), "", "X-Forwarded-For: 6.6.6.6")
		if r.Seen == nil || r.Seen.Header.Get("X-Forwarded-For") != client || r.Seen.Header.Get("X-Real-Ip") != client || r.Seen.Header.Get("X-Client") != client {
			t.Fatalf("%s: %v, the Service saw %+v; want client %s", name, r, r.Seen, client)
		}
		_, port := hostPort(t, c.LocalAddr().String())
		line := fmt.Sprintf("%s:%s %s %d 127.0.0.1 /%d", client, port, client, ports[i], i)
		harness.Until(t, 3*time.Second, name+": log line "+line, func() bool { return strings.Contains(s.gate.Output(), line) })
		if r := s.exchange(open(client), "GET", "listed.test", "/", ""); r.Status != 200 {
			t.Errorf("%s: a client on the allow list: %s", name, r)
		}
		if r := s.exchange(open("127.6.0.1"), "GET", "listed.test", "/", ""); r.Status != 403 {
			t.Errorf("%s: a client beside the allow list: %s", name, r)
		}
		for n, want := range []int{200, 200, 503} {
			if r := s.exchange(open(client), "GET", "limited.test", "/", ""); r.Status != want {
				t.Errorf("%s: request %d of this client: %s, want %d", name, n+1, r, want)
			}
		}
	}
}

// TestThePROXYProtocolIsDemandedOfAllAndBelievedOfSome: see S-D7 of the security tests.
func TestThePROXYProtocolIsDemandedOfAllAndBelievedOfSome(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "open", host: "open.test", paths: []string{"/"}}.String())
	s.edit("settings", configMap("ssl-redirect: false"))
	s.start()
	const header = "PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\n"
	send := func(text string) string {
		c := from(t, "127.5.0.1", s.gate.HTTP)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, text+"GET /x HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(c)
		return string(answer)
	}
	if got := send(header); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("switched off, a header is a bad request: %.100q", got)
	}
	s.edit("settings", configMap("ssl-redirect: false", "use-proxy-protocol: true", "proxy-real-ip-cidr: 127.5.0.1", "proxy-protocol-header-timeout: 300ms"))
	harness.Until(t, 5*time.Second, "use-proxy-protocol", func() bool { return strings.Contains(send(header), `"192.0.2.7"`) })
	for name, text := range map[string]string{
		"no header": "", "a header with a mistake": "PROXY TCP4 192.0.2.7\r\n",
		"version 1 of 108 bytes":  "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		"version 2 of 65551":      "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 65535),
		"version 2 with 11 bytes": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0b" + strings.Repeat("x", 11),
	} {
		if got := send(text); got != "" {
			t.Errorf("%s: %.100q, want the connection closed", name, got)
		}
	}
	for name, text := range map[string]string{"UNKNOWN": "PROXY UNKNOWN ffff::1 x\r\n", "LOCAL": "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		if got := send(text); !strings.Contains(got, `"127.5.0.1"`) {
			t.Errorf("%s: %.300q, want the peer as the client", name, got)
		}
	}
	slow := from(t, "127.5.0.1", s.gate.HTTP)
	began := time.Now()
	_ = slow.SetDeadline(began.Add(10 * time.Second))
	_, _ = io.WriteString(slow, "PROXY ")
	if n, err := slow.Read(make([]byte, 1)); n != 0 || err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("a header that does not come: %d %v after %s", n, err, time.Since(began))
	}
	s.edit("settings", configMap("ssl-redirect: false", "use-proxy-protocol: true", "proxy-real-ip-cidr: 10.0.0.0/8"))
	harness.Until(t, 5*time.Second, "a stranger is not believed", func() bool { return strings.Contains(send(header), `"127.5.0.1"`) })
	if status, _, err := harness.Ask(harness.Browser(t), s.gate.Health, "x", "/healthz"); status != 200 {
		t.Errorf("the health port wants a header, too: %d %v", status, err)
	}
	if _, metrics, _ := harness.Ask(harness.Browser(t), s.gate.Health, "x", "/metrics"); !strings.Contains(metrics, "yett_proxy_protocol_errors_total") {
		t.Error("no metric counts connections without a header")
	}
}

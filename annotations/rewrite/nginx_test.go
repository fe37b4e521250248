package rewrite

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// TestAgainstNginx puts the cases of TestRewrite to a real nginx, configured as ingress-nginx configures
// it, so that the table is a fact and not an opinion.
func TestAgainstNginx(t *testing.T) {
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("no nginx here to compare with")
	}
	names := make([]string, 0, len(rewriteCases))
	for name := range rewriteCases {
		names = append(names, name)
	}
	sort.Strings(names)
	dir := t.TempDir()
	echo(t, filepath.Join(dir, "up.sock"))

	// One server for each case, told apart by their names.
	conf := []byte("daemon off; master_process off; pid " + dir + "/pid; error_log stderr crit;\nevents { worker_connections 64; }\nhttp { access_log off;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf = fmt.Appendf(conf, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	for i, name := range names {
		c := rewriteCases[name]
		rewrite := ""
		if c.path != c.target {
			rewrite = fmt.Sprintf(`rewrite "(?i)%s" "%s" break;`, c.path, c.target)
		}
		conf = fmt.Appendf(conf, "server { listen unix:%s/in.sock; server_name c%d; location / { %s proxy_pass http://unix:%s/up.sock; } }\n", dir, i, rewrite, dir)
	}
	conf = append(conf, "}\n"...)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-p", dir, "-c", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for i, name := range names {
		c := rewriteCases[name]
		got, err := ask(filepath.Join(dir, "in.sock"), fmt.Sprintf("c%d", i), c.request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got != c.want {
			t.Errorf("%s: nginx sends %q, the table says %q", name, got, c.want)
		}
	}
}

// echo serves the target of every request as its body.
func echo(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			target := strings.TrimSuffix(strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "GET "), " HTTP/1.0")
			_, _ = fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
			_ = c.Close()
		}
	}()
}

// ask sends a request for a target to a host and returns the body of the answer. nginx may still be starting.
func ask(socket, host, target string) (string, error) {
	var c net.Conn
	var err error
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(end) {
			return "", err
		}
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host); err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != 200 {
		return "", fmt.Errorf("status %d", r.StatusCode)
	}
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

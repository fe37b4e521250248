package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// explained is what `yett explain -o json` prints, as far as it can be compared.
type explained struct {
	Status   int
	Fields   []string
	Upstream string
	Canary   bool
	Dice     bool
	Head     []string
}

// TestExplainSaysWhatTheDemoDoes asks about requests to the demo, by its manifests, and sends them.
func TestExplainSaysWhatTheDemoDoes(t *testing.T) {
	dir := t.TempDir()
	g := start(t, "demo", "--http-port", "0", "--https-port", "0", "--healthz-port", "0", "--profiling=false", "--dir", dir)
	harness.Until(t, 5*time.Second, "curl lines", func() bool { return strings.Contains(g.Output(), "# metrics\n") })
	backends := map[string]string{
		"default-a-80": "backend-a", "default-b-http": "backend-b", "default-stable-80": "backend-b", "default-c-80": "backend-c",
	}
	client := demoClient(g)
	for _, tt := range []struct {
		what, url string
		fields    []string
		forwarded bool
	}{
		{"a host and the path /", "http://shop.demo.test/", nil, true},
		{"a longer path", "http://shop.demo.test/cart/x?q=1", nil, true},
		{"a path that only looks like it", "http://shop.demo.test/carts", nil, true},
		{"a host that nobody has", "http://nobody.demo.test/", nil, false},
		{"a request over TLS", "https://secure.demo.test/", nil, true},
		{"one that is sent to TLS", "http://secure.demo.test/x?y", nil, false},
		{"the canary by its header", "http://canary.demo.test/", []string{"X-Canary: always"}, true},
		{"not the canary by its header", "http://canary.demo.test/", []string{"X-Canary: never"}, true},
		{"the canary by its cookie", "http://canary.demo.test/", []string{"Cookie: canary=always"}, true},
		{"no password", "http://private.demo.test/", nil, false},
		{"a wrong password", "http://private.demo.test/", []string{"Authorization: Basic YWxpY2U6eA=="}, false},
		{"the right password", "http://private.demo.test/", []string{"Authorization: Basic YWxpY2U6Z2F0ZWtlZXBlcg=="}, true},
		{"the first request of a limit", "http://slow.demo.test/", nil, true},
		{"a rewrite", "http://api.demo.test/api/users?q=1", nil, true},
		{"a path that no expression matches", "http://api.demo.test/", nil, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			e := explainedBy(t, dir, tt.url, tt.fields)
			status, header, body := ask(t, client, tt.url, tt.fields)
			if forwarded := e.Upstream != ""; forwarded != tt.forwarded || e.Dice {
				t.Fatalf("explained as %+v", e)
			}
			if !tt.forwarded {
				if e.Status != status {
					t.Errorf("explained as %d, is %d", e.Status, status)
				}
				for _, f := range e.Fields {
					if name, value, _ := strings.Cut(f, ": "); header.Get(name) != value {
						t.Errorf("explained with %s, has %q", f, header.Get(name))
					}
				}
				return
			}
			name, seen, _ := strings.Cut(body, "\n")
			if status != 200 || name != backends[e.Upstream] {
				t.Errorf("explained as going to %s, is %d from %s", e.Upstream, status, name)
			}
			for _, line := range strings.Split(strings.TrimSpace(seen), "\n") {
				if strings.HasPrefix(line, "X-Forwarded-Port:") || strings.HasPrefix(line, "X-Request-Id:") {
					continue // the port is not that of the URL here
				}
				if !containsFold(e.Head, line) {
					t.Errorf("the Service got %q, explained was %q", line, e.Head)
				}
			}
		})
	}
}

// explainedBy runs `yett explain`.
func explainedBy(t *testing.T, dir, url string, fields []string) (e explained) {
	t.Helper()
	args := []string{"explain", "--manifests", dir, "--from", "127.0.0.1", "-o", "json"}
	for _, f := range fields {
		args = append(args, "-H", f)
	}
	out, err := exec.Command(binary, append(args, url)...).Output()
	if err != nil {
		t.Fatalf("explain: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("read explanation: %v\n%s", err, out)
	}
	return e
}

// demoClient returns a client that takes every name for that of a gate.
func demoClient(g *harness.Gate) *http.Client {
	dial := func(address string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: dial(g.HTTP), DialTLSContext: func(ctx context.Context, _, name string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(name)
			if err != nil {
				return nil, err
			}
			// Nothing is kept secret here, and the certificate was made for the occasion.
			d := tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true}}
			return d.DialContext(ctx, "tcp", g.HTTPS)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends a request.
func ask(t *testing.T, client *http.Client, url string, fields []string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

// containsFold reports whether a list has a text in any case.
func containsFold(list []string, text string) bool {
	for _, s := range list {
		if strings.EqualFold(s, text) {
			return true
		}
	}
	return false
}

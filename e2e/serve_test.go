package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// service is a Service with one endpoint on loopback.
func service(name string, port int) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[2]d}]
endpoints: [{addresses: [127.0.0.1]}]
`, name, port)
}

// rule is an Ingress that sends a host to a Service.
func rule(name, host, service string) string {
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s}
spec:
  ingressClassName: nginx
  rules:
  - host: %s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}
`, name, host, service)
}

// put writes a manifest the way editors do: a new file moved over the old one.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

// serve runs yett on a folder, on ports that are free.
func serve(t testing.TB, dir string, more ...string) *harness.Gate {
	t.Helper()
	return start(t, append([]string{"serve", "--manifests", dir, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--healthz-host", "127.0.0.1", "--bind-address", "127.0.0.1", "--profiling=false"}, more...)...)
}

func TestServeFollowsFilesWithoutLosingARequest(t *testing.T) {
	dir := t.TempDir()
	a, b := harness.StartBackend(t, "127.0.0.1", "a"), harness.StartBackend(t, "127.0.0.1", "b")
	put(t, filepath.Join(dir, "services.yaml"), service("a", a.Port)+service("b", b.Port))
	rules := filepath.Join(dir, "rules.yaml")
	put(t, rules, rule("moving", "moving.test", "a")+rule("steady", "steady.test", "a"))
	g := serve(t, dir)
	c := harness.Browser(t)
	if status, body, err := harness.Ask(c, g.HTTP, "moving.test", "/"); status != 200 || body != "a" {
		t.Fatalf("got %d %q %v", status, body, err)
	}

	stop := make(chan struct{})
	var asked, failed atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			c := harness.Browser(t)
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, host := range []string{"moving.test", "steady.test"} {
					asked.Add(1)
					if status, _, err := harness.Ask(c, g.HTTP, host, "/"); status != 200 || err != nil {
						failed.Add(1)
						t.Errorf("%s: %d %v", host, status, err)
					}
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	var slowest time.Duration
	for i := range 20 {
		to := []string{"b", "a"}[i%2]
		put(t, rules, rule("moving", "moving.test", to)+rule("steady", "steady.test", "a"))
		slowest = max(slowest, harness.Until(t, time.Second, "change of a file", func() bool {
			_, body, _ := harness.Ask(c, g.HTTP, "moving.test", "/")
			return body == to
		}))
	}
	close(stop)
	load.Wait()
	t.Logf("20 changes, %d requests meanwhile, %d failed, slowest change %s", asked.Load(), failed.Load(), slowest)
}

func TestServeKeepsTheLastGoodStateOfABrokenFile(t *testing.T) {
	dir := t.TempDir()
	a := harness.StartBackend(t, "127.0.0.1", "a")
	put(t, filepath.Join(dir, "services.yaml"), service("a", a.Port))
	rules := filepath.Join(dir, "rules.yaml")
	put(t, rules, rule("one", "one.test", "a"))
	g := serve(t, dir)
	c := harness.Browser(t)
	put(t, rules, strings.Replace(rule("one", "other.test", "a"), "paths: [{", "paths: [{{", 1))
	harness.Until(t, 3*time.Second, "mistake in the log", func() bool { return strings.Contains(g.Log(), rules+":") })
	if status, body, err := harness.Ask(c, g.HTTP, "one.test", "/"); status != 200 || body != "a" {
		t.Errorf("with a broken file: %d %q %v, want the last good state", status, body, err)
	}
	put(t, filepath.Join(dir, "more.yaml"), rule("two", "two.test", "a"))
	harness.Until(t, time.Second, "another file", func() bool {
		status, _, _ := harness.Ask(c, g.HTTP, "two.test", "/")
		return status == 200
	})
}

func TestServeTellsItsHealth(t *testing.T) {
	dir := t.TempDir()
	g := serve(t, dir)
	c := harness.Browser(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/livez": 200, "/metrics": 200, "/nothing": 404} {
		if status, _, err := harness.Ask(c, g.Health, "x", path); status != want {
			t.Errorf("%s: %d %v, want %d", path, status, err, want)
		}
	}
	for path, want := range map[string]int{"/": 404, "/healthz": 200} {
		if status, _, err := harness.Ask(c, g.HTTP, "nobody.test", path); status != want {
			t.Errorf("http %s: %d %v, want %d", path, status, err, want)
		}
	}
}

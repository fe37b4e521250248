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
)

// service is a Service with one endpoint on loopback.
func service(name string, b *backend) string {
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
`, name, b.port)
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
func serve(t testing.TB, dir string, more ...string) *gate {
	t.Helper()
	return start(t, append([]string{"serve", "--manifests", dir, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--healthz-host", "127.0.0.1", "--bind-address", "127.0.0.1", "--profiling=false"}, more...)...)
}

func TestServeFollowsFilesWithoutLosingARequest(t *testing.T) {
	dir := t.TempDir()
	a, b := startBackend(t, "127.0.0.1", "a"), startBackend(t, "127.0.0.1", "b")
	put(t, filepath.Join(dir, "services.yaml"), service("a", a)+service("b", b))
	rules := filepath.Join(dir, "rules.yaml")
	put(t, rules, rule("moving", "moving.test", "a")+rule("steady", "steady.test", "a"))
	g := serve(t, dir)
	c := browser(t)
	if status, body, err := ask(c, g.http, "moving.test", "/"); status != 200 || body != "a" {
		t.Fatalf("got %d %q %v", status, body, err)
	}

	stop := make(chan struct{})
	var asked, failed atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			c := browser(t)
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, host := range []string{"moving.test", "steady.test"} {
					asked.Add(1)
					if status, _, err := ask(c, g.http, host, "/"); status != 200 || err != nil {
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
		slowest = max(slowest, until(t, time.Second, "change of a file", func() bool {
			_, body, _ := ask(c, g.http, "moving.test", "/")
			return body == to
		}))
	}
	close(stop)
	load.Wait()
	t.Logf("20 changes, %d requests meanwhile, %d failed, slowest change %s", asked.Load(), failed.Load(), slowest)
}

func TestServeKeepsTheLastGoodStateOfABrokenFile(t *testing.T) {
	dir := t.TempDir()
	a := startBackend(t, "127.0.0.1", "a")
	put(t, filepath.Join(dir, "services.yaml"), service("a", a))
	rules := filepath.Join(dir, "rules.yaml")
	put(t, rules, rule("one", "one.test", "a"))
	g := serve(t, dir)
	c := browser(t)
	put(t, rules, strings.Replace(rule("one", "other.test", "a"), "paths: [{", "paths: [{{", 1))
	until(t, 3*time.Second, "mistake in the log", func() bool { return strings.Contains(g.log(), rules+":") })
	if status, body, err := ask(c, g.http, "one.test", "/"); status != 200 || body != "a" {
		t.Errorf("with a broken file: %d %q %v, want the last good state", status, body, err)
	}
	put(t, filepath.Join(dir, "more.yaml"), rule("two", "two.test", "a"))
	until(t, time.Second, "another file", func() bool {
		status, _, _ := ask(c, g.http, "two.test", "/")
		return status == 200
	})
}

func TestServeTellsItsHealth(t *testing.T) {
	dir := t.TempDir()
	g := serve(t, dir)
	c := browser(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/livez": 200, "/metrics": 200, "/nothing": 404} {
		if status, _, err := ask(c, g.health, "x", path); status != want {
			t.Errorf("%s: %d %v, want %d", path, status, err, want)
		}
	}
	for path, want := range map[string]int{"/": 404, "/healthz": 200} {
		if status, _, err := ask(c, g.http, "nobody.test", path); status != want {
			t.Errorf("http %s: %d %v, want %d", path, status, err, want)
		}
	}
}

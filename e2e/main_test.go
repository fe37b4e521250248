package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// insideEnv says that the process runs in a network namespace of its own, with podIP on its loopback
// device.
const insideEnv = "YETT_E2E_NETNS"

// podIP is the address of backends that an API server accepts: it refuses loopback ones.
const podIP = "10.77.0.1"

// raceEnv, if set, builds yett with the race detector. Tests of memory and cost mean nothing then.
const raceEnv = "YETT_E2E_RACE"

// binary is the built yett.
var binary string

// TestMain moves the tests into a network namespace of their own and builds the binary.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		playRole(role)
	}
	if os.Getenv(insideEnv) == "" {
		enterNamespace()
	}
	dir, err := os.MkdirTemp("", "yett-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "yett")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "../cmd/yett")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if os.Getenv(raceEnv) != "" {
		build = exec.Command("go", "build", "-race", "-o", binary, "../cmd/yett")
	}
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// enterNamespace runs this program again in a network namespace of its own. If that cannot be had it
// returns, and tests that need podIP skip.
func enterNamespace() {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return
	}
	args := []string{unshare, "--net"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	probe := exec.Command(args[0], append(args[1:], "sh", "-c", setup)...)
	if probe.Run() != nil {
		return
	}
	args = append(args, "sh", "-c", setup+` && exec "$0" "$@"`)
	args = append(args, os.Args...)
	env := append(os.Environ(), insideEnv+"=1")
	fmt.Fprintln(os.Stderr, syscall.Exec(unshare, args, env))
	os.Exit(1)
}

// setup prepares the namespace. The API server looks for the address of a default route.
const setup = "ip link set lo up && ip addr add " + podIP + "/32 dev lo && ip route add default dev lo src " + podIP

// needNamespace skips a test that cannot run without one.
func needNamespace(t *testing.T) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("needs a network namespace of its own: root, or user namespaces, with unshare and ip installed")
	}
}

// gate is a running yett.
type gate struct {
	http, https, health string

	cmd  *exec.Cmd
	mu   sync.Mutex
	logs []string
	out  lockedBuffer
	done chan struct{}
}

// lockedBuffer collects output.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs yett and waits until it serves.
func start(t testing.TB, args ...string) *gate {
	t.Helper()
	g := &gate{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	g.cmd.Stdout = &g.out
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	go g.read(stderr, serving)
	t.Cleanup(func() { g.stop(t) })
	select {
	case <-serving:
	case <-g.done:
		t.Fatalf("yett ended:\n%s", g.log())
	case <-time.After(60 * time.Second):
		t.Fatalf("yett does not serve:\n%s", g.log())
	}
	return g
}

// read collects the log and finds the addresses in it.
func (g *gate) read(r io.Reader, serving chan<- struct{}) {
	defer close(g.done)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		g.mu.Lock()
		g.logs = append(g.logs, lines.Text())
		g.mu.Unlock()
		var entry struct{ Msg, HTTP, HTTPS, Health string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			g.http, g.https, g.health = entry.HTTP, entry.HTTPS, entry.Health
			close(serving)
		}
	}
}

// log returns what was logged so far.
func (g *gate) log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.logs, "\n")
}

// stop ends yett as Kubernetes does.
func (g *gate) stop(t testing.TB) {
	t.Helper()
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.done:
	case <-time.After(30 * time.Second):
		t.Errorf("yett did not end within 30 s:\n%s", g.log())
		_ = g.cmd.Process.Kill()
	}
	_ = g.cmd.Wait()
	if t.Failed() {
		t.Logf("log:\n%s", g.log())
	}
}

// backend is an HTTP server that answers with its name.
type backend struct {
	name string
	port int
}

// startBackend starts one on an address.
func startBackend(t *testing.T, ip, name string) *backend {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Path", r.URL.RequestURI())
		w.Header().Set("X-Seen-Host", r.Host)
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return &backend{name: name, port: l.Addr().(*net.TCPAddr).Port}
}

// browser is a client that keeps no cookies, follows nothing and has its own connections.
func browser(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends a GET for a host and returns status and body.
func ask(c *http.Client, addr, host, path string) (int, string, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Host = host
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// until asks again and again until the answer is as wanted, and returns how long that took. It fails the
// test after the limit.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

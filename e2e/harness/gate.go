package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Gate is a running yett.
type Gate struct {
	// HTTP, HTTPS and Health are the addresses it listens on, as it logs them.
	HTTP, HTTPS, Health string
	// Begun is when the process was started.
	Begun time.Time

	cmd    *exec.Cmd
	mu     sync.Mutex
	logs   []string
	output bytes.Buffer
	done   chan struct{}
}

// Start runs yett with arguments, and with more in its environment, and waits until it serves. It ends with the test.
func Start(t testing.TB, binary string, env []string, args ...string) *Gate {
	t.Helper()
	g := &Gate{cmd: exec.Command(binary, args...), done: make(chan struct{}), Begun: time.Now()}
	g.cmd.Env = append(os.Environ(), env...)
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	g.cmd.Stdout = (*output)(g)
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	go g.read(stderr, serving)
	t.Cleanup(func() { g.Stop(t) })
	select {
	case <-serving:
	case <-g.done:
		t.Fatalf("yett ended:\n%s", g.Log())
	case <-time.After(60 * time.Second):
		t.Fatalf("yett does not serve:\n%s", g.Log())
	}
	return g
}

// output collects what a gate prints.
type output Gate

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.output.Write(p)
}

// read collects the log and finds the addresses in it.
func (g *Gate) read(r io.Reader, serving chan<- struct{}) {
	defer close(g.done)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		g.mu.Lock()
		g.logs = append(g.logs, lines.Text())
		g.mu.Unlock()
		var entry struct{ Msg, HTTP, HTTPS, Health string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			g.HTTP, g.HTTPS, g.Health = entry.HTTP, entry.HTTPS, entry.Health
			close(serving)
		}
	}
}

// Log returns what was logged so far.
func (g *Gate) Log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.logs, "\n")
}

// Output returns what was printed so far.
func (g *Gate) Output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.output.String()
}

// Ready asks as a kubelet does.
func (g *Gate) Ready() bool {
	resp, err := http.Get("http://" + g.Health + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// PID is the number of the process.
func (g *Gate) PID() int { return g.cmd.Process.Pid }

// Done is closed when the process is gone.
func (g *Gate) Done() <-chan struct{} { return g.done }

// Term asks yett to end, as Kubernetes does. That it may be gone already is no error.
func (g *Gate) Term() { _ = g.cmd.Process.Signal(syscall.SIGTERM) }

// Kill ends yett without a word.
func (g *Gate) Kill() { _ = g.cmd.Process.Kill() }

// Stop asks yett to end and waits for it. The end of its log is shown if the test has failed.
func (g *Gate) Stop(t testing.TB) {
	t.Helper()
	g.Term()
	select {
	case <-g.done:
	case <-time.After(40 * time.Second):
		t.Errorf("yett did not end within 40 s:\n%s", g.tail())
		g.Kill()
		<-g.done
	}
	_ = g.cmd.Wait()
	if t.Failed() {
		t.Logf("log:\n%s", g.tail())
	}
}

// tail returns the end of the log, without what the manager says about itself.
func (g *Gate) tail() string {
	const most = 60
	var lines []string
	for line := range strings.SplitSeq(g.Log(), "\n") {
		if !strings.Contains(line, `"logger":"manager"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

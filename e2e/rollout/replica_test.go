package rollout

import (
	"bufio"
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

	"github.com/yettproxy/yett/e2e/harness"
)

// replica is a running yett.
type replica struct {
	name                string
	http, https, health string
	begun               time.Time

	cmd  *exec.Cmd
	mu   sync.Mutex
	logs []string
	done chan struct{}
}

// controller runs yett for a scenario and waits until it serves. Its name is its pod's.
func (c *cluster) controller(t *testing.T, name string, more ...string) *replica {
	t.Helper()
	r := &replica{name: name, done: make(chan struct{}), begun: time.Now()}
	r.cmd = exec.Command(suite.binary, append([]string{"controller", "--kubeconfig", c.kubeconfig,
		"--controller-class", "rollout.test/" + c.name, "--ingress-class", c.name, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--healthz-host", harness.NodeIP, "--bind-address", harness.NodeIP, "--profiling=false", "--election-id", c.name}, more...)...)
	r.cmd.Env = append(os.Environ(), "POD_NAME="+name, "POD_NAMESPACE="+c.name)
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	go r.read(stderr, serving)
	t.Cleanup(func() { r.stop(t) })
	select {
	case <-serving:
	case <-r.done:
		t.Fatalf("yett ended:\n%s", r.log())
	case <-time.After(60 * time.Second):
		t.Fatalf("yett does not serve:\n%s", r.log())
	}
	harness.Until(t, 60*time.Second, "ready", r.ready)
	return r
}

// read collects the log and finds the addresses in it.
func (r *replica) read(from io.Reader, serving chan<- struct{}) {
	defer close(r.done)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if text := lines.Text(); !strings.Contains(text, `"logger":"manager"`) {
			r.mu.Lock()
			r.logs = append(r.logs, text)
			r.mu.Unlock()
		}
		var entry struct{ Msg, HTTP, HTTPS, Health string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			r.http, r.https, r.health = entry.HTTP, entry.HTTPS, entry.Health
			close(serving)
		}
	}
}

// log returns the end of what was logged so far.
func (r *replica) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.logs[max(0, len(r.logs)-40):], "\n")
}

// ready asks as a kubelet does.
func (r *replica) ready() bool {
	resp, err := http.Get("http://" + r.health + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// ended reports whether the process is gone.
func (r *replica) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// kill ends yett without a word.
func (r *replica) kill() { _ = r.cmd.Process.Kill() }

// term asks yett to end, as Kubernetes does.
func (r *replica) term() { _ = r.cmd.Process.Signal(syscall.SIGTERM) }

// stop ends yett and waits for it.
func (r *replica) stop(t *testing.T) {
	t.Helper()
	r.term()
	select {
	case <-r.done:
	case <-time.After(40 * time.Second):
		t.Errorf("yett did not end within 40 s:\n%s", r.log())
		r.kill()
		<-r.done
	}
	_ = r.cmd.Wait()
	if t.Failed() {
		t.Logf("log of %s:\n%s", r.name, r.log())
	}
}

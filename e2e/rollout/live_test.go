package rollout

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// live is a whole cluster with a gate installed in it.
type live struct {
	kubeconfig string
	address    string // where clients outside of the cluster reach the gate
}

// newLive installs the gate and its backend, or skips where there is no cluster.
func newLive(t *testing.T) *live {
	t.Helper()
	c := &live{kubeconfig: os.Getenv(clusterEnv)}
	if c.kubeconfig == "" {
		t.Skip("needs a cluster: run `make e2e` as root")
	}
	node := c.kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	c.address = node + ":30080"
	c.kubectl(t, "apply", "-f", "testdata/yett.yaml")
	c.kubectl(t, "apply", "-f", "testdata/app.yaml")
	c.kubectl(t, "-n", "yett", "rollout", "status", "deployment/yett", "--timeout=120s")
	c.kubectl(t, "-n", "app", "rollout", "status", "deployment/echo", "--timeout=120s")
	until(t, 10*time.Second, "the host answers", func() bool { return answers(c.address, "app.test", 200, "") })
	return c
}

// kubectl runs it and returns what it prints; an error fails the test.
func (c *live) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try(args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// try runs kubectl.
func (c *live) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv(kubectlEnv), append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// restart replaces all pods of a Deployment and waits until it is done.
func (c *live) restart(t *testing.T, namespace, name string) {
	t.Helper()
	c.kubectl(t, "-n", namespace, "rollout", "restart", "deployment/"+name)
	c.kubectl(t, "-n", namespace, "rollout", "status", "deployment/"+name, "--timeout=170s")
}

// load begins load on the backend.
func (c *live) load(t *testing.T) *load {
	return (&load{target: fixed(c.address), host: "app.test", rate: 100}).start(t)
}

// TestLiveBackend rolls, scales and kills the pods of a backend.
func TestLiveBackend(t *testing.T) {
	c := newLive(t)
	l := c.load(t)
	const rounds = 10
	for range rounds {
		c.restart(t, "app", "echo")
	}
	text, met := l.figure(t)
	result(t, met, fmt.Sprintf("rolling update of a backend, %d times", rounds), "0 failed", "%s", text)

	l = c.load(t)
	for _, replicas := range []string{"6", "2", "5", "3"} {
		c.kubectl(t, "-n", "app", "scale", "deployment/echo", "--replicas="+replicas)
		c.kubectl(t, "-n", "app", "rollout", "status", "deployment/echo", "--timeout=60s")
		time.Sleep(3 * time.Second)
	}
	text, met = l.figure(t)
	result(t, met, "scaled 3 → 6 → 2 → 5 → 3", "0 failed", "%s", text)

	l = c.load(t)
	for range 3 {
		pod := c.kubectl(t, "-n", "app", "get", "pods", "-l", "app=echo", "-o", "jsonpath={.items[0].metadata.name}")
		c.kubectl(t, "-n", "app", "delete", "pod", pod, "--grace-period=0", "--force")
		c.kubectl(t, "-n", "app", "rollout", "status", "deployment/echo", "--timeout=60s")
	}
	text, met = l.figure(t)
	result(t, met, "pods killed with --grace-period=0", "0 failed", "%s", text)
}

// TestLiveRestart replaces the replicas of the gate while requests come and streams are open.
func TestLiveRestart(t *testing.T) {
	c := newLive(t)
	const limit = 20 * time.Second // worker-shutdown-timeout in testdata/yett.yaml
	var streams []*stream
	for range 6 {
		streams = append(streams, open(t, c.address, "app.test", true), open(t, c.address, "app.test", false))
	}
	l := c.load(t)
	begin := time.Now()
	c.restart(t, "yett", "yett")
	text, met := l.figure(t)
	result(t, met, "rolling restart of yett, two replicas", "0 failed", "%s", text)
	early, last := 0, time.Duration(0)
	for _, s := range streams {
		after := s.wait(t, begin.Add(limit+90*time.Second)).Sub(begin)
		if after < limit {
			t.Logf("a stream (WebSocket: %v) ended %s after the restart began: %v", s.upgraded, after, s.err)
			early++
		}
		last = max(last, after)
	}
	result(t, early == 0, "WebSockets and slow downloads meanwhile", "end only at the drain limit ("+limit.String()+")",
		"%d of %d ended sooner, the last after %s", early, len(streams), last.Round(100*time.Millisecond))
}

// TestLiveLeaderKilled kills the pod that writes status.
func TestLiveLeaderKilled(t *testing.T) {
	c := newLive(t)
	holder := func() string {
		name, _ := c.try("-n", "yett", "get", "lease", "ingress-controller-leader", "-o", "jsonpath={.spec.holderIdentity}")
		return name
	}
	status := func() string {
		text, err := c.try("-n", "app", "get", "ingress", "echo", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
		if err != nil {
			return "error"
		}
		return text
	}
	want := c.kubectl(t, "-n", "yett", "get", "service", "yett", "-o", "jsonpath={.spec.clusterIP}")
	until(t, 30*time.Second, "status is the Service's address", func() bool { return status() == want })
	old := holder()
	l := c.load(t)
	flaps := 0
	c.kubectl(t, "-n", "yett", "delete", "pod", old, "--grace-period=0", "--force", "--wait=false")
	took := until(t, time.Minute, "a new leader", func() bool {
		if status() != want {
			flaps++
		}
		now := holder()
		return now != "" && now != old
	})
	c.kubectl(t, "-n", "yett", "rollout", "status", "deployment/yett", "--timeout=120s")
	sent, failed, _ := l.finish()
	const ttl = 8 * time.Second // election-ttl in testdata/yett.yaml
	result(t, took <= ttl && flaps == 0, "leader's pod killed", fmt.Sprintf("new one within the lease time (%s), status steady", ttl),
		"after %s, %d flaps; %d of %d requests were in the killed pod", took.Round(100*time.Millisecond), flaps, failed, sent)
}

// TestLiveServerDown ends the API server and etcd and starts them again.
func TestLiveServerDown(t *testing.T) {
	if os.Getenv(givenEnv) != "" {
		t.Skip("the API server of a given cluster is left alone")
	}
	c := newLive(t)
	l := (&load{target: fixed(c.address), host: "app.test", rate: 100, check: func(status int, _ string) error {
		if status != 200 && status != 301 { // the change at the end
			return fmt.Errorf("status %d", status)
		}
		return nil
	}}).start(t)
	for _, program := range []string{"apiserver", "etcd"} {
		if err := tool("stop", clusterName, program); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Minute)
	for _, program := range []string{"etcd", "apiserver"} {
		if err := tool("start", clusterName, program); err != nil {
			t.Fatal(err)
		}
	}
	until(t, time.Minute, "the API server is back", func() bool {
		_, err := c.try("-n", "app", "annotate", "--overwrite", "ingress", "echo", "nginx.ingress.kubernetes.io/permanent-redirect=https://elsewhere.test")
		return err == nil
	})
	back := until(t, time.Minute, "a change after its return", func() bool { return answers(c.address, "app.test", 301, "") })
	c.kubectl(t, "-n", "app", "annotate", "ingress", "echo", "nginx.ingress.kubernetes.io/permanent-redirect-")
	until(t, 5*time.Second, "and back", func() bool { return answers(c.address, "app.test", 200, "") })
	text, met := l.figure(t)
	result(t, met, "API server and etcd killed for 2 minutes", "0 failed", "%s", text)
	result(t, back <= 5*time.Second, "a change after their return", "live within 5 s", "after %s", back.Round(time.Millisecond))
}

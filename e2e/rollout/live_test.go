package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

const (
	// gateName is the release of the suite, its namespace, and the class of its Ingresses (testdata/values.yaml).
	gateName = "yett-e2e"
	// gateWorkload is the Deployment and the Service that the chart makes for that release.
	gateWorkload = gateName + "-controller"
	// drainLimit is worker-shutdown-timeout, leaseTime election-ttl there.
	drainLimit = 20 * time.Second
	leaseTime  = 8 * time.Second
	chart      = "../../charts/yett"
	// ownLabel marks the namespaces of the suite.
	ownLabel = "yett.test/rollout"
)

// live is a whole cluster with a gate that the chart has installed.
type live struct {
	client      client.Client
	kubeconfig  string
	node        string // an address of a node
	http, https string // where clients outside of the cluster reach the gate
	broken      error  // why there is none
}

// installed returns the cluster with its gate, or skips where there is none. The first scenario installs it.
func installed(t *testing.T) *live {
	t.Helper()
	if os.Getenv(clusterEnv) == "" {
		t.Skip("needs a whole cluster: run `make e2e` as root")
	}
	if suite.live == nil {
		suite.live = &live{kubeconfig: os.Getenv(clusterEnv)}
		suite.live.broken = suite.live.begin(t)
	}
	if suite.live.broken != nil {
		t.Fatal(suite.live.broken)
	}
	begin := time.Now()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		said, err := suite.live.try("-n", gateName, "logs", "--selector", "app.kubernetes.io/component=controller", "--prefix", "--tail", "3000",
			"--since", time.Since(begin).Round(time.Second).String())
		if err != nil {
			t.Log(err)
		}
		var told []string
		for line := range strings.Lines(said) {
			if !strings.Contains(line, `" 200 `) && !strings.Contains(line, `" 301 `) && !strings.Contains(line, `"logger":"manager"`) {
				told = append(told, line)
			}
		}
		t.Logf("the gate's logs, but for what went well:\n%s", strings.Join(told[max(0, len(told)-40):], ""))
	})
	return suite.live
}

// newLive gives a scenario its part of a whole cluster, or skips where there is none.
func newLive(t *testing.T, name string) *cluster {
	t.Helper()
	l := installed(t)
	c := &cluster{Client: l.client, live: l, name: "rollout-" + name, class: gateName}
	c.leave(t)
	o := namespaceObject(c.name)
	o.Labels = map[string]string{ownLabel: "true"}
	c.apply(t, o)
	return c
}

// leave removes the scenario's namespace in the end. Its Ingresses go at once: they would claim hosts of the next scenario for as
// long as the namespace takes to go.
func (c *cluster) leave(t *testing.T) {
	t.Cleanup(func() {
		if err := c.DeleteAllOf(context.Background(), &ingressType{}, client.InNamespace(c.name)); err != nil {
			t.Error(err)
		}
		if err := client.IgnoreNotFound(c.Delete(context.Background(), namespaceObject(c.name))); err != nil {
			t.Error(err)
		}
	})
}

// begin connects, and installs the gate, which is a row of its own.
func (c *live) begin(t *testing.T) error {
	given, err := harness.GivenCluster(c.kubeconfig)
	if err != nil {
		return err
	}
	c.client = given.Client
	row := promise(t, "helm install, two replicas", "ready within 60 s")
	begin := time.Now()
	if _, err := c.tryHelm("install", gateName, chart, "--namespace", gateName, "--create-namespace", "--values", "testdata/values.yaml", "--wait", "--timeout", "120s"); err != nil {
		return err
	}
	if c.node, err = c.try("get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`); err != nil {
		return err
	}
	if c.http, c.https, err = c.addresses(gateName, gateWorkload); err != nil {
		return err
	}
	// The pods are ready; kube-proxy opens the node's ports a moment later.
	var status int
	for status != 404 && time.Since(begin) < time.Minute {
		if status, _, err = ask(c.http, "nobody.test"); err != nil {
			time.Sleep(20 * time.Millisecond)
		}
	}
	took := time.Since(begin)
	row.is(took <= time.Minute && status == 404, "after %s, a host of nobody answers %d", took.Round(100*time.Millisecond), status)
	return err
}

// addresses returns the addresses of a Service's node ports.
func (c *live) addresses(namespace, service string) (http, https string, err error) {
	ports, err := c.try("-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.ports[*].nodePort}")
	list := strings.Fields(ports)
	if err != nil || len(list) != 2 {
		return "", "", fmt.Errorf("find node ports of %s: %q: %w", service, ports, err)
	}
	return net.JoinHostPort(c.node, list[0]), net.JoinHostPort(c.node, list[1]), nil
}

// end removes what the suite has installed.
func (c *live) end() error {
	var failed error
	if c.http != "" {
		_, err := c.tryHelm("uninstall", gateName, "--namespace", gateName, "--ignore-not-found")
		failed = errors.Join(failed, err)
	}
	_, err := c.try("delete", "namespace", "-l", ownLabel+"=true", "--wait=false")
	_, err2 := c.try("delete", "namespace", gateName, "--ignore-not-found", "--wait=false")
	return errors.Join(failed, err, err2)
}

// gate is the one that is installed, as far as clients see it.
func (c *live) gate() *replica {
	time.Sleep(settle)
	return &replica{http: c.http, https: c.https}
}

// livePods makes pods that answer with their names and waits until they are ready.
func (c *cluster) livePods(t *testing.T, names []string) (list []*pod) {
	t.Helper()
	for _, name := range names {
		o := &corev1.Pod{ObjectMeta: harness.Meta(c.name, name), Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "echo", Image: "localhost/echo:e2e", ImagePullPolicy: corev1.PullIfNotPresent,
				Env: []corev1.EnvVar{{Name: "ECHO_NAME", Value: name}}}},
		}}
		o.Labels = map[string]string{"app": name}
		harness.Until(t, 20*time.Second, "the default service account", func() bool { return c.Create(context.Background(), o) == nil })
	}
	for _, name := range names {
		var o corev1.Pod
		harness.Until(t, time.Minute, "pod "+name, func() bool {
			return c.Get(context.Background(), client.ObjectKey{Namespace: c.name, Name: name}, &o) == nil && podReady(&o)
		})
		list = append(list, &pod{name: name, ip: o.Status.PodIP})
	}
	return list
}

// podReady reports whether a pod takes traffic.
func podReady(o *corev1.Pod) bool {
	for _, condition := range o.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// deployed gives a scenario the Deployment, Service and Ingress of testdata/app.yaml, in a namespace that they share.
func deployed(t *testing.T) *cluster {
	t.Helper()
	l := installed(t)
	l.kubectl(t, "apply", "-f", "testdata/app.yaml")
	l.kubectl(t, "-n", appNamespace, "rollout", "status", "deployment/echo", "--timeout=120s")
	harness.Until(t, 10*time.Second, "the host answers", func() bool { return answers(l.http, "app.test", 200, "") })
	time.Sleep(settle)
	return &cluster{Client: l.client, live: l, name: appNamespace, class: gateName}
}

// appNamespace is that of testdata/app.yaml.
const appNamespace = "rollout-app"

// settle is how long both replicas get to hear of what one of them has heard.
const settle = 500 * time.Millisecond

// kubectl runs it and returns what it prints; an error fails the test.
func (c *live) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// helm runs it and returns what it prints; an error fails the test.
func (c *live) helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.tryHelm(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try runs kubectl.
func (c *live) try(args ...string) (string, error) {
	return c.program("kubectl", append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
}

// tryHelm runs helm.
func (c *live) tryHelm(args ...string) (string, error) {
	return c.program("helm", append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
}

// program runs one of the programs that come with the cluster.
func (c *live) program(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(programsEnv), name), args...)
	// Helm keeps nothing of this anywhere else.
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+suite.dir, "HELM_CONFIG_HOME="+suite.dir, "HELM_DATA_HOME="+suite.dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, errs.String())
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
	return (&load{target: fixed(c.http), host: "app.test", rate: 100}).start(t)
}

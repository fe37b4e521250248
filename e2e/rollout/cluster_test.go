package rollout

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// apiServer is a real API server with its etcd. Gates reach it through a relay that can be cut; tests reach it
// directly, so that they can change things while the gates are cut off.
type apiServer struct {
	*harness.Server
	relay      *relay
	kubeconfig string
}

// cluster is one scenario's part of a cluster, or of an API server alone: a namespace, and a class.
type cluster struct {
	client.Client
	// apiServer is nil in a whole cluster, and live is nil without one.
	*apiServer
	live        *live
	name, class string
}

// newCluster gives a scenario its part of a whole cluster if there is one, else of an API server.
func newCluster(t *testing.T, name string) *cluster {
	t.Helper()
	if os.Getenv(clusterEnv) != "" {
		return newLive(t, name)
	}
	return newServer(t, name)
}

// newServer gives a scenario its part of an API server alone, or skips where that cannot be had.
func newServer(t *testing.T, name string) *cluster {
	t.Helper()
	if os.Getenv(clusterEnv) != "" {
		t.Skip("runs with an API server alone")
	}
	harness.NeedNamespace(t)
	if testing.Short() {
		t.Skip("takes its time; run without -short")
	}
	if _, missing := harness.Assets(); missing != "" {
		t.Skip(missing)
	}
	if suite.server == nil {
		server, err := startServer()
		if err != nil {
			t.Fatal(err)
		}
		suite.server = server
	}
	c := &cluster{Client: suite.server.Client, apiServer: suite.server, name: name, class: name}
	c.apply(t, namespaceObject(name), harness.Class(name, "rollout.test/"+name))
	return c
}

// sibling is another namespace of the same scenario.
func (c *cluster) sibling(t *testing.T, name string) *cluster {
	t.Helper()
	other := *c
	other.name = name
	o := namespaceObject(name)
	if c.live != nil {
		o.Labels = map[string]string{ownLabel: "true"}
		other.leave(t)
	}
	c.apply(t, o)
	return &other
}

// gate returns a gate that serves the scenario. In a whole cluster that is the one that is installed, which has its own arguments.
func (c *cluster) gate(t *testing.T, args ...string) *replica {
	t.Helper()
	if c.live != nil {
		return c.live.gate()
	}
	return c.controller(t, "one", args...)
}

// anew returns a gate that was started just now. In a whole cluster that is the one that is installed, restarted.
func (c *cluster) anew(t *testing.T, name string, args ...string) *replica {
	t.Helper()
	if c.live != nil {
		c.live.restart(t, gateName, gateWorkload)
		return c.live.gate()
	}
	return c.controller(t, name, args...)
}

// backend makes a Service and a pod of the same name that answers with that name.
func (c *cluster) backend(t *testing.T, name string) {
	t.Helper()
	if c.live == nil {
		c.apply(t, c.service(name), c.slice(name, startPod(t, name)))
		return
	}
	service := c.service(name)
	service.Spec.Selector = map[string]string{"app": name}
	c.apply(t, service)
	c.pods(t, name)
}

// pods makes pods that answer with their names.
func (c *cluster) pods(t *testing.T, names ...string) (list []*pod) {
	t.Helper()
	if c.live != nil {
		return c.livePods(t, names)
	}
	for _, name := range names {
		list = append(list, startPod(t, name))
	}
	return list
}

// startServer starts the API server and its relay.
func startServer() (*apiServer, error) {
	server, err := harness.NewServer()
	if err != nil {
		return nil, err
	}
	s := &apiServer{Server: server}
	if s.kubeconfig, err = s.behindRelay(); err != nil {
		_ = server.Stop()
		return nil, err
	}
	return s, nil
}

// behindRelay starts the relay and writes a kubeconfig that goes through it.
func (s *apiServer) behindRelay() (string, error) {
	loaded, err := clientcmd.Load(s.Kubeconfig)
	if err != nil {
		return "", err
	}
	for _, c := range loaded.Clusters {
		u, err := url.Parse(c.Server)
		if err != nil {
			return "", err
		}
		if s.relay, err = newRelay(u.Host); err != nil {
			return "", err
		}
		u.Host = s.relay.address
		c.Server = u.String()
	}
	path := filepath.Join(suite.dir, "kubeconfig")
	return path, clientcmd.WriteToFile(*loaded, path)
}

// apply creates objects or fails the test.
func (c *cluster) apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Create(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// remove deletes objects or fails the test.
func (c *cluster) remove(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Delete(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// warned reports whether a Warning about an object contains a text.
func (c *cluster) warned(object, text string) bool {
	var events corev1.EventList
	if err := c.List(context.Background(), &events, client.InNamespace(c.name)); err != nil {
		return false
	}
	for i := range events.Items {
		e := &events.Items[i]
		if e.InvolvedObject.Name == object && e.Type == corev1.EventTypeWarning && contains(e.Message, text) {
			return true
		}
	}
	return false
}

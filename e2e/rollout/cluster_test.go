package rollout

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// apiServer is a real API server with its etcd. Gates reach it through a relay that can be cut; tests reach it
// directly, so that they can change things while the gates are cut off.
type apiServer struct {
	env        *envtest.Environment
	client     client.Client
	relay      *relay
	kubeconfig string
}

// cluster is one scenario's part of the API server: a namespace and a class of its own.
type cluster struct {
	client.Client
	*apiServer
	name string
}

// newCluster gives a scenario its part, or skips where the programs are not there.
func newCluster(t *testing.T, name string) *cluster {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("needs a network namespace of its own: root, or user namespaces, with unshare and ip installed")
	}
	if testing.Short() {
		t.Skip("takes its time; run without -short")
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Skip("needs kube-apiserver and etcd: run `make test`, which builds them, or set KUBEBUILDER_ASSETS")
	}
	if suite.server == nil {
		server, err := startServer(assets)
		if err != nil {
			t.Fatal(err)
		}
		suite.server = server
	}
	c := &cluster{Client: suite.server.client, apiServer: suite.server, name: name}
	c.apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, classObject(name))
	return c
}

// startServer starts the API server and its relay.
func startServer(assets string) (*apiServer, error) {
	s := &apiServer{env: &envtest.Environment{BinaryAssetsDirectory: assets}}
	s.env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.96.0.0/12") // the default has room for 254
	config, err := s.env.Start()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 2000, 4000
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if s.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if s.kubeconfig, err = s.behindRelay(config); err != nil {
		return nil, err
	}
	return s, nil
}

// behindRelay starts the relay and writes a kubeconfig that goes through it.
func (s *apiServer) behindRelay(config *rest.Config) (string, error) {
	user, err := s.env.AddUser(envtest.User{Name: "yett", Groups: []string{"system:masters"}}, config)
	if err != nil {
		return "", err
	}
	text, err := user.KubeConfig()
	if err != nil {
		return "", err
	}
	loaded, err := clientcmd.Load(text)
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

// change reads an object, changes it and writes it back, again if somebody else, such as a gate that writes status, was
// faster.
func change[T client.Object](t *testing.T, c *cluster, o T, edit func(T)) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := c.Get(context.Background(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		edit(o)
		return c.Update(context.Background(), o)
	})
	if err != nil {
		t.Fatal(err)
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

// relay passes connections on to the API server until it is cut.
type relay struct {
	address, target string

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
}

// newRelay starts one on a free port.
func newRelay(target string) (*relay, error) {
	r := &relay{target: target, address: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	return r, r.mend()
}

// mend listens, on the same port as before.
func (r *relay) mend() error {
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.mu.Lock()
	r.l, r.address = l, l.Addr().String()
	r.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
	return nil
}

// cut refuses new connections and ends those there are.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.l.Close()
	for c := range r.conns {
		c.Close()
	}
}

// pass copies both ways until one side ends.
func (r *relay) pass(c net.Conn) {
	up, err := net.Dial("tcp", r.target)
	if err != nil {
		c.Close()
		return
	}
	r.mu.Lock()
	r.conns[c] = true
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(up, c)
		up.Close()
	}()
	_, _ = io.Copy(c, up)
	c.Close()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}

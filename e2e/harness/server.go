package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Assets returns the folder with the API server's and etcd's programs, or why there is none.
func Assets() (dir, missing string) {
	if dir = os.Getenv("KUBEBUILDER_ASSETS"); dir == "" {
		return "", "needs kube-apiserver and etcd: run `make test`, which builds them, or set KUBEBUILDER_ASSETS"
	}
	return dir, ""
}

// Server is a real API server and its etcd.
type Server struct {
	// Client reaches it as an administrator.
	Client client.Client
	// Kubeconfig is the text of a file with which an administrator reaches it.
	Kubeconfig []byte

	env *envtest.Environment
}

// NewServer starts one, with the kinds that files with CustomResourceDefinitions define. The caller stops it.
func NewServer(kinds ...string) (*Server, error) {
	dir, missing := Assets()
	if missing != "" {
		return nil, fmt.Errorf("start an API server: %s", missing)
	}
	log.SetLogger(logr.Discard()) // controller-runtime complains otherwise
	s := &Server{env: &envtest.Environment{BinaryAssetsDirectory: dir, CRDDirectoryPaths: kinds, ErrorIfCRDPathMissing: true}}
	s.env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.96.0.0/12") // the default has room for 254
	config, err := s.env.Start()
	if err != nil {
		return nil, fmt.Errorf("start an API server: %w", err)
	}
	if s.Client, err = NewClient(config); err == nil {
		s.Kubeconfig, err = s.User("yett", "system:masters")
	}
	if err != nil {
		_ = s.env.Stop()
		return nil, err
	}
	return s, nil
}

// User adds a user and returns the text of a file with which it reaches the API server.
func (s *Server) User(name string, groups ...string) ([]byte, error) {
	user, err := s.env.AddUser(envtest.User{Name: name, Groups: groups}, s.env.Config)
	if err != nil {
		return nil, fmt.Errorf("add user %q: %w", name, err)
	}
	return user.KubeConfig()
}

// Stop ends both programs.
func (s *Server) Stop() error { return s.env.Stop() }

// NewClient returns a client that does not hold itself back.
func NewClient(config *rest.Config) (client.Client, error) {
	config.QPS, config.Burst = 2000, 4000
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// Cluster is a client and the file with which gates reach the same API server. Its methods fail the test instead of
// returning errors.
type Cluster struct {
	client.Client
	Kubeconfig string

	server *Server
}

// StartCluster starts an API server for one test, as NewServer does, or skips the test where the programs are not there.
func StartCluster(t *testing.T, kinds ...string) *Cluster {
	t.Helper()
	NeedNamespace(t)
	if _, missing := Assets(); missing != "" {
		t.Skip(missing)
	}
	s, err := NewServer(kinds...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.Cluster(t)
}

// Cluster returns the API server as a test sees it.
func (s *Server) Cluster(t testing.TB) *Cluster {
	t.Helper()
	return &Cluster{Client: s.Client, Kubeconfig: keep(t, s.Kubeconfig), server: s}
}

// GivenCluster returns the cluster of a kubeconfig.
func GivenCluster(kubeconfig string) (*Cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %q: %w", kubeconfig, err)
	}
	log.SetLogger(logr.Discard())
	c, err := NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster of %q: %w", kubeconfig, err)
	}
	return &Cluster{Client: c, Kubeconfig: kubeconfig}, nil
}

// Version returns which version the API server says it is.
func (c *Cluster) Version(t testing.TB) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	return v.GitVersion
}

// As returns the same cluster, where gates come as a user with no rights but those that it is given.
func (c *Cluster) As(t testing.TB, user string) *Cluster {
	t.Helper()
	text, err := c.server.User(user)
	if err != nil {
		t.Fatal(err)
	}
	return &Cluster{Client: c.Client, Kubeconfig: keep(t, text), server: c.server}
}

// keep writes a kubeconfig into a file that lives as long as the test.
func keep(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Make creates objects.
func (c *Cluster) Make(t testing.TB, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Create(context.Background(), o); err != nil {
			t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

// Remove deletes objects.
func (c *Cluster) Remove(t testing.TB, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Delete(context.Background(), o); err != nil {
			t.Fatalf("delete %T %s: %v", o, o.GetName(), err)
		}
	}
}

// Change reads an object, changes it and writes it back, again if somebody else, such as a gate that writes status, was
// faster.
func Change[T client.Object](t testing.TB, c client.Client, o T, edit func(T)) {
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

// Controller is the command line of a gate that reads its rules from the API server and listens on free ports of an
// address.
func (c *Cluster) Controller(address string, more ...string) []string {
	return slices.Concat([]string{"controller", "--kubeconfig", c.Kubeconfig, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--healthz-host", address, "--bind-address", address, "--profiling=false"}, more)
}

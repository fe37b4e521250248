package ingress

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/yettproxy/yett/e2e/harness"
)

// What the environment may give; see the package's comment.
const (
	kubeconfigEnv = "E2E_KUBECONFIG"
	gateEnv       = "E2E_GATE"
)

// suite is what the tests share. Fields are set once, before the first test that reads them.
var suite struct {
	binary string
	server *harness.Server
}

// TestMain moves the tests into a network namespace of their own, unless a cluster is given, and builds the binary.
func TestMain(m *testing.M) {
	if os.Getenv(kubeconfigEnv) == "" {
		harness.Enter()
	}
	os.Exit(run(m))
}

// run builds the binary and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "yett-ingress-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.binary = filepath.Join(dir, "yett")
	if os.Getenv(gateEnv) == "" {
		if err := harness.Build(suite.binary, "./cmd/yett"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if suite.server != nil {
		if err := suite.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// cluster returns where the tests create their objects, and the address on which they serve what EndpointSlices name.
func cluster(t *testing.T) (c *harness.Cluster, address string) {
	t.Helper()
	if given := os.Getenv(kubeconfigEnv); given != "" {
		c, err := harness.GivenCluster(given)
		if err != nil {
			t.Fatal(err)
		}
		return c, towards(t, given)
	}
	harness.NeedNamespace(t)
	if _, missing := harness.Assets(); missing != "" {
		t.Skip(missing)
	}
	if suite.server == nil {
		server, err := harness.NewServer()
		if err != nil {
			t.Fatal(err)
		}
		suite.server = server
	}
	return suite.server.Cluster(t), harness.NodeIP
}

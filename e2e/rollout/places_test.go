package rollout

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const (
	// clusterEnv is the kubeconfig of a whole cluster whose nodes can be reached, and whose nodes have the images.
	clusterEnv = "YETT_ROLLOUT_CLUSTER"
	// programsEnv is a folder with kubectl and helm.
	programsEnv = "YETT_ROLLOUT_PROGRAMS"
	// ownEnv is the name of that cluster if it is one of hack/localcluster's, whose programs may be ended.
	ownEnv = "YETT_ROLLOUT_OWN"
	// rowsEnv is a file that rows are added to; tableEnv is one to print, instead of running tests.
	rowsEnv  = "YETT_ROLLOUT_ROWS"
	tableEnv = "YETT_ROLLOUT_TABLE"
)

// place is what the tests of this process run in.
func place() string {
	if os.Getenv(clusterEnv) != "" {
		return "cluster"
	}
	return "API server"
}

// localcluster ends and starts the programs of a cluster of ours.
func localcluster(args ...string) error {
	cmd := exec.Command("../../hack/localcluster/localcluster", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("localcluster %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

package rollout

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const (
	// insideEnv says that the process runs in a network namespace of its own.
	insideEnv = "YETT_ROLLOUT_NETNS"
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

// nodeIP is the address of the gates; pods get theirs out of 10.78.0.0/16, all of which is local in here.
const nodeIP = "10.77.0.1"

// setup prepares the namespace. The API server looks for the address of a default route.
const setup = "ip link set lo up && ip addr add " + nodeIP + "/32 dev lo && ip route add local 10.78.0.0/16 dev lo && " +
	"ip route add default dev lo src " + nodeIP

// enterNamespace becomes this program in namespaces of its own: one of networks, and one of processes, so that whatever happens to
// this process nothing that it started outlives it. If that cannot be had it returns, and the tests skip.
func enterNamespace() {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return
	}
	args := []string{unshare, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	if exec.Command(args[0], append(args[1:], "sh", "-c", setup)...).Run() != nil {
		return
	}
	args = append(append(args, "sh", "-c", setup+` && exec "$0" "$@"`), os.Args...)
	fmt.Fprintln(os.Stderr, syscall.Exec(args[0], args, append(os.Environ(), insideEnv+"=1")))
	os.Exit(1)
}

// localcluster ends and starts the programs of a cluster of ours.
func localcluster(args ...string) error {
	cmd := exec.Command("../../hack/localcluster/localcluster", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("localcluster %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

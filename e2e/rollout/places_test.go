package rollout

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// insideEnv says that the process runs in a network namespace of its own.
	insideEnv = "YETT_ROLLOUT_NETNS"
	// clusterEnv says that the process can reach a cluster's pods; it is the cluster's kubeconfig.
	clusterEnv = "YETT_ROLLOUT_CLUSTER"
	// kubectlEnv is a kubectl.
	kubectlEnv = "YETT_ROLLOUT_KUBECTL"
	// givenEnv names the kubeconfig of a cluster to use instead of one of our own. The images localhost/yett:e2e and
	// localhost/echo:e2e (testdata/echo) must be on its nodes.
	givenEnv = "E2E_KUBECONFIG"
)

// clusterName is the cluster that full runs make, and localcluster the tool that makes it.
const (
	clusterName  = "rollout"
	localcluster = "../../hack/localcluster/localcluster"
)

// nodeIP is the address of the gates; pods get theirs out of 10.78.0.0/16, all of which is local in here.
const nodeIP = "10.77.0.1"

// setup prepares the namespace. The API server looks for the address of a default route.
const setup = "ip link set lo up && ip addr add " + nodeIP + "/32 dev lo && ip route add local 10.78.0.0/16 dev lo && " +
	"ip route add default dev lo src " + nodeIP

// inNamespace returns the command line of this program in a network namespace of its own, or nil if that cannot be
// had.
func inNamespace() []string {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil
	}
	args := []string{unshare, "--net"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	if exec.Command(args[0], append(args[1:], "sh", "-c", setup)...).Run() != nil {
		return nil
	}
	args = append(args, "sh", "-c", setup+` && exec "$0" "$@"`)
	return append(args, os.Args...)
}

// enterNamespace becomes this program in a network namespace of its own. If that cannot be had it returns, and the
// tests skip.
func enterNamespace() {
	args := inNamespace()
	if args == nil {
		return
	}
	fmt.Fprintln(os.Stderr, syscall.Exec(args[0], args, append(os.Environ(), insideEnv+"=1")))
	os.Exit(1)
}

// runBoth runs what needs an API server only, then what needs a cluster, and ends the cluster whatever happens.
func runBoth() int {
	// An interrupt reaches the children, too; this process has the cluster to end. Ignored signals would be inherited.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)
	code := 0
	if args := inNamespace(); args != nil {
		code = child(args, insideEnv+"=1")
	}
	if given := os.Getenv(givenEnv); given != "" {
		return max(code, child(os.Args, clusterEnv+"="+given, kubectlEnv+"=kubectl"))
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "scenarios with pods skipped: a cluster needs root; or give one with "+givenEnv)
		return code
	}
	defer func() { _ = tool("down", clusterName) }()
	if err := bringUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	state := os.Getenv("LOCALCLUSTER_STATE")
	if state == "" {
		state = "/var/tmp/localcluster"
	}
	dir := filepath.Join(state, clusterName)
	programs, err := os.ReadFile(filepath.Join(dir, "programs"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return max(code, child(append([]string{localcluster, "run", clusterName}, os.Args...),
		clusterEnv+"="+filepath.Join(dir, "pki/admin.conf"), kubectlEnv+"="+filepath.Join(strings.TrimSpace(string(programs)), "kubectl")))
}

// child runs a command with more in its environment and returns its exit status.
func child(args []string, env ...string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// tool runs localcluster.
func tool(args ...string) error {
	if child(append([]string{localcluster}, args...)) != 0 {
		return fmt.Errorf("localcluster %s went wrong", strings.Join(args, " "))
	}
	return nil
}

// bringUp makes the cluster and loads the images.
func bringUp() error {
	dir, err := os.MkdirTemp("", "yett-images-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := tool("up", clusterName); err != nil {
		return err
	}
	for name, source := range map[string]string{"yett": "../../cmd/yett", "echo": "./testdata/echo"} {
		binary := filepath.Join(dir, name)
		if err := build(binary, source); err != nil {
			return err
		}
		archive := binary + ".tar"
		if err := tool("image", "localhost/"+name+":e2e", archive, "/"+name, binary+"=/"+name); err != nil {
			return err
		}
		if err := tool("load", clusterName, archive); err != nil {
			return err
		}
	}
	return nil
}

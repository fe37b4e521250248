package harness

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// insideEnv says that the process runs in a network namespace of its own.
const insideEnv = "YETT_E2E_NETNS"

// NodeIP is the address of gates and backends in the namespace. It is no loopback address, which an API server would
// refuse as an endpoint. Pods have theirs out of 10.78.0.0/16, all of which is local there.
const NodeIP = "10.77.0.1"

// setup prepares the namespace. The API server looks for the address of a default route.
const setup = "ip link set lo up && ip addr add " + NodeIP + "/32 dev lo && ip route add local 10.78.0.0/16 dev lo && " +
	"ip route add default dev lo src " + NodeIP

// Inside reports whether the process runs in a namespace that Enter or Namespaced made.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Namespaced returns the command that runs this program, with its arguments, in a network namespace of its own, or nil if
// that cannot be had. Where it can, a namespace of processes comes with it: whatever happens to the program, nothing that it
// started outlives it.
func Namespaced() *exec.Cmd {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil
	}
	for _, args := range [][]string{{"--net", "--pid", "--fork", "--kill-child", "--mount-proc"}, {"--net"}} {
		if os.Getuid() != 0 {
			args = append(args, "--map-root-user")
		}
		if exec.Command(unshare, append(args, "sh", "-c", setup)...).Run() != nil {
			continue
		}
		args = append(args, "sh", "-c", setup+` && exec "$0" "$@"`)
		cmd := exec.Command(unshare, append(args, os.Args...)...)
		cmd.Env = append(os.Environ(), insideEnv+"=1")
		return cmd
	}
	return nil
}

// Enter becomes this program in a network namespace of its own, unless it is in one. If none can be had it returns, and
// tests that need it skip.
func Enter() {
	if Inside() {
		return
	}
	if cmd := Namespaced(); cmd != nil {
		fmt.Fprintln(os.Stderr, syscall.Exec(cmd.Path, cmd.Args, cmd.Env))
		os.Exit(1)
	}
}

// NeedNamespace skips a test that cannot run without one.
func NeedNamespace(t testing.TB) {
	t.Helper()
	if !Inside() {
		t.Skip("needs a network namespace of its own: root, or user namespaces, with unshare and ip installed")
	}
}

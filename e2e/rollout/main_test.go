package rollout

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// suite is what the tests share. Fields are set once, before the first test that reads them.
var suite = struct {
	dir, binary string
	server      *apiServer
	report      report
}{}

// TestMain runs this program again where the tests belong: in a network namespace of its own, and, at full length, once
// more in that of a cluster.
func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	switch {
	case os.Getenv(insideEnv) != "" || os.Getenv(clusterEnv) != "":
		os.Exit(run(m))
	case full():
		os.Exit(runBoth())
	default:
		enterNamespace()
		os.Exit(run(m))
	}
}

// run builds the binary, runs the tests and prints the table.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "yett-rollout-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.dir, suite.binary = dir, filepath.Join(dir, "yett")
	if os.Getenv(clusterEnv) == "" {
		if err := build(suite.binary, "../../cmd/yett"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if suite.server != nil {
		if err := suite.server.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	suite.report.print(os.Stdout)
	return code
}

// build makes a static binary.
func build(out, source string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// full reports whether scenarios run at their full length.
func full() bool { return os.Getenv("YETT_ROLLOUT") == "full" }

// length is what a scenario takes: a time, or a number of rounds.
func length[T int | time.Duration](short, long T) T {
	if full() {
		return long
	}
	return short
}

// until asks again and again until the answer is as wanted, and returns how long that took. It fails the test
// after the limit.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

package rollout

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// shared is what the tests share. Fields are set once, before the first test that reads them.
type shared struct {
	dir, binary string
	server      *apiServer
	live        *live
	report      report
}

var suite shared

// end ends what the tests have left to be ended.
func (s *shared) end() error {
	var failed error
	if s.server != nil {
		failed = s.server.env.Stop()
	}
	if s.live != nil {
		failed = errors.Join(failed, s.live.end())
	}
	return failed
}

// TestMain runs this program again where the tests belong: in namespaces of its own, unless there is a cluster to run them in.
func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	if path := os.Getenv(tableEnv); path != "" {
		os.Exit(showTable(path))
	}
	if os.Getenv(insideEnv) == "" && os.Getenv(clusterEnv) == "" {
		enterNamespace()
	}
	os.Exit(run(m))
}

// showTable prints the rows of earlier runs; the exit status says whether all bars were met.
func showTable(path string) int {
	rows, err := readRows(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !printTable(os.Stdout, rows) {
		return 1
	}
	return 0
}

// run builds the binary, runs the tests and prints the table, unless rows are kept for a common one.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "yett-rollout-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.dir, suite.binary = dir, filepath.Join(dir, "yett")
	if path := os.Getenv(rowsEnv); path != "" {
		if suite.report.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer suite.report.file.Close()
	}
	if os.Getenv(clusterEnv) == "" {
		if err := build(suite.binary, "../../cmd/yett"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if err := suite.end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if suite.report.file == nil && len(suite.report.rows) > 0 {
		printTable(os.Stdout, suite.report.rows)
	}
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

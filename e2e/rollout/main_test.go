package rollout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
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
		failed = s.server.Stop()
	}
	if s.live != nil {
		failed = errors.Join(failed, s.live.end())
	}
	return failed
}

// TestMain runs this program again where the tests belong: in namespaces of its own, unless there is a cluster to run them in.
func TestMain(m *testing.M) {
	if path := os.Getenv(tableEnv); path != "" {
		os.Exit(showTable(path))
	}
	if os.Getenv(clusterEnv) == "" {
		harness.Enter()
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
	met := printTable(os.Stdout, rows)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil { // late answers may be the machine's
		fmt.Printf("%d cores, load average %s", runtime.NumCPU(), load)
	}
	if !met {
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
		if err := harness.Build(suite.binary, "./cmd/yett"); err != nil {
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

// full reports whether scenarios run at their full length.
func full() bool { return os.Getenv("YETT_ROLLOUT") == "full" }

// length is what a scenario takes: a time, a number of rounds, or a pace.
func length[T int | float64 | time.Duration](short, long T) T {
	if full() {
		return long
	}
	return short
}

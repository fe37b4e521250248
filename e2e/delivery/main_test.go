package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/yettproxy/yett/e2e/harness"
)

// buildEnv, if it is "build", lets the controllers be built that are not in the cache. It takes minutes, and the network.
const buildEnv = "YETT_E2E_CLIENTS"

// binary is the built yett.
var binary string

// TestMain builds what is asked for, where there is a network, and then moves the tests into a namespace of their own.
func TestMain(m *testing.M) {
	if os.Getenv(buildEnv) == "build" && !harness.Inside() {
		for _, p := range []*program{argo, flagger} {
			if err := p.build(); err != nil {
				fmt.Fprintln(os.Stderr, err) // its test skips
			}
		}
	}
	harness.Enter()
	os.Exit(run(m))
}

// run builds the binary and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "yett-delivery-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "yett")
	if err := harness.Build(binary, "./cmd/yett"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/yettproxy/yett/e2e/harness"
)

// binary is the built yett.
var binary string

// TestMain moves the tests into a network namespace of their own and builds the binary.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		playRole(role)
	}
	harness.Enter()
	dir, err := os.MkdirTemp("", "yett-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "yett")
	if err := harness.Build(binary, "./cmd/yett"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// start runs yett and waits until it serves.
func start(t testing.TB, args ...string) *harness.Gate {
	t.Helper()
	return harness.Start(t, binary, nil, args...)
}

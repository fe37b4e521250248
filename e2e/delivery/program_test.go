package delivery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a controller of somebody else's, built from its Go module.
type program struct {
	name, module, version string
	// source is the folder of its main package, and crds are the files with its kinds.
	source string
	crds   []string
}

// The controllers. Versions are the newest that the tests were written with and that the public module proxy has.
var (
	argo = &program{"argo-rollouts", "github.com/argoproj/argo-rollouts", "v1.8.3", "./cmd/rollouts-controller", []string{
		"manifests/crds/rollout-crd.yaml", "manifests/crds/analysis-run-crd.yaml", "manifests/crds/analysis-template-crd.yaml",
		"manifests/crds/cluster-analysis-template-crd.yaml", "manifests/crds/experiment-crd.yaml",
	}}
	flagger = &program{"flagger", "github.com/fluxcd/flagger", "v1.36.1", "./cmd/flagger", []string{"artifacts/flagger/crd.yaml"}}
)

// dir is where the program and its kinds are kept.
func (p *program) dir() string {
	cache := os.Getenv("YETT_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			base = os.TempDir()
		}
		cache = filepath.Join(base, "yett")
	}
	return filepath.Join(cache, p.name+"-"+p.version)
}

// path is the program.
func (p *program) path() string { return filepath.Join(p.dir(), p.name) }

// kinds are its files of CustomResourceDefinitions.
func (p *program) kinds() (list []string) {
	for _, f := range p.crds {
		list = append(list, filepath.Join(p.dir(), filepath.Base(f)))
	}
	return list
}

// build makes it, in its own module, so that its own go.mod decides what it is built with, unless it is there.
func (p *program) build() error {
	if _, err := os.Stat(p.path()); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "building %s %s (once; some minutes)\n", p.name, p.version)
	download := exec.Command("go", "mod", "download", "-json", p.module+"@"+p.version)
	download.Dir = os.TempDir() // outside of our own module
	out, err := download.Output()
	if err != nil {
		return fmt.Errorf("download %s %s: %w: %s", p.module, p.version, err, out)
	}
	var source struct{ Dir string }
	if err := json.Unmarshal(out, &source); err != nil {
		return fmt.Errorf("read where %s is: %w", p.module, err)
	}
	if err := os.MkdirAll(p.dir(), 0o755); err != nil {
		return err
	}
	for i, f := range p.crds {
		text, err := os.ReadFile(filepath.Join(source.Dir, f))
		if err != nil {
			return err
		}
		if err := os.WriteFile(p.kinds()[i], text, 0o644); err != nil {
			return err
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", p.path()+".new", p.source)
	build.Dir, build.Env = source.Dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", p.name, err, text)
	}
	return os.Rename(p.path()+".new", p.path()) // last: it says that all is there
}

// need skips a test whose controller is not there.
func (p *program) need(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(p.path()); err != nil {
		t.Skipf("needs %s %s, which is built with %s=build", p.name, p.version, buildEnv)
	}
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// end returns the end of it.
func (o *output) end() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.text.Bytes()
	return string(b[max(0, len(b)-6000):])
}

// run runs the program until the end of the test.
func (p *program) run(t *testing.T, args ...string) {
	t.Helper()
	out := new(output)
	cmd := exec.Command(p.path(), args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.name, out.end())
		}
	})
}

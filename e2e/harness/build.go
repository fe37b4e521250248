package harness

import (
	"fmt"
	"os"
	"os/exec"
)

// raceEnv, if set, builds yett with the race detector. Tests of memory and cost mean nothing then.
const raceEnv = "YETT_E2E_RACE"

// Build makes a static binary of a package of this module, given from its root, such as ./cmd/yett.
func Build(out, source string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", out}
	env := append(os.Environ(), "CGO_ENABLED=0")
	if os.Getenv(raceEnv) != "" {
		args, env = append(args, "-race"), os.Environ()
	}
	cmd := exec.Command("go", append(args, source)...)
	cmd.Dir, cmd.Env = root, env
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// moduleRoot is the folder that the module's go.mod is in.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder: %w", err)
	}
	return string(out[:max(0, len(out)-1)]), nil
}

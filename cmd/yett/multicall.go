package main

// One binary answers under the names that manifests made for ingress-nginx call: its controller, its preStop
// hook, and the little init in front of both. So such a manifest, or ingress-nginx's own chart, runs with only
// the image changed. The name is that of the file (argv[0], the image has links) or, where an entry point stands
// before it, the first argument.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// names maps the programs of ingress-nginx's image to our subcommands. dumb-init is not one: it is skipped.
var names = map[string]string{"nginx-ingress-controller": "controller", "wait-shutdown": "wait-shutdown"}

// dispatch returns the arguments of the root command for a command line, its argv[0] included.
func dispatch(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	args := argv[1:]
	if command, ok := names[filepath.Base(argv[0])]; ok {
		return append([]string{command}, args...)
	}
	if filepath.Base(argv[0]) == "dumb-init" || len(args) > 0 && args[0] == "/usr/bin/dumb-init" {
		for len(args) > 0 && (strings.HasPrefix(args[0], "-") || args[0] == "/usr/bin/dumb-init") {
			args = args[1:]
		}
	}
	// Only a path counts as a name here: a bare word is a subcommand, or a mistake worth an error.
	if len(args) > 0 && strings.HasPrefix(args[0], "/") {
		if command, ok := names[filepath.Base(args[0])]; ok {
			return append([]string{command}, args[1:]...)
		}
	}
	return args
}

// settle is how long the hook waits before it announces the end to a controller that was given no
// --shutdown-grace-period. The flag's default is ingress-nginx's, which is none, and without a pause clients are
// still sent here by those who have not heard yet that this pod is going.
const settle = 5 * time.Second

// newWaitShutdown returns `yett wait-shutdown`, the preStop hook.
//
// ingress-nginx's hook stops nginx and waits until it is gone, because the init of its container would otherwise
// kill it. Ours only has to announce the end early: the controller drains on SIGTERM by itself, and the kubelet waits
// for it until terminationGracePeriodSeconds are over. To wait here would do harm: the hook would die together with
// the container, and every pod would end with an Event FailedPreStopHook.
func newWaitShutdown() *cobra.Command {
	return &cobra.Command{
		Use:    "wait-shutdown",
		Short:  "Tell the controller in this container to drain and end (the preStop hook of ingress-nginx's chart)",
		Args:   cobra.ArbitraryArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return waitShutdown(cmd.Context(), "/proc", cmd.OutOrStdout())
		},
	}
}

// waitShutdown finds the controller in proc and sends it SIGTERM.
func waitShutdown(ctx context.Context, proc string, out io.Writer) error {
	pid, argv, err := findController(proc)
	if err != nil {
		return err
	}
	if !strings.Contains(strings.Join(argv, "\x00"), "-shutdown-grace-period") {
		select {
		case <-ctx.Done():
		case <-time.After(settle):
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal controller, process %d: %w", pid, err)
	}
	fmt.Fprintf(out, "process %d drains\n", pid)
	return nil
}

// findController returns the process that runs the controller. It is process 1, unless the containers of the pod
// share their processes; then it is looked for.
func findController(proc string) (pid int, argv []string, err error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0, nil, fmt.Errorf("list processes: %w", err)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n == os.Getpid() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil {
			continue // it ended, or is not ours to see
		}
		line := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if args := dispatch(line); len(args) > 0 && args[0] == "controller" && (pid == 0 || n < pid) {
			pid, argv = n, line
		}
	}
	if pid == 0 {
		return 0, nil, errors.New("find controller: no process of this container runs it")
	}
	return pid, argv, nil
}

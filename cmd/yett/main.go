package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = ""

func main() {
	raiseBind()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once. A second SIGTERM does not: after a preStop hook that sent the first
	// one the kubelet sends its own, and requests are still being answered then.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	root := newRoot()
	root.SetArgs(dispatch(os.Args))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "yett:", err)
		os.Exit(1)
	}
}

// newRoot returns the command with its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "yett",
		Short:         "Kubernetes Ingress controller with the proxy inside",
		Long:          "Yett reconciles Ingress objects and their ingress-nginx annotations into an in-process routing table\nand forwards requests straight to Pod IPs.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newController(), newServe(), newDemo(), newExplain(), newRoutes(), newLint(), newVersion(), newWaitShutdown(), newDefaultBackend(), newLayout(), newSelftest())
	return root
}

// newVersion returns `yett version`.
func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "yett", versionText()) },
	}
}

// versionText returns the version set at build time, else the one the toolchain recorded.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "dev"
}

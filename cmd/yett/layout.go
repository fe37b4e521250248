package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// links are the names that the image has for the binary, besides /yett.
var links = []string{"nginx-ingress-controller", "wait-shutdown", "usr/bin/dumb-init"}

// newLayout returns `yett layout DIR`, which the Dockerfile runs.
func newLayout() *cobra.Command {
	return &cobra.Command{
		Use:    "layout DIR",
		Short:  "Write the files of the image into a folder",
		Long:   "Copies this binary to DIR/yett, may it bind low ports (needs CAP_SETFCAP), and makes the links under which\nmanifests made for ingress-nginx call it.",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this binary: %w", err)
			}
			return layout(self, args[0])
		},
	}
}

// layout writes the files of the image into dir.
func layout(binary, dir string) error {
	target := filepath.Join(dir, "yett")
	for _, name := range links {
		link := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := os.Symlink("/yett", link); err != nil {
			return fmt.Errorf("make link: %w", err)
		}
	}
	if err := copyBinary(binary, target); err != nil {
		return err
	}
	return permitBind(target)
}

// copyBinary copies a program.
func copyBinary(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open binary: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("create binary: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy binary: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("copy binary: %w", err)
	}
	return nil
}

// Package main is genregistry: it lists the annotation families in annotations/zz_generated.registry.go.
//
// A family is a folder under annotations/ whose package declares `var Family = feature.Family{…}`. The list is
// generated rather than filled by init functions: it can be searched, it is the same in every build, and a
// review sees it change. Its order is that of Family.Order, then of the names; filters of one phase run in it.
//
// Usage: genregistry [-check] [annotations folder]. With -check it writes nothing and fails if the list is old.
// Concurrency: none.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	check := flag.Bool("check", false, "fail if the list is not up to date, write nothing")
	flag.Parse()
	folder := "annotations"
	if flag.NArg() > 0 {
		folder = flag.Arg(0)
	}
	if err := run(folder, *check); err != nil {
		fmt.Fprintln(os.Stderr, "genregistry:", err)
		os.Exit(1)
	}
}

// output is the file that is written, in the annotations folder.
const output = "zz_generated.registry.go"

// run generates the list for a folder.
func run(folder string, check bool) error {
	families, err := Find(folder)
	if err != nil {
		return err
	}
	text, err := Render(families)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, output)
	if !check {
		return os.WriteFile(path, text, 0o644)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not up to date: run go generate ./annotations", path)
	}
	return nil
}

// Package main is gendocs: it writes the reference pages from the catalogue of keys, so that they cannot differ from
// the code: docs/annotations.md, docs/configmap.md, the list of keys in docs/differences.md, and what is supported in
// README.md.
//
// Usage: gendocs [-check] [root of the repository]. With -check it writes nothing and fails if a page is old.
// Concurrency: none.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/yettproxy/yett/annotations"
	"github.com/yettproxy/yett/annotations/feature"
)

func main() {
	check := flag.Bool("check", false, "fail if a page is not up to date, write nothing")
	flag.Parse()
	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	if err := run(root, annotations.Families(), *check); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// run writes or checks all pages below a folder.
func run(root string, families []feature.Family, check bool) error {
	for _, p := range []struct {
		path   string
		render func(old string, families []feature.Family) (string, error)
	}{
		{"docs/annotations.md", annotationsPage},
		{"docs/configmap.md", configMapPage},
		{"docs/differences.md", differencesPage},
		{"README.md", readme},
	} {
		path := filepath.Join(root, p.path)
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read %q: %w", path, err)
		}
		text, err := p.render(string(old), families)
		if err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
		if err := put(path, old, []byte(text), check); err != nil {
			return err
		}
	}
	return nil
}

// put writes a page, or fails if it is not what stands there.
func put(path string, old, text []byte, check bool) error {
	if bytes.Equal(old, text) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is not up to date: run make generate", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

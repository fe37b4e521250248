package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what is got into testdata as what is wanted")

// TestGoldenAnswers runs the commands of every case in testdata. A case is a txtar file: its comment says what it shows, files
// without a space in their names are the manifests, and every other file is named by a command line, in which DIR stands for the
// folder of the manifests, and holds what is wanted: what the command prints and, if it fails, its error.
func TestGoldenAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, f := range archive.Files {
				if !strings.Contains(f.Name, " ") {
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range archive.Files {
				f := &archive.Files[i]
				if !strings.Contains(f.Name, " ") {
					continue
				}
				got := run(t, strings.ReplaceAll(f.Name, "DIR", dir))
				got = strings.ReplaceAll(got, dir+"/", "")
				if diff := cmp.Diff(string(f.Data), got); diff != "" && !*update {
					t.Errorf("%s differs (-want +got; if it is right: go test -run TestGoldenAnswers -update):\n%s", f.Name, diff)
				}
				f.Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// run runs a command line and returns what it prints, its error last. Arguments are separated by spaces; in quotes they may
// hold some.
func run(t *testing.T, line string) string {
	t.Helper()
	var args []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		fmt.Fprintln(&out, "yett:", err)
	}
	return out.String()
}

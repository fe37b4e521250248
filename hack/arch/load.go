package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// Module is the import path of the module.
const Module = "github.com/yettproxy/yett"

// Package is a package of the module as the rules see it.
type Package struct {
	// Path is the import path without the module; "." for the module's root.
	Path string
	// Name is what the package calls itself.
	Name string
	// Imports are what its code imports; TestImports what its tests import besides.
	Imports, TestImports []string
	// Files are its Go files, tests left out.
	Files []*File
}

// File is a Go file.
type File struct {
	// Path is relative to the module's root.
	Path  string
	Lines int
	// Generated says that a "Code generated" line stands in it.
	Generated bool
	*ast.File
	Set *token.FileSet
}

// listed is what go list says about a package.
type listed struct {
	Dir, ImportPath, Name              string
	GoFiles, IgnoredGoFiles            []string
	Imports, TestImports, XTestImports []string
}

// Load reads all packages of the module whose root is given. Packages that do not compile are read as well.
func Load(root string) ([]*Package, error) {
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,GoFiles,IgnoredGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	var packages []*Package
	for dec := json.NewDecoder(&out); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		p, err := load(root, &l)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// load parses the files of a package.
func load(root string, l *listed) (*Package, error) {
	p := &Package{
		Path: short(l.ImportPath), Name: l.Name, Imports: l.Imports, TestImports: append(l.TestImports, l.XTestImports...),
	}
	for _, name := range append(l.GoFiles, l.IgnoredGoFiles...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parse(filepath.Join(l.Dir, name))
		if err != nil {
			return nil, err
		}
		if f.Path, err = filepath.Rel(root, filepath.Join(l.Dir, name)); err != nil {
			return nil, err
		}
		p.Files = append(p.Files, f)
	}
	return p, nil
}

// parse reads a file.
func parse(path string) (*File, error) { return parseSource(path, nil) }

// parseSource parses a file whose text may be given; otherwise it is read.
func parseSource(path string, text any) (*File, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return &File{Path: path, File: file, Set: set, Lines: set.File(file.Pos()).LineCount(), Generated: ast.IsGenerated(file)}, nil
}

// short cuts the module off an import path of ours.
func short(path string) string {
	if path == Module {
		return "."
	}
	return strings.TrimPrefix(path, Module+"/")
}

// ours reports whether an import path belongs to the module.
func ours(path string) bool { return path == Module || strings.HasPrefix(path, Module+"/") }

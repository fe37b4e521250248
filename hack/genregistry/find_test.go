package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFamiliesAreFoundAndPutInOrder(t *testing.T) {
	dir := tree(t, map[string]string{
		"annotations.go":      "package annotations\nvar Family = feature.Family{}\n",
		"b/doc.go":            "package b\n",
		"b/b.go":              "package b\n\nvar Family = feature.Family{Name: \"b\"}\n",
		"a/a.go":              "package a\n\nvar (\n\tother = 1\n\tFamily = feature.Family{\n\t\tOrder: 10, // last\n\t}\n)\n",
		"z/z.go":              "package z\n\nvar Family = feature.Family{Order: -5}\n",
		"c/c.go":              "package c\n\nvar Family = feature.Family{}\n",
		"helper/helper.go":    "package helper\n\nvar families = 1\n",
		"tested/tested.go":    "package tested\n",
		"tested/made_test.go": "package tested\n\nvar Family = feature.Family{}\n",
		"feature/family.go":   "package feature\n\nvar Family = Family{}\n",
		"testdata/x/x.go":     "package x\n\nvar Family = feature.Family{}\n",
	})
	families, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Family{{"z", -5}, {"b", 0}, {"c", 0}, {"a", 10}}
	if !slices.Equal(families, want) {
		t.Errorf("%v, want %v", families, want)
	}
	text, err := Render(families)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "z.Family,\n\t\tb.Family,\n\t\tc.Family,\n\t\ta.Family,\n") {
		t.Errorf("the list is not in order:\n%s", text)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"an order that is computed":  {"package a\n\nvar Family = feature.Family{Order: first + 1}\n", "not a plain number"},
		"another package name":       {"package b\n\nvar Family = feature.Family{}\n", "named like its folder"},
		"a file that does not parse": {"package a\n\nvar Family = {\n", "parse"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Find(tree(t, map[string]string{"a/a.go": tt.text}))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckFailsOnAnOldList(t *testing.T) {
	dir := tree(t, map[string]string{"a/a.go": "package a\n\nvar Family = feature.Family{}\n"})
	if err := run(dir, true); err == nil {
		t.Error("no list, no error")
	}
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b/b.go"), []byte("package b\n\nvar Family = feature.Family{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err == nil {
		t.Error("an old list, no error")
	}
}

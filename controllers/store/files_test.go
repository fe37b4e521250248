package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, f *Files) (list []string, changed bool, bad int) {
	t.Helper()
	objects, changed, bad := f.Read()
	for _, o := range objects {
		list = append(list, o.GetName())
	}
	return list, changed, bad
}

func TestBadFileKeepsItsLastGoodContent(t *testing.T) {
	dir := t.TempDir()
	logged := ""
	log := funcr.New(func(_, args string) { logged += args + "\n" }, funcr.Options{})
	f := NewFiles(log, dir)
	write(t, filepath.Join(dir, "a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n")
	write(t, filepath.Join(dir, "b.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: two}\n")
	if list, changed, bad := names(t, f); len(list) != 2 || !changed || bad != 0 {
		t.Fatalf("first read: %v %v %v", list, changed, bad)
	}
	if _, changed, _ := names(t, f); changed {
		t.Fatal("nothing changed, and Read says it did")
	}
	write(t, filepath.Join(dir, "a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: one\n\n")
	list, changed, bad := names(t, f)
	if len(list) != 2 || list[0] != "one" || !changed || bad != 1 {
		t.Errorf("with a broken file: %v %v %v, want its last good content", list, changed, bad)
	}
	if want := filepath.Join(dir, "a.yaml") + ":"; !strings.Contains(logged, want) {
		t.Errorf("log %q does not name %q", logged, want)
	}
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	if list, changed, _ := names(t, f); len(list) != 1 || !changed {
		t.Errorf("after a file went: %v %v", list, changed)
	}
}

func TestWatchTellsOfChangesInNewFolders(t *testing.T) {
	dir := t.TempDir()
	f := NewFiles(logr.Discard(), dir)
	f.Read()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- f.Watch(ctx, func() {
			if _, changed, _ := f.Read(); changed {
				seen <- struct{}{}
			}
		})
	}()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(sub, "a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n")
	select {
	case <-seen:
	case <-ctx.Done():
		t.Fatal("no change was told of")
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

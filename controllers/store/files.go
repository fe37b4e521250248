package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Files is a source of objects: manifest files and folders of them. A file that cannot be read as
// manifests keeps its last good content, so that a slip of the editor changes nothing.
type Files struct {
	paths []string
	log   logr.Logger
	// good is the last good content of each file.
	good map[string]*Manifest
	// seen is the text that was last looked at, so that each mistake is named once.
	seen map[string]string
	// bad are the files whose present text was refused, and why.
	bad map[string]error
}

// NewFiles returns a source that reads the named files, and the .yaml, .yml and .json files of the named
// folders and their sub-folders.
func NewFiles(log logr.Logger, paths ...string) *Files {
	return &Files{paths: paths, log: log, good: map[string]*Manifest{}, seen: map[string]string{}, bad: map[string]error{}}
}

// Read returns all objects as they stand, in the order of the file names, and whether any text changed
// since the last call. Mistakes are logged with file and line and counted in bad.
func (f *Files) Read() (objects []client.Object, changed bool, bad int) {
	files, err := f.list()
	if err != nil {
		f.log.Error(err, "manifests not listed")
		bad++
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.log.Error(err, "manifest not read", "file", file)
			bad++
			continue
		}
		if old, ok := f.seen[file]; !ok || old != string(text) {
			changed = true
			f.seen[file] = string(text)
			f.parse(file, text)
		}
		if f.bad[file] != nil {
			bad++
		}
	}
	if err == nil {
		changed = f.forget(files) || changed
	}
	for _, file := range files {
		if m := f.good[file]; m != nil {
			objects = append(objects, m.Objects...)
		}
	}
	return objects, changed, bad
}

// parse takes the new text of a file over if it is good.
func (f *Files) parse(file string, text []byte) {
	m, err := ParseManifest(file, text)
	if f.bad[file] = err; err != nil {
		f.log.Error(err, "manifest refused; its last good content stays in use", "file", file)
		return
	}
	for _, w := range m.Warnings {
		f.log.Info("manifest has a mistake", "warning", w.Error())
	}
	for kind, n := range m.Ignored {
		f.log.V(1).Info("objects ignored", "file", file, "kind", kind, "count", n)
	}
	f.good[file] = m
}

// forget drops files that are gone.
func (f *Files) forget(files []string) bool {
	gone := false
	for file := range f.seen {
		if !slices.Contains(files, file) {
			delete(f.seen, file)
			delete(f.good, file)
			delete(f.bad, file)
			gone = true
		}
	}
	return gone
}

// isManifest reports whether a file in a folder is read: editors leave others beside them.
func isManifest(name string) bool {
	if strings.HasPrefix(filepath.Base(name), ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// list returns all files, sorted, each once. Folders mounted from a ConfigMap hold their files behind
// symbolic links; the hidden folders beside the links are skipped.
func (f *Files) list() ([]string, error) {
	var files []string
	var errs []error
	for _, root := range f.paths {
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			errs = append(errs, fmt.Errorf("list manifests %q: %w", root, err))
			continue
		}
		root = real
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil && path == root:
				return err
			case err != nil:
				return nil // it went away while we looked
			case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			case !entry.IsDir() && (path == root || isManifest(path)):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("list manifests %q: %w", root, err))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), errors.Join(errs...)
}

// settle is how long Watch waits for more changes after one, since editors write in several steps.
const settle = 30 * time.Millisecond

// pollEvery is how often Watch looks even if nobody told it to: some file systems send no events.
const pollEvery = 2 * time.Second

// Watch calls changed after files may have changed, until the context ends. Several changes in short
// order make one call.
func (f *Files) Watch(ctx context.Context, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch manifests: %w", err)
	}
	defer watcher.Close()
	f.watchFolders(watcher)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
			drain(watcher, settle)
			f.watchFolders(watcher)
			changed()
		case err := <-watcher.Errors:
			f.log.Error(err, "watching manifests")
		case <-poll.C:
			changed()
		}
	}
}

// drain takes events until none came for the given time, but not for ever.
func drain(watcher *fsnotify.Watcher, quiet time.Duration) {
	end := time.NewTimer(10 * quiet)
	defer end.Stop()
	for {
		select {
		case <-watcher.Events:
		case <-time.After(quiet):
			return
		case <-end.C:
			return
		}
	}
}

// watchFolders watches all folders that hold manifests: watching the files themselves would lose those
// that editors replace.
func (f *Files) watchFolders(watcher *fsnotify.Watcher) {
	for _, root := range f.paths {
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() {
			_ = watcher.Add(filepath.Dir(root))
			continue
		}
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				_ = watcher.Add(path)
			}
			return nil
		})
	}
}

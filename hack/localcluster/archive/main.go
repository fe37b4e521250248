// Command archive makes a docker archive with one layer out of static binaries: an image without a registry, a daemon or
// a Dockerfile. A folder stands for all that is in it, with its links and file capabilities.
//
//	archive NAME:TAG OUT.tar ENTRYPOINT FILE=PATH...
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: archive NAME:TAG OUT.tar ENTRYPOINT FILE=PATH...")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// pack makes a tar archive.
func pack(fill func(*tar.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := fill(w); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

// add puts one file into an archive.
func add(w *tar.Writer, name string, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// capability is the attribute that holds a file's capabilities.
const capability = "security.capability"

// addTree puts a file, or a folder with all that is in it, into an archive.
func addTree(w *tar.Writer, root, to string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.Trim(to+strings.TrimPrefix(path, root), "/")
		if name == "" {
			return nil // the root of the image itself
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: info.Size()}
		switch {
		case entry.IsDir():
			h.Typeflag, h.Size = tar.TypeDir, 0
		case info.Mode()&fs.ModeSymlink != 0:
			h.Typeflag, h.Size = tar.TypeSymlink, 0
			if h.Linkname, err = os.Readlink(path); err != nil {
				return err
			}
		default:
			value := make([]byte, 64)
			if n, err := syscall.Getxattr(path, capability, value); err == nil {
				h.PAXRecords = map[string]string{"SCHILY.xattr." + capability: string(value[:n])}
			}
		}
		if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}

// write makes the image.
func write(name, out, entrypoint string, pairs []string) error {
	layer, err := pack(func(w *tar.Writer) error {
		for _, pair := range pairs {
			from, to, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("read %q: want FILE=PATH", pair)
			}
			if err := addTree(w, strings.TrimSuffix(from, "/"), strings.TrimSuffix(to, "/")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	type object map[string]any
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": []string{entrypoint}, "Env": []string{"PATH=/"}},
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}},
	})
	if err != nil {
		return err
	}
	layerName, configName := sum(layer)+"/layer.tar", sum(config)+".json"
	manifest, err := json.Marshal([]object{{"Config": configName, "RepoTags": []string{name}, "Layers": []string{layerName}}})
	if err != nil {
		return err
	}
	image, err := pack(func(w *tar.Writer) error {
		return errors.Join(add(w, configName, config), add(w, layerName, layer), add(w, "manifest.json", manifest))
	})
	if err != nil {
		return err
	}
	return os.WriteFile(out, image, 0o644)
}

// sum is the digest of a content.
func sum(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

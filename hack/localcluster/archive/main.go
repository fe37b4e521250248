// Command archive makes a docker archive with one layer out of static binaries: an image without a registry, a daemon or
// a Dockerfile.
//
//	archive NAME:TAG OUT.tar ENTRYPOINT FILE=PATH...
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
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

// file is one member of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

// pack makes a tar archive.
func pack(files ...file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// write makes the image.
func write(name, out, entrypoint string, pairs []string) error {
	var content []file
	for _, pair := range pairs {
		from, to, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("read %q: want FILE=PATH", pair)
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		content = append(content, file{strings.TrimPrefix(to, "/"), 0o755, data})
	}
	layer, err := pack(content...)
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
	image, err := pack(file{configName, 0o644, config}, file{layerName, 0o644, layer}, file{"manifest.json", 0o644, manifest})
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

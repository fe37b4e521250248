package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"golang.org/x/tools/txtar"

	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
)

// asked runs a command and returns what it prints.
func asked(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestAGateThatRunsGivesTheSameAnswers asks about manifests, and asks a gate that has them.
func TestAGateThatRunsGivesTheSameAnswers(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/explain-filters.txtar")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gate.yaml")
	if err := os.WriteFile(file, archive.Files[0].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	o := &options{ingressClass: "nginx", controllerClass: "k8s.io/ingress-nginx", withoutClass: true}
	objects, _, _ := store.NewFiles(logr.Discard(), file).Read()
	snapshot := store.NewSnapshot(complete(o, objects))
	mux := http.NewServeMux()
	q := &questions{
		options: o, world: func(context.Context) (world, error) { return world{snapshot, snapshot, true}, nil },
		meaning: func(w world) translate.Options {
			m := o.translate()
			adoptConfigMap(o, &m, w.objects)
			return m
		},
	}
	q.register(mux)
	gate := httptest.NewServer(mux)
	defer gate.Close()
	for _, line := range []string{
		"routes", "routes --host admin.test",
		"explain -H X-Request-ID:id --from 10.1.1.1 http://admin.test/",
		"explain -X POST -H X-Request-ID:id -H X-Canary:always http://shop.test/x?y",
		"explain --auth-status 403 https://api.test/api/x",
	} {
		args := strings.Fields(line)
		want, err := asked(t, append(args, "--manifests", file)...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := asked(t, append(args, "--url", gate.URL)...)
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", line, err, got, want)
		}
	}
	for line, want := range map[string]string{
		"routes --manifests x --url " + gate.URL:                     "exclude each other",
		"explain --manifests x --url " + gate.URL + " http://a":      "exclude each other",
		"explain --url " + gate.URL + " --from home http://a":        "write an IP address",
		"routes --host a,b --url " + gate.URL:                        "write a host name",
		"routes --url " + gate.URL + "/nothing":                      "404",
		"explain --auth-status 99 --manifests " + file + " http://a": "write a status",
	} {
		if _, err := asked(t, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	q.world = func(context.Context) (world, error) { return world{}, errors.New("the caches are empty") }
	if _, err := asked(t, "routes", "--url", gate.URL); err == nil || !strings.Contains(err.Error(), "the caches are empty") {
		t.Errorf("an empty gate: %v", err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/controllers/endpoints"
	"github.com/yettproxy/yett/controllers/ingress"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy"
)

// rehearsal is objects, brought to a proxy that is only asked: as those commands would bring them that serve, by the same
// publisher.
type rehearsal struct {
	*proxy.Rehearsal
	result *translate.Result
	// configMap is the one with the global settings.
	configMap types.NamespacedName
	// files are where the objects come from; nil for a cluster.
	files *store.Files
}

// rehearse reads manifests. Whoever calls it must close what it returns.
func rehearse(ctx context.Context, o *options, paths []string, authStatus int) (*rehearsal, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := checkPaths(paths); err != nil {
		return nil, err
	}
	files := store.NewFiles(logr.Discard(), paths...)
	objects, _, _ := files.Read()
	snapshot := store.NewSnapshot(complete(o, objects))
	t := o.translate()
	adoptConfigMap(o, &t, snapshot)
	r, err := bring(ctx, o, t, world{snapshot, snapshot, true}, authStatus)
	if err != nil {
		return nil, err
	}
	r.files = files
	return r, nil
}

// world is all objects as they stand, and where endpoints are read from. loopback lets names resolve to this host, as manifests
// without a cluster do.
type world struct {
	objects  *store.Snapshot
	source   endpoints.Source
	loopback bool
}

// bring brings objects to a proxy that is only asked. Whoever calls it must close what it returns.
func bring(ctx context.Context, o *options, t translate.Options, w world, authStatus int) (*rehearsal, error) {
	r := &rehearsal{configMap: t.ConfigMap}
	var err error
	if r.Rehearsal, err = proxy.NewRehearsal(authStatus, o.healthPath); err != nil {
		return nil, err
	}
	resolver := endpoints.NewResolver(net.DefaultResolver.LookupNetIP, time.Hour, w.loopback, logr.Discard())
	publisher := &ingress.Publisher{
		Options: t, Proxy: r.Proxy(), Log: logr.Discard(), Report: func(result *translate.Result) { r.result = result },
		Feeder: endpoints.NewFeeder(r.Proxy().Registry(), resolver, endpoints.Options{DisableExternalName: o.disableExternalName, AllowLoopback: w.loopback}),
	}
	if err := publisher.Publish(ctx, w.objects, w.source, true); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// output is how a command answers: as text, or as JSON.
type output string

// add adds the flag.
func (o *output) add(f *pflag.FlagSet) {
	f.StringVarP((*string)(o), "output", "o", "text", "text or json")
}

// print writes v as JSON, or lets text write it.
func (o *output) print(w io.Writer, v any, text func(io.Writer)) error {
	switch *o {
	case "text":
		text(w)
		return nil
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return fmt.Errorf("--output is %q: write text or json", string(*o))
}

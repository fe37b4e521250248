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

	"github.com/yettproxy/yett/controllers/endpoints"
	"github.com/yettproxy/yett/controllers/ingress"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy"
)

// rehearsal is manifests, brought to a proxy that is only asked: as `yett serve` would bring them, by the same publisher.
type rehearsal struct {
	*proxy.Rehearsal
	files  *store.Files
	result *translate.Result
	// configMap is the one with the global settings.
	configMap translate.ObjectProblem
}

// rehearse reads manifests. Whoever calls it must close what it returns.
func rehearse(ctx context.Context, o *options, paths []string, authStatus int) (*rehearsal, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := checkPaths(paths); err != nil {
		return nil, err
	}
	r := &rehearsal{files: store.NewFiles(logr.Discard(), paths...)}
	var err error
	if r.Rehearsal, err = proxy.NewRehearsal(authStatus, o.healthPath); err != nil {
		return nil, err
	}
	resolver := endpoints.NewResolver(net.DefaultResolver.LookupNetIP, time.Hour, true, logr.Discard())
	publisher := &ingress.Publisher{
		Options: o.translate(), Proxy: r.Proxy(), Log: logr.Discard(), Report: func(result *translate.Result) { r.result = result },
		Feeder: endpoints.NewFeeder(r.Proxy().Registry(), resolver, endpoints.Options{DisableExternalName: o.disableExternalName, AllowLoopback: true}),
	}
	objects, _, _ := r.files.Read()
	snapshot := store.NewSnapshot(complete(o, objects))
	adoptConfigMap(o, &publisher.Options, snapshot)
	r.configMap = translate.ObjectProblem{Kind: translate.ConfigMap, Name: publisher.Options.ConfigMap}
	if err := publisher.Publish(ctx, snapshot, snapshot, true); err != nil {
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

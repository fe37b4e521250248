package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/observe"
)

// newServe returns `yett serve`.
func newServe() *cobra.Command {
	o := &options{}
	var paths []string
	cmd := &cobra.Command{
		Use:   "serve --manifests PATH...",
		Short: "Serve manifest files, without a cluster",
		Long: "Serves YAML files or folders of them: Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap,\n" +
			"Namespace, Node. They are watched; a change is live within a second. A file with a mistake keeps its last good\n" +
			"content and is named in the log with file and line.\n\n" +
			"Ingresses without a class are served too (--watch-ingress-without-class), a missing IngressClass named by\n" +
			"--ingress-class counts as ours, and a ConfigMap called ingress-nginx-controller is read without --configmap.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runServe(cmd.Context(), cmd, o, append(paths, args...), nil)
		},
	}
	o.addServing(cmd.Flags())
	addAccepted(cmd.Flags())
	addManifests(cmd.Flags(), o, &paths)
	return cmd
}

// addManifests adds the flag that names manifests, and the defaults of the others that go with it.
func addManifests(f *pflag.FlagSet, o *options, paths *[]string) {
	without := f.Lookup("watch-ingress-without-class")
	without.DefValue, o.withoutClass = "true", true
	f.StringSliceVar(paths, "manifests", nil, "files or folders with manifests; may be given several times")
}

// runServe serves manifests until the context ends.
func runServe(ctx context.Context, cmd *cobra.Command, o *options, paths []string, started func(addresses)) error {
	log, err := newLogger(o.verbosity)
	if err != nil {
		return err
	}
	warnAccepted(cmd.Flags(), log)
	if err := checkPaths(paths); err != nil {
		return err
	}
	g, err := newGate(o, log, observe.Options{}, os.Stdout, true)
	if err != nil {
		return err
	}
	source := &fileSource{gate: g, files: store.NewFiles(log.WithName("files"), paths...), log: log, first: make(chan struct{})}
	source.publish(ctx)
	g.questions = source.questions()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return source.files.Watch(ctx, func() { source.publish(ctx) }) })
	group.Go(func() error { return g.serve(ctx, source.first, started) })
	return group.Wait()
}

// checkPaths finds files and folders that are not there.
func checkPaths(paths []string) error {
	if len(paths) == 0 {
		return errors.New("no manifests: give --manifests with files or folders")
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("read manifests: %w", err)
		}
	}
	return nil
}

// fileSource publishes manifest files.
type fileSource struct {
	gate  *gate
	files *store.Files
	log   logr.Logger
	first chan struct{}
	once  sync.Once
	// live is what was published last.
	live atomic.Pointer[store.Snapshot]
	// published says that a first table is live, be it an empty one.
	published bool
}

// publish reads the files and publishes them if anything changed.
func (s *fileSource) publish(ctx context.Context) {
	objects, changed, bad := s.files.Read()
	if !changed && s.published {
		return
	}
	snapshot := store.NewSnapshot(complete(s.gate.options, objects))
	adoptConfigMap(s.gate.options, &s.gate.publisher.Options, snapshot)
	if err := s.gate.publisher.Publish(ctx, snapshot, snapshot, true); err != nil {
		s.log.Error(err, "not published")
		return
	}
	s.published = true
	s.live.Store(snapshot)
	s.log.Info("manifests live", "objects", len(objects), "bad files", bad)
	s.once.Do(func() { close(s.first) })
}

// questions answers questions about the manifests.
func (s *fileSource) questions() *questions {
	return &questions{
		options: s.gate.options,
		meaning: func(w world) translate.Options {
			t := s.gate.options.translate()
			adoptConfigMap(s.gate.options, &t, w.objects)
			return t
		},
		world: func(context.Context) (world, error) {
			snapshot := s.live.Load()
			if snapshot == nil {
				return world{}, errors.New("no manifests are live yet")
			}
			return world{snapshot, snapshot, true}, nil
		},
	}
}

// complete adds the IngressClass that a cluster would have from the installation.
func complete(o *options, objects []client.Object) []client.Object {
	for _, object := range objects {
		if class, ok := object.(*networkingv1.IngressClass); ok && class.Name == o.ingressClass {
			return objects
		}
	}
	return append(objects, &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: o.ingressClass},
		Spec:       networkingv1.IngressClassSpec{Controller: o.controllerClass},
	})
}

// configMapName is what ingress-nginx's chart calls the ConfigMap.
const configMapName = "ingress-nginx-controller"

// adoptConfigMap reads the ConfigMap of ingress-nginx's chart if the manifests have one and no flag names
// another.
func adoptConfigMap(o *options, t *translate.Options, s *store.Snapshot) {
	if o.configMap != "" {
		return
	}
	var found *corev1.ConfigMap
	for name, m := range s.ConfigMaps {
		if name.Name == configMapName && (found == nil || m.Namespace < found.Namespace) {
			found = m
		}
	}
	t.ConfigMap = client.ObjectKey{}
	if found != nil {
		t.ConfigMap = client.ObjectKeyFromObject(found)
	}
}

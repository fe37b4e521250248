package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/ingress"
	"github.com/yettproxy/yett/controllers/status"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/observe"
)

// newController returns `yett controller`.
func newController() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:     "controller",
		Version: versionText(),
		Short:   "Serve the Ingresses of a cluster",
		Long: "Serves the Ingresses of the cluster it runs in, or of the one that --kubeconfig names. Flags have the\n" +
			"names and defaults of ingress-nginx; those that mean nothing here are accepted with a warning.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(o.verbosity)
			if err != nil {
				return err
			}
			warnAccepted(cmd.Flags(), log)
			config, err := o.restConfig()
			if err != nil {
				return err
			}
			return runController(cmd.Context(), o, config, log, nil)
		},
	}
	o.addServing(cmd.Flags())
	o.addCluster(cmd.Flags())
	addAccepted(cmd.Flags())
	return cmd
}

// restConfig finds the API server: by flags, else as a pod.
func (o *options) restConfig() (*rest.Config, error) {
	if o.kubeconfig == "" && o.apiserver == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("find the API server: %w: outside of a pod give --kubeconfig, or use `yett serve` without a cluster", err)
		}
		return config, nil
	}
	overrides := &clientcmd.ConfigOverrides{}
	overrides.ClusterInfo.Server = o.apiserver
	overrides.ClusterInfo.CertificateAuthority = o.certificateAuthority
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig}, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// pod is who we are, told by the Deployment. Outside of a cluster both parts have stand-ins.
func pod() types.NamespacedName {
	name := types.NamespacedName{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("POD_NAME")}
	if name.Namespace == "" {
		name.Namespace = metav1.NamespaceDefault
	}
	return name
}

// newManager returns the manager with its caches, and what it may read. It elects no leader (see package status) and serves no
// ports of its own.
func newManager(ctx context.Context, o *options, config *rest.Config, log logr.Logger) (manager.Manager, *access, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, nil, fmt.Errorf("make scheme: %w", err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "yett/" + versionText()
	patient(config, log.WithName("manager"))
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("make client: %w", err)
	}
	a, err := newAccess(ctx, o, reader, log)
	if err != nil {
		return nil, nil, err
	}
	options := ctrl.Options{
		Scheme: scheme, Logger: log.WithName("manager"), Metrics: metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: a.caches},
	}
	skipNames := true // several in one process are fine, as in tests
	options.Controller.SkipNameValidation = &skipNames
	if o.watchNamespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{o.watchNamespace: {}}
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, nil, fmt.Errorf("make manager: %w", err)
	}
	return mgr, a, nil
}

// runController serves a cluster until the context ends. started is called once traffic is welcome; it may be nil.
func runController(ctx context.Context, o *options, config *rest.Config, log logr.Logger, started func(addresses)) error {
	ctrl.SetLogger(log)
	self := pod()
	g, err := newGate(o, log, observe.Options{Namespace: self.Namespace, Pod: self.Name}, os.Stdout, false)
	if err != nil {
		return err
	}
	mgr, a, err := newManager(ctx, o, config, log)
	if err != nil {
		return err
	}
	cluster := &store.Cluster{Reader: mgr.GetClient(), Unread: a.unread}
	g.publisher.Options.ClassesUnknown = a.unread.Classes
	if o.watchNamespaceSelector != "" {
		if cluster.Namespaces, err = labels.Parse(o.watchNamespaceSelector); err != nil {
			return fmt.Errorf("read --watch-namespace-selector: %w", err)
		}
	}
	writer, err := newWriter(o, mgr, self, log)
	if err != nil {
		return err
	}
	g.leading = writer.Leading
	g.questions = clusterQuestions(o, cluster)
	first := make(chan struct{})
	var once sync.Once
	reconciler := &ingress.Reconciler{Publisher: g.publisher, Cluster: cluster, Published: func() { once.Do(func() { close(first) }) }}
	g.publisher.Report = func(result *translate.Result) {
		reconciler.Refer(result.References)
		writer.Report(result.Verdicts, result.Problems)
	}
	if err := reconciler.Register(mgr); err != nil {
		return err
	}

	hook, err := newWebhook(o, config, mgr, cluster, self, g, log.WithName("admission"))
	if err != nil {
		return err
	}

	// Two contexts: the first ends with the signal; the second, on which caches and endpoints depend, only
	// when the last request has been answered.
	infra, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, groupCtx := errgroup.WithContext(infra)
	group.Go(func() error { return mgr.Start(groupCtx) })
	group.Go(func() error { return elect(groupCtx, o, config, self, writer, g, log) })
	group.Go(func() error { return hook.run(groupCtx, first) })
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(groupCtx, cancel) // the manager failed to start: end
	err = g.serve(serving, first, started)
	if o.clearStatus && o.updateStatus && writer.Leading() {
		err = errors.Join(err, clearStatus(context.WithoutCancel(ctx), writer))
	}
	stop()
	return errors.Join(err, group.Wait())
}

// clusterQuestions answers questions about the objects of a cluster.
func clusterQuestions(o *options, cluster *store.Cluster) *questions {
	return &questions{
		options: o,
		meaning: func(world) translate.Options {
			t := o.translate()
			t.ClassesUnknown = cluster.Unread.Classes
			return t
		},
		world: func(ctx context.Context) (world, error) {
			snapshot, err := cluster.Load(ctx)
			return world{snapshot, cluster, false}, err
		},
	}
}

// newWriter returns the writer of status and Events.
func newWriter(o *options, mgr manager.Manager, self types.NamespacedName, log logr.Logger) (*status.Writer, error) {
	w := &status.Writer{
		Client: mgr.GetClient(), Recorder: mgr.GetEventRecorder("nginx-ingress-controller"), SyncEvents: !o.noEvents,
		Interval: time.Duration(o.statusInterval) * time.Second, Log: log.WithName("status"),
	}
	if !o.updateStatus {
		return w, nil
	}
	// Pods are few and rarely asked for: they are read from the API server, past the caches.
	w.Addresses = &status.Addresses{
		Reader: mgr.GetAPIReader(), Service: named(o.publishService), Pod: types.NamespacedName{Namespace: self.Namespace, Name: self.Name},
		Internal: o.internalNodeAddress,
	}
	if o.publishAddress != "" {
		w.Addresses.Fixed = feature.SplitList(o.publishAddress)
	}
	return w, nil
}

// elect lets this replica write status whenever it holds the Lease.
func elect(ctx context.Context, o *options, config *rest.Config, self types.NamespacedName, w *status.Writer, g *gate, log logr.Logger) error {
	identity := self.Name
	if identity == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find a name for the election: %w", err)
		}
		identity = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	if o.disableElection {
		g.metrics.SetLeader(o.electionID, true)
		w.Lead(ctx)
		return nil
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client for the election: %w", err)
	}
	election := &status.Election{
		Client: clients, Lease: types.NamespacedName{Namespace: self.Namespace, Name: o.electionID}, Identity: identity,
		Duration: o.electionTTL, Log: log.WithName("election"), Changed: func(leading bool) { g.metrics.SetLeader(o.electionID, leading) },
	}
	return election.Run(ctx, w.Lead)
}

// clearStatus removes our addresses if no other replica is there to serve.
func clearStatus(ctx context.Context, w *status.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if w.Addresses == nil {
		return nil
	}
	switch others, err := w.Addresses.Others(ctx); {
	case apierrors.IsNotFound(err):
		return nil // our pod is gone already: whether we are the last cannot be told, so nothing is cleared
	case err != nil || others > 0:
		return err
	}
	return w.Clear(ctx)
}

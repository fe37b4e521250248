package ingress

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
)

// rebuild is the one key of the routing queue: everything is read anew whatever happened.
type rebuild struct{}

// coalesce is how long a change waits for others that come with it. The queue keeps the earliest due time,
// so a stream of changes cannot put a rebuild off.
const coalesce = 10 * time.Millisecond

// Reconciler keeps the proxy in step with a cluster.
type Reconciler struct {
	Publisher *Publisher
	Cluster   *store.Cluster
	// Published is called after every publish.
	Published func()

	mu sync.Mutex
	// rebuilding says that a rebuild has begun to read; until it is done the references are not to be
	// relied on, since it may come to depend on what changes meanwhile.
	rebuilding bool
	references translate.References
}

// Register adds two controllers to a manager: one that rebuilds the table, and one that feeds endpoints past
// it. Both run on every replica, whoever leads.
func (r *Reconciler) Register(mgr manager.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &discoveryv1.EndpointSlice{}, store.ServiceIndex, store.IndexSlice); err != nil {
		return fmt.Errorf("index endpoint slices: %w", err)
	}
	everyReplica := false
	routing, err := controller.NewTyped("routing", mgr, controller.TypedOptions[rebuild]{
		Reconciler: reconcile.TypedFunc[rebuild](r.rebuild), NeedLeaderElection: &everyReplica,
		MaxConcurrentReconciles: 1, RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[rebuild](100*time.Millisecond, 5*time.Second),
	})
	if err != nil {
		return fmt.Errorf("make routing controller: %w", err)
	}
	caches := mgr.GetCache()
	sources := []source.TypedSource[rebuild]{
		source.TypedFunc[rebuild](func(_ context.Context, q workqueue.TypedRateLimitingInterface[rebuild]) error {
			q.Add(rebuild{}) // also a cluster without any Ingress is to be served: with 404
			return nil
		}),
		watch(caches, &networkingv1.Ingress{}, specOrAnnotations[*networkingv1.Ingress]),
		watch(caches, &corev1.Service{}, r.serviceChanged),
		watch(caches, &corev1.Secret{}, r.secretChanged),
		watch(caches, &corev1.ConfigMap{}, r.configMapChanged),
	}
	if !r.Cluster.Unread.Classes {
		sources = append(sources, watch(caches, &networkingv1.IngressClass{}, always[*networkingv1.IngressClass]))
	}
	if !r.Cluster.Unread.Namespaces {
		sources = append(sources, watch(caches, &corev1.Namespace{}, labelsChanged[*corev1.Namespace]))
	}
	for _, s := range sources {
		if err := routing.Watch(s); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	feeding, err := controller.New("endpoints", mgr, controller.Options{
		Reconciler: reconcile.Func(r.feed), NeedLeaderElection: &everyReplica, MaxConcurrentReconciles: 1,
	})
	if err != nil {
		return fmt.Errorf("make endpoints controller: %w", err)
	}
	slices := source.Kind(caches, &discoveryv1.EndpointSlice{}, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, s *discoveryv1.EndpointSlice) []reconcile.Request {
			return request(s.Namespace, s.Labels[discoveryv1.LabelServiceName])
		}))
	services := source.Kind(caches, &corev1.Service{}, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, s *corev1.Service) []reconcile.Request { return request(s.Namespace, s.Name) }))
	for _, s := range []source.Source{slices, services} {
		if err := feeding.Watch(s); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

// request names a Service.
func request(namespace, name string) []reconcile.Request {
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// rebuild publishes everything anew.
func (r *Reconciler) rebuild(ctx context.Context, _ rebuild) (reconcile.Result, error) {
	r.mu.Lock()
	r.rebuilding = true
	r.mu.Unlock()
	snapshot, err := r.Cluster.Load(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.Publisher.Publish(ctx, snapshot, r.Cluster, false); err != nil {
		return reconcile.Result{}, err
	}
	r.mu.Lock()
	r.rebuilding = false
	r.mu.Unlock()
	if r.Published != nil {
		r.Published()
	}
	return reconcile.Result{}, nil
}

// feed publishes the endpoints of one Service.
func (r *Reconciler) feed(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	return reconcile.Result{}, r.Publisher.Feeder.Update(ctx, r.Cluster, request.NamespacedName)
}

// Refer takes over what the last translation depended on, so that changes of other objects rebuild nothing.
func (r *Reconciler) Refer(references translate.References) {
	r.mu.Lock()
	r.references = references
	r.mu.Unlock()
}

// watch makes a source that asks for a rebuild when an object appears, goes, or changes in a way that
// matters. Events that matter not are dropped before they reach the queue.
func watch[T client.Object](caches cache.Cache, object T, matters func(old, new T) bool) source.TypedSource[rebuild] {
	soon := func(q workqueue.TypedRateLimitingInterface[rebuild]) { q.AddAfter(rebuild{}, coalesce) }
	var none T
	return source.TypedKind(caches, object, handler.TypedFuncs[T, rebuild]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[T], q workqueue.TypedRateLimitingInterface[rebuild]) {
			if matters(none, e.Object) {
				soon(q)
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[T], q workqueue.TypedRateLimitingInterface[rebuild]) {
			if matters(e.ObjectOld, e.ObjectNew) {
				soon(q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[T], q workqueue.TypedRateLimitingInterface[rebuild]) {
			if matters(e.Object, none) {
				soon(q)
			}
		},
	}, predicate.TypedResourceVersionChangedPredicate[T]{})
}

// always says that every change matters.
func always[T client.Object](_, _ T) bool { return true }

// specOrAnnotations leaves out changes of status, which are our own.
func specOrAnnotations[T interface {
	client.Object
	comparable
}](old, new T) bool {
	var none T
	return old == none || new == none || old.GetGeneration() != new.GetGeneration() ||
		!maps.Equal(old.GetAnnotations(), new.GetAnnotations()) || old.GetUID() != new.GetUID()
}

// labelsChanged leaves out heartbeats and the like.
func labelsChanged[T interface {
	client.Object
	comparable
}](old, new T) bool {
	var none T
	return old == none || new == none || !maps.Equal(old.GetLabels(), new.GetLabels())
}

// serviceChanged lets referenced Services through when their spec changed.
func (r *Reconciler) serviceChanged(old, new *corev1.Service) bool {
	return r.refers(old, new, func(f *translate.References) map[types.NamespacedName]struct{} { return f.Services }) &&
		(old == nil || new == nil || !equality.Semantic.DeepEqual(old.Spec, new.Spec))
}

// secretChanged lets referenced Secrets through when their data changed.
func (r *Reconciler) secretChanged(old, new *corev1.Secret) bool {
	return r.refers(old, new, func(f *translate.References) map[types.NamespacedName]struct{} { return f.Secrets }) &&
		(old == nil || new == nil || !equality.Semantic.DeepEqual(old.Data, new.Data))
}

// configMapChanged lets referenced ConfigMaps through when their data changed.
func (r *Reconciler) configMapChanged(old, new *corev1.ConfigMap) bool {
	return r.refers(old, new, func(f *translate.References) map[types.NamespacedName]struct{} { return f.ConfigMaps }) &&
		(old == nil || new == nil || !equality.Semantic.DeepEqual(old.Data, new.Data))
}

// refers reports whether the last translation depended on an object. Before the first one everything
// matters.
func (r *Reconciler) refers(old, new client.Object, set func(*translate.References) map[types.NamespacedName]struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := set(&r.references)
	if names == nil || r.rebuilding {
		return true
	}
	object := new
	if isNil(object) {
		object = old
	}
	_, ok := names[client.ObjectKeyFromObject(object)]
	return ok
}

// isNil reports whether an object is a nil pointer of its type.
func isNil(object client.Object) bool {
	switch o := object.(type) {
	case *corev1.Service:
		return o == nil
	case *corev1.Secret:
		return o == nil
	case *corev1.ConfigMap:
		return o == nil
	}
	return object == nil
}

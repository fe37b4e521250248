package webhookcert

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// watch tells of changes of the two objects. Each is watched by its name, so that no right to others is needed.
func (k *Keeper) watch(ctx context.Context, changed chan<- struct{}) {
	secrets := k.Client.CoreV1().Secrets(k.Secret.Namespace)
	follow(ctx, k.Client, k.Secret.Name, &corev1.Secret{}, changed, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return secrets.List(ctx, o)
	}, secrets.Watch)
	if k.Configuration == "" {
		return
	}
	configurations := k.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	follow(ctx, k.Client, k.Configuration, &admissionregistrationv1.ValidatingWebhookConfiguration{}, changed, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return configurations.List(ctx, o)
	}, configurations.Watch)
}

// follow watches one object by its name.
func follow(ctx context.Context, client kubernetes.Interface, name string, kind runtime.Object, changed chan<- struct{},
	list func(context.Context, metav1.ListOptions) (runtime.Object, error), begin func(context.Context, metav1.ListOptions) (watch.Interface, error)) {
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	tell := func() {
		select {
		case changed <- struct{}{}:
		default: // it has been told already
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = only
				return list(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.FieldSelector = only
				return begin(ctx, o)
			},
		}, client),
		ObjectType: kind,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { tell() }, UpdateFunc: func(_, _ any) { tell() }, DeleteFunc: func(any) { tell() },
		},
	})
	go informer.RunWithContext(ctx)
}

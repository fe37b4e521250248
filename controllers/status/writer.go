package status

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/controllers/translate"
)

// Writer writes status and Events while it leads.
type Writer struct {
	// Client reads from caches and writes to the API server.
	Client client.Client
	// Addresses finds what is written; nil writes no status.
	Addresses *Addresses
	Recorder  events.EventRecorder
	// SyncEvents also writes an Event of the reason Sync when an Ingress is taken over or changed.
	SyncEvents bool
	// Interval is the time between two looks at everything.
	Interval time.Duration
	Log      logr.Logger

	mu       sync.Mutex
	latest   []translate.Verdict
	problems []translate.ObjectProblem
	changed  chan struct{}
	once     sync.Once
	leading  atomic.Bool
	told     map[types.UID]told
}

// signal returns the channel that says that something is to be written.
func (w *Writer) signal() chan struct{} {
	w.once.Do(func() { w.changed = make(chan struct{}, 1) })
	return w.changed
}

// Report takes over what became of all Ingresses, and what is wrong with other objects; it is written soon, if this replica leads.
func (w *Writer) Report(verdicts []translate.Verdict, problems []translate.ObjectProblem) {
	w.mu.Lock()
	w.latest, w.problems = verdicts, problems
	w.mu.Unlock()
	select {
	case w.signal() <- struct{}{}:
	default:
	}
}

// Leading reports whether this replica writes.
func (w *Writer) Leading() bool { return w.leading.Load() }

// retryAfter is how long a failed write waits for its next try.
const retryAfter = 2 * time.Second

// Lead writes until the context ends. It is to be called by the elected replica only.
func (w *Writer) Lead(ctx context.Context) {
	w.leading.Store(true)
	defer w.leading.Store(false)
	w.told = map[types.UID]told{}
	ticker := time.NewTicker(w.Interval)
	defer ticker.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-retry.C:
		case <-w.signal():
		}
		err := w.write(ctx)
		if ctx.Err() != nil {
			return
		}
		if said = w.say(err, said); err != nil {
			retry.Reset(retryAfter)
		}
	}
}

// say logs the outcome of a write where it is another one than last, and returns what was said: what cannot be done now is
// tried at every change and every few seconds.
func (w *Writer) say(err error, last string) string {
	switch {
	case err == nil && last != "":
		w.Log.Info("status is written again")
	case err != nil && err.Error() != last:
		w.Log.Error(err, "status not written; will try until it is")
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// write brings all Ingresses to the state they should have. Where nothing differs nothing is sent. Events are sent also when the
// addresses are not known. Of several errors it returns the first.
func (w *Writer) write(ctx context.Context) error {
	w.mu.Lock()
	verdicts, problems := w.latest, w.problems
	w.mu.Unlock()
	var want []networkingv1.IngressLoadBalancerIngress
	var failed error
	if w.Addresses != nil {
		if want, failed = w.Addresses.Find(ctx); failed != nil {
			failed = fmt.Errorf("find addresses: %w", failed)
		}
	}
	known := w.Addresses != nil && failed == nil
	seen := make(map[types.UID]bool, len(verdicts))
	for i := range verdicts {
		v := &verdicts[i]
		if !v.Ours() {
			continue
		}
		seen[v.UID] = true
		var ingress networkingv1.Ingress
		if err := w.Client.Get(ctx, v.Name, &ingress); err != nil {
			if client.IgnoreNotFound(err) != nil {
				failed = cmp.Or(failed, fmt.Errorf("get ingress %s: %w", v.Name, err))
			}
			continue
		}
		w.tellIngress(&ingress, v)
		if !known || v.State == translate.Rejected && len(ingress.Status.LoadBalancer.Ingress) == 0 {
			continue
		}
		failed = cmp.Or(failed, w.patch(ctx, &ingress, want))
	}
	w.tellObjects(ctx, problems, seen)
	for uid := range w.told {
		if !seen[uid] {
			delete(w.told, uid)
		}
	}
	return failed
}

// patch writes the addresses of one Ingress if they differ.
func (w *Writer) patch(ctx context.Context, ingress *networkingv1.Ingress, want []networkingv1.IngressLoadBalancerIngress) error {
	if equality.Semantic.DeepEqual(ingress.Status.LoadBalancer.Ingress, want) {
		return nil
	}
	changed := ingress.DeepCopy()
	changed.Status.LoadBalancer.Ingress = want
	err := w.Client.Status().Patch(ctx, changed, client.MergeFrom(ingress))
	if apierrors.IsForbidden(err) {
		// The rights in a manifest made for ingress-nginx have the verb update only.
		err = w.Client.Status().Update(ctx, changed)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status of %s/%s: %w", ingress.Namespace, ingress.Name, err)
	}
	return nil
}

// Clear removes our addresses from all Ingresses, as the last replica does when it ends.
func (w *Writer) Clear(ctx context.Context) error {
	w.mu.Lock()
	verdicts := w.latest
	w.mu.Unlock()
	for i := range verdicts {
		if !verdicts[i].Ours() {
			continue
		}
		var ingress networkingv1.Ingress
		if err := w.Client.Get(ctx, verdicts[i].Name, &ingress); err != nil {
			continue
		}
		if err := w.patch(ctx, &ingress, nil); err != nil {
			return err
		}
	}
	return nil
}

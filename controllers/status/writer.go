package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/annotations/feature"
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

	mu      sync.Mutex
	latest  []translate.Verdict
	changed chan struct{}
	once    sync.Once
	leading atomic.Bool
	told    map[types.UID]told
}

// told is what was last said about an Ingress.
type told struct {
	// generation is that of the spec; annotations do not count, and neither does what we write.
	generation int64
	problems   []feature.Problem
}

// signal returns the channel that says that something is to be written.
func (w *Writer) signal() chan struct{} {
	w.once.Do(func() { w.changed = make(chan struct{}, 1) })
	return w.changed
}

// Report takes over what became of all Ingresses; it is written soon, if this replica leads.
func (w *Writer) Report(verdicts []translate.Verdict) {
	w.mu.Lock()
	w.latest = verdicts
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-retry.C:
		case <-w.signal():
		}
		if err := w.write(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error(err, "status not written; will try again")
			retry.Reset(retryAfter)
		}
	}
}

// write brings all Ingresses to the state they should have. Where nothing differs nothing is sent.
func (w *Writer) write(ctx context.Context) error {
	w.mu.Lock()
	verdicts := w.latest
	w.mu.Unlock()
	var want []networkingv1.IngressLoadBalancerIngress
	if w.Addresses != nil {
		var err error
		if want, err = w.Addresses.Find(ctx); err != nil {
			return fmt.Errorf("find addresses: %w", err)
		}
	}
	var failed error
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
				failed = fmt.Errorf("get ingress %s: %w", v.Name, err)
			}
			continue
		}
		w.tell(&ingress, v)
		if w.Addresses == nil || v.State == translate.Rejected && len(ingress.Status.LoadBalancer.Ingress) == 0 {
			continue
		}
		if err := w.patch(ctx, &ingress, want); err != nil {
			failed = err
		}
	}
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

// The reasons of Events. They are stable: alerts match them.
const (
	// ReasonSync says that an Ingress was taken over or changed.
	ReasonSync = "Sync"
	// ReasonAnnotation says that an annotation was refused; the name is ingress-nginx's.
	ReasonAnnotation = "AnnotationParsingFailed"
	// ReasonDenied says that paths answer 503, since something that guards access was refused.
	ReasonDenied = "AccessDenied"
	// ReasonSpec says that something of the spec is not served.
	ReasonSpec = "NotServed"
)

// tell writes Events for what was not yet said about an Ingress.
func (w *Writer) tell(ingress *networkingv1.Ingress, v *translate.Verdict) {
	if w.Recorder == nil {
		return
	}
	last := w.told[v.UID]
	if w.SyncEvents && last.generation != ingress.Generation {
		w.Recorder.Eventf(ingress, nil, corev1.EventTypeNormal, ReasonSync, "Sync", "Scheduled for sync")
	}
	for _, p := range v.Problems {
		if slices.Contains(last.problems, p) {
			continue
		}
		w.Recorder.Eventf(ingress, nil, corev1.EventTypeWarning, reasonOf(p), "Translate", "%s", sentence(p))
	}
	w.told[v.UID] = told{generation: ingress.Generation, problems: v.Problems}
}

// reasonOf chooses the reason of a problem.
func reasonOf(p feature.Problem) string {
	switch {
	case p.Denied:
		return ReasonDenied
	case !strings.HasPrefix(p.Key, "spec"):
		return ReasonAnnotation
	}
	return ReasonSpec
}

// sentence says a problem in one line.
func sentence(p feature.Problem) string {
	if p.Value == "" {
		return p.Key + ": " + p.Reason
	}
	return fmt.Sprintf("%s: %q: %s", p.Key, p.Value, p.Reason)
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

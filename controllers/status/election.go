package status

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Election decides which replica writes. It is ingress-nginx's Lease with other intervals, so that a leader that was
// killed is replaced within Duration. A follower counts from when it saw the last sign of life, not from when that was given,
// and looks again some time after the Lease has run out; client-go draws each of these pauses out to up to 2.2 times RetryPeriod. So
// what is promised in the Lease has to be shorter than Duration by two such pauses: 0.6 + 2 × 2.2 × 0.05 = 0.82 of it.
// A Lease counts whole seconds. Followers believe the duration that is written in the Lease, so that replicas of ingress-nginx can share it.
type Election struct {
	Client kubernetes.Interface
	Lease  types.NamespacedName
	// Identity tells replicas apart: the pod's name.
	Identity string
	// Duration is how long it takes at most to replace a leader that has fallen silent (--election-ttl).
	Duration time.Duration
	Log      logr.Logger
	// Changed is told who leads; it may be nil.
	Changed func(leading bool)
}

// Run takes part until the context ends and calls lead, whose context ends with the leadership, each time this
// replica is elected. The Lease is given back at the end, so that another replica need not wait.
func (e *Election) Run(ctx context.Context, lead func(context.Context)) error {
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: e.Lease.Namespace, Name: e.Lease.Name},
				Client:     e.Client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
			},
			LeaseDuration: max(e.Duration*6/10, time.Second), RenewDeadline: e.Duration * 4 / 10, RetryPeriod: e.Duration / 20,
			ReleaseOnCancel: true,
			Name:            e.Lease.Name,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					e.Log.Info("leading")
					e.tell(true)
					lead(ctx)
				},
				OnStoppedLeading: func() {
					e.Log.Info("not leading")
					e.tell(false)
				},
			},
		})
		if err != nil {
			return err
		}
		elector.Run(ctx)
	}
	return nil
}

// tell passes a change on.
func (e *Election) tell(leading bool) {
	if e.Changed != nil {
		e.Changed(leading)
	}
}

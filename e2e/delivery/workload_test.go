package delivery

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// namespace is where everything is.
const namespace = "default"

// cluster stands in for what a cluster does with workloads: every ReplicaSet and Deployment has ready pods at once, and
// every Service with a selector has their addresses in an EndpointSlice. A pod's image is the name of the server of the test that
// answers for it.
type cluster struct {
	*harness.Cluster
	versions map[string]*harness.Backend // by image
}

// newCluster starts an API server with the kinds of a controller, and begins to stand in. Every image is a version of the app
// and answers with its name.
func newCluster(t *testing.T, p *program, images ...string) *cluster {
	t.Helper()
	c := &cluster{Cluster: harness.StartCluster(t, p.kinds()...), versions: map[string]*harness.Backend{}}
	for i, image := range images {
		c.versions[image] = harness.StartBackend(t, fmt.Sprintf("10.78.0.%d", i+1), image)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			// Conflicts with the controllers come and go; the next turn sees to them.
			if err := c.turn(ctx); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) {
				t.Log(err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return c
}

// pods are those of one ReplicaSet or Deployment.
type pods struct {
	labels labels.Set
	count  int32
	image  string
}

// turn looks at everything once.
func (c *cluster) turn(ctx context.Context) error {
	running, err := c.workloads(ctx)
	if err != nil {
		return err
	}
	var services corev1.ServiceList
	if err := c.List(ctx, &services, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range services.Items {
		if s := &services.Items[i]; len(s.Spec.Selector) > 0 {
			err = errors.Join(err, c.publish(ctx, s, running))
		}
	}
	return err
}

// workloads says of all that their pods are ready, and returns the pods.
func (c *cluster) workloads(ctx context.Context) (list []pods, err error) {
	var sets appsv1.ReplicaSetList
	var deployments appsv1.DeploymentList
	if err := errors.Join(c.List(ctx, &sets, client.InNamespace(namespace)), c.List(ctx, &deployments, client.InNamespace(namespace))); err != nil {
		return nil, err
	}
	for i := range sets.Items {
		o := &sets.Items[i]
		n := *o.Spec.Replicas
		list = append(list, pods{o.Spec.Template.Labels, n, o.Spec.Template.Spec.Containers[0].Image})
		want := appsv1.ReplicaSetStatus{Replicas: n, FullyLabeledReplicas: n, ReadyReplicas: n, AvailableReplicas: n, ObservedGeneration: o.Generation}
		if !reflect.DeepEqual(o.Status, want) {
			o.Status = want
			err = errors.Join(err, c.Status().Update(ctx, o))
		}
	}
	for i := range deployments.Items {
		o := &deployments.Items[i]
		n := *o.Spec.Replicas
		list = append(list, pods{o.Spec.Template.Labels, n, o.Spec.Template.Spec.Containers[0].Image})
		want := appsv1.DeploymentStatus{Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n, ObservedGeneration: o.Generation}
		if !reflect.DeepEqual(o.Status, want) {
			o.Status = want
			err = errors.Join(err, c.Status().Update(ctx, o))
		}
	}
	return list, err
}

// publish writes the EndpointSlice of a Service, if it is another than before.
func (c *cluster) publish(ctx context.Context, s *corev1.Service, running []pods) error {
	var addresses []string
	port := 0
	for _, p := range running {
		if b := c.versions[p.image]; b != nil && p.count > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(p.labels) {
			addresses, port = append(addresses, b.IP), b.Port
		}
	}
	want := harness.Slice(namespace, s.Name+"-1", s.Name, port, true, addresses...)
	want.Ports[0].Name = &s.Spec.Ports[0].Name
	have := &discoveryv1.EndpointSlice{}
	err := c.Get(ctx, client.ObjectKeyFromObject(want), have)
	switch {
	case apierrors.IsNotFound(err):
		return c.Create(ctx, want)
	case err != nil:
		return err
	case reflect.DeepEqual(have.Endpoints, want.Endpoints):
		return nil
	}
	have.Endpoints, have.Ports = want.Endpoints, want.Ports
	return c.Update(ctx, have)
}

package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// names is a Source where every Service is an ExternalName of its own name, and a name server for them: names that begin
// with "dead" get no answer.
type names struct {
	asked atomic.Int64
	// fail makes the Source fail.
	fail atomic.Bool
}

func (n *names) Service(_ context.Context, name types.NamespacedName) (*corev1.Service, []*discoveryv1.EndpointSlice, error) {
	if n.fail.Load() {
		return nil, nil, errors.New("not now")
	}
	return &corev1.Service{Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: name.Name + ".test", Ports: []corev1.ServicePort{{Port: 80}},
	}}, nil, nil
}

func (n *names) lookup(ctx context.Context, _, host string) ([]netip.Addr, error) {
	n.asked.Add(1)
	if strings.HasPrefix(host, "dead") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

// feeder returns a feeder of these names.
func (n *names) feeder(every time.Duration) (*Feeder, *Resolver, *upstream.Registry) {
	registry := upstream.NewRegistry()
	resolver := NewResolver(n.lookup, every, false, logr.Discard())
	return NewFeeder(registry, resolver, Options{}), resolver, registry
}

// wanted returns upstreams of Services.
func wanted(services ...string) (list []ir.Upstream) {
	for _, s := range services {
		list = append(list, ir.Upstream{Key: upstream.Key{Namespace: "n", Service: s, Port: "80"}})
	}
	return list
}

// ready reports whether the upstream of a Service has an endpoint.
func ready(r *upstream.Registry, service string) bool {
	return r.Upstream(wanted(service)[0].Key).Ready()
}

func TestDeadNamesDoNotHoldUpTheOthers(t *testing.T) {
	n := &names{}
	feeder, _, registry := n.feeder(time.Hour)
	var services []string
	for i := range 20 {
		services = append(services, fmt.Sprintf("dead%d", i), fmt.Sprintf("live%d", i))
	}
	start := time.Now()
	if err := feeder.Want(t.Context(), n, wanted(services...), false); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > lookupTimeout/2 {
		t.Errorf("20 dead names hold a table up for %s", d)
	}
	for i := range 20 {
		if !ready(registry, fmt.Sprintf("live%d", i)) {
			t.Errorf("live%d has no endpoint", i)
		}
	}
	start = time.Now()
	if err := feeder.Update(t.Context(), n, types.NamespacedName{Namespace: "n", Name: "live0"}); err != nil {
		t.Fatal(err)
	}
	if err := feeder.Want(t.Context(), n, wanted(services...), true); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > firstAnswer/2 {
		t.Errorf("names that are known to be dead hold things up for %s", d)
	}
	if got := n.asked.Load(); got != 40 {
		t.Errorf("%d look-ups, want 40", got)
	}
}

func TestATableWaitsForNamesThatCanBeKnown(t *testing.T) {
	n := &names{}
	feeder, _, registry := n.feeder(time.Hour)
	for i := range 50 {
		service := fmt.Sprintf("live%d", i)
		if err := feeder.Want(t.Context(), n, wanted(service), false); err != nil {
			t.Fatal(err)
		}
		if !ready(registry, service) {
			t.Fatalf("%s has no endpoint", service)
		}
	}
}

func TestDeadNamesDoNotHoldUpLookingAgain(t *testing.T) {
	n := &names{}
	feeder, resolver, _ := n.feeder(time.Millisecond)
	if err := feeder.Want(t.Context(), n, wanted("live", "dead"), false); err != nil {
		t.Fatal(err)
	}
	before := n.asked.Load()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- resolver.Run(ctx) }()
	for n.asked.Load() < before+2 { // both names, the dead one first or last
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatCouldNotBeReadIsReadTheNextTime(t *testing.T) {
	n := &names{}
	feeder, _, registry := n.feeder(time.Hour)
	n.fail.Store(true)
	if err := feeder.Want(t.Context(), n, wanted("live"), false); err == nil {
		t.Fatal("no error")
	}
	n.fail.Store(false)
	if err := feeder.Want(t.Context(), n, wanted("live"), false); err != nil || !ready(registry, "live") {
		t.Errorf("%v, ready %t", err, ready(registry, "live"))
	}
}

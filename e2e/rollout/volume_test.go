package rollout

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestVolume starts a gate on a cluster with many Ingresses.
func TestVolume(t *testing.T) {
	ingresses, services := length(500, 5000), length(100, 1000)
	const each = 10 // endpoints of a Service
	loaded := promise(t, fmt.Sprintf("%d Ingresses with %d endpoints", ingresses, services*each), "ready ≤ 15 s")
	further := promise(t, "a further change among them", "live ≤ 300 ms")
	c := newServer(t, "volume")
	a := startPod(t, "a")
	group := errgroup.Group{}
	group.SetLimit(16)
	create := func(o client.Object) { group.Go(func() error { return c.Create(context.Background(), o) }) }
	for i := range services {
		name := fmt.Sprintf("s%d", i)
		slice := c.slice(name, a)
		for j := 1; j < each; j++ {
			e := *slice.Endpoints[0].DeepCopy()
			e.Addresses = []string{fmt.Sprintf("10.79.%d.%d", i%250, j+i/250*10)}
			*e.Conditions.Ready = true
			slice.Endpoints = append(slice.Endpoints, e)
		}
		create(c.service(name))
		create(slice)
	}
	for i := range ingresses {
		create(c.ingress(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i), fmt.Sprintf("s%d", i%services)))
	}
	c.apply(t, c.service("alone"), c.slice("alone", a), c.ingress("alone", "alone.test", "alone"))
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	r := c.controller(t, "one")
	ready := time.Since(r.Begun)
	memory := resident(t, r)
	if !answers(r.http, "alone.test", 200, "a") {
		t.Error("ready, but a host does not answer")
	}
	var took []time.Duration
	for i := range 10 {
		host := fmt.Sprintf("further%d.test", i)
		c.apply(t, c.ingress(fmt.Sprintf("further%d", i), host, "alone"))
		took = append(took, harness.Until(t, 10*time.Second, "a further change", func() bool { return answers(r.http, host, 200, "a") }))
	}
	loaded.is(ready <= 15*time.Second, "ready after %s, %d MiB, then %d MiB", ready.Round(10*time.Millisecond), memory, resident(t, r))
	slowest := quantile(took, 1)
	further.is(slowest <= 300*time.Millisecond, "p50 %s, max %s of %d", quantile(took, 0.5).Round(time.Millisecond),
		slowest.Round(time.Millisecond), len(took))
	for _, kind := range []client.Object{&networkingv1.Ingress{}, &discoveryv1.EndpointSlice{}, &corev1.Service{}} {
		if err := c.DeleteAllOf(context.Background(), kind, client.InNamespace(c.name)); err != nil {
			t.Log(err) // only a courtesy to the tests that follow
		}
	}
}

// resident returns the memory of a gate, in MiB.
func resident(t *testing.T, r *replica) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.PID()))
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

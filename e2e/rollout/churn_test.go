package rollout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// paced calls do from several workers, so many times a second together, and returns the pace that was reached. On a busy machine
// one worker would wait for the API server too long.
func paced(t *testing.T, pace int, span time.Duration, do func(worker, round int) error) (reached float64) {
	t.Helper()
	const workers = 4
	var changes atomic.Int64
	var group errgroup.Group
	begin := time.Now()
	for worker := range workers {
		group.Go(func() error {
			tick := time.NewTicker(workers * time.Second / time.Duration(pace))
			defer tick.Stop()
			for round := 0; time.Since(begin) < span; round++ {
				<-tick.C
				if err := do(worker, round); err != nil {
					return err
				}
				changes.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	return float64(changes.Load()) / time.Since(begin).Seconds()
}

// TestEndpointChurn changes a Service's endpoints a hundred times a second.
func TestEndpointChurn(t *testing.T) {
	row := promise(t, "endpoints changed 100 times a second", "0 failed")
	c := newCluster(t, "endpoint-churn")
	list := c.pods(t, "a", "b", "c", "d", "e")
	c.apply(t, c.service("app"), c.ingress("app", "app.test", "app"))
	var slices [4]*discoveryv1.EndpointSlice
	for i := range slices {
		slices[i] = c.slice("app", list...)
		slices[i].Name = fmt.Sprintf("app-%d", i)
		c.apply(t, slices[i])
	}
	r := c.gate(t)
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "app.test", 200, "") })
	l := (&load{target: fixed(r.http), host: "app.test", rate: 300, post: true}).start(t)
	pace := paced(t, 102, length(5*time.Second, time.Minute), func(worker, _ int) error {
		var some []*pod
		for _, i := range rand.Perm(len(list))[:1+rand.IntN(len(list))] {
			some = append(some, list[i])
		}
		slices[worker].Endpoints = endpoints(some...)
		return c.Update(context.Background(), slices[worker])
	})
	text, met := l.figure(t)
	row.is(met && pace >= length(0.0, 95), "%s, %.0f changes/s", text, pace)
}

// TestPodsReplaced replaces every pod of a Service, ten times, the way a rolling update does it: the new pod is ready, then the old
// one is terminating and ends when its grace is over.
func TestPodsReplaced(t *testing.T) {
	rounds := length(3, 10)
	row := promise(t, fmt.Sprintf("3 pods replaced %d times", rounds), "0 failed")
	c := newServer(t, "pods-replaced")
	list := []*pod{startPod(t, "v0"), startPod(t, "v0"), startPod(t, "v0")}
	slice := c.slice("app", list...)
	c.apply(t, c.service("app"), slice, c.ingress("app", "app.test", "app"))
	r := c.controller(t, "one")
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "app.test", 200, "") })
	l := (&load{target: fixed(r.http), host: "app.test", rate: 300, post: true}).start(t)
	publish := func(ending *pod) {
		slice.Endpoints = endpoints(list...)
		if ending != nil {
			e := endpoints(ending)
			*e[0].Conditions.Ready, *e[0].Conditions.Terminating = false, true
			slice.Endpoints = append(slice.Endpoints, e...)
		}
		if err := c.Update(context.Background(), slice); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		for i := range list {
			old := list[i]
			list[i] = startPod(t, fmt.Sprintf("v%d", round+1))
			publish(old)
			time.Sleep(100 * time.Millisecond) // the pod's own preStop
			old.end()
			publish(nil)
		}
	}
	text, met := l.figure(t)
	row.is(met, "%s", text)
}

// TestPodsKilled ends pods in the middle of their work, before anybody has heard of it.
func TestPodsKilled(t *testing.T) {
	row := promise(t, "pods killed, noticed after 500 ms", "0 failed")
	c := newServer(t, "pods-killed")
	list := []*pod{startPod(t, "a"), startPod(t, "b"), startPod(t, "c")}
	slice := c.slice("app", list...)
	c.apply(t, c.service("app"), slice, c.ingress("app", "app.test", "app"))
	r := c.controller(t, "one")
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "app.test", 200, "") })
	l := (&load{target: fixed(r.http), host: "app.test", rate: 300}).start(t)
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		list[0].server.Close()
		list = append(list[1:], startPod(t, "new"))
		time.Sleep(500 * time.Millisecond) // what a control plane takes to notice
		slice.Endpoints = endpoints(list...)
		if err := c.Update(context.Background(), slice); err != nil {
			t.Fatal(err)
		}
	}
	text, met := l.figure(t)
	row.is(met, "%s", text)
}

// TestIngressChurn creates, changes and deletes Ingresses fifty times a second.
func TestIngressChurn(t *testing.T) {
	others := promise(t, "Ingresses changed 50 times a second", "0 failed on another host")
	traffic := promise(t, "change to traffic meanwhile", "p99 ≤ 300 ms")
	c := newCluster(t, "ingress-churn")
	c.backend(t, "a")
	c.backend(t, "b")
	c.apply(t, c.ingress("ok", "ok.test", "a"))
	r := c.gate(t)
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "ok.test", 200, "a") })
	l := (&load{target: fixed(r.http), host: "ok.test", rate: 200}).start(t)
	span := length(5*time.Second, time.Minute)
	var took []time.Duration
	var watched sync.WaitGroup
	watched.Go(func() {
		begin := time.Now()
		for n := 0; time.Since(begin) < span; n++ {
			for _, s := range c.life(c.ingress(fmt.Sprintf("watched-%d", n), fmt.Sprintf("w%d.test", n), "a")) {
				if err := s.change(); err != nil {
					t.Error(err)
					return
				}
				took = append(took, s.reaches(r))
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	var lives [4][]step
	pace := paced(t, 51, span, func(worker, round int) error {
		if round%3 == 0 {
			name := fmt.Sprintf("churn-%d-%d", worker, round)
			lives[worker] = c.life(c.ingress(name, name+".test", "a"))
		}
		return lives[worker][round%3].change()
	})
	watched.Wait()
	text, met := l.figure(t)
	others.is(met && pace >= length(0.0, 47), "%s, %.0f changes/s", text, pace)
	p99 := quantile(took, 0.99)
	traffic.is(len(took) > 0 && p99 <= 300*time.Millisecond, "p50 %s, p99 %s of %d", quantile(took, 0.5).Round(time.Millisecond), p99.Round(time.Millisecond), len(took))
}

// step is one change of an Ingress, and what its host answers after it.
type step struct {
	change     func() error
	host, body string
	status     int
}

// life is the creation, change and deletion of an Ingress of backend a.
func (c *cluster) life(one *ingressType) []step {
	ctx, host := context.Background(), one.Spec.Rules[0].Host
	return []step{
		{func() error { return c.Create(ctx, one) }, host, "a", 200},
		{func() error {
			was := one.DeepCopy()
			one.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "b"
			return c.Patch(ctx, one, client.MergeFrom(was))
		}, host, "b", 200},
		{func() error { return c.Delete(ctx, one) }, host, "", 404},
	}
}

// reaches waits until a change has reached traffic, or five seconds, and returns how long that took.
func (s *step) reaches(r *replica) time.Duration {
	begin := time.Now()
	for !answers(r.http, s.host, s.status, s.body) && time.Since(begin) < 5*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

// TestNothingReady takes away what a host needs, piece by piece, and gives it back.
func TestNothingReady(t *testing.T) {
	row := promise(t, "scale to zero, Service missing, port missing", "503, Event, back within 1 s")
	c := newServer(t, "nothing-ready")
	a := startPod(t, "a")
	slice := c.slice("app", a)
	c.apply(t, c.service("app"), slice, c.ingress("app", "app.test", "app"))
	r := c.controller(t, "one", "--publish-status-address", "192.0.2.1")
	var took []time.Duration
	sees := func(what string, status int) time.Duration {
		t.Helper()
		return harness.Until(t, 5*time.Second, what, func() bool { return answers(r.http, "app.test", status, "") })
	}
	sees("served", 200)
	slice.Endpoints = nil
	if err := c.Update(context.Background(), slice); err != nil {
		t.Fatal(err)
	}
	sees("scaled to zero", 503)
	harness.Change(t, c, slice, func(o *discoveryv1.EndpointSlice) { o.Endpoints = endpoints(a) })
	took = append(took, sees("scaled up", 200))
	service := c.service("app")
	c.remove(t, service)
	sees("Service missing", 503)
	harness.Until(t, 20*time.Second, "an Event names the Service", func() bool { return c.warned("app", "no Service nothing-ready/app") })
	c.apply(t, c.service("app"))
	took = append(took, sees("Service back", 200))
	harness.Change(t, c, c.service("app"), func(o *serviceType) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 81, intstr.FromInt32(81) })
	sees("port missing", 503)
	harness.Until(t, 20*time.Second, "an Event names the port", func() bool { return c.warned("app", "80") })
	harness.Change(t, c, c.service("app"), func(o *serviceType) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 80, intstr.FromInt32(80) })
	took = append(took, sees("port back", 200))
	slowest := quantile(took, 1)
	row.is(slowest <= time.Second, "back after at most %s",
		slowest.Round(time.Millisecond))
}

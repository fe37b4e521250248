package rollout

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestServerAway takes the API server away from a gate under load, changes things behind its back, and gives it back.
func TestServerAway(t *testing.T) {
	away := length(5*time.Second, 2*time.Minute)
	traffic := promise(t, fmt.Sprintf("API server away for %s", away), "0 failed")
	state := promise(t, "state after its return", "right within 5 s")
	c := newServer(t, "server-away")
	a, b := startPod(t, "a"), startPod(t, "b")
	c.apply(t, c.service("a"), c.service("b"), c.slice("a", a), c.slice("b", b),
		c.ingress("app", "app.test", "a"), c.ingress("moved", "moved.test", "a"), c.ingress("gone", "gone.test", "a"))
	args := []string{"--election-ttl", "4s", "--publish-status-address", "192.0.2.1"}
	r := c.controller(t, "one", args...)
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "app.test", 200, "a") })
	harness.Until(t, 20*time.Second, "status", func() bool { return len(c.statusOf("app")) == 1 })
	l := (&load{target: fixed(r.http), host: "app.test", rate: 200}).start(t)
	c.relay.cut()
	time.Sleep(time.Second)
	harness.Change(t, c, c.ingress("moved", "", ""), func(o *ingressType) { o.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "b" })
	c.remove(t, c.ingress("gone", "", ""))
	c.apply(t, c.ingress("new", "new.test", "b"))
	time.Sleep(away)
	if !r.Ready() || r.ended() {
		t.Error("the gate is not ready without the API server")
	}
	if err := c.relay.mend(); err != nil {
		t.Fatal(err)
	}
	back := harness.Until(t, time.Minute, "state after return", func() bool {
		return answers(r.http, "moved.test", 200, "b") && answers(r.http, "gone.test", 404, "") && answers(r.http, "new.test", 200, "b")
	})
	text, met := l.figure(t)
	traffic.is(met, "%s", text)
	state.is(back <= 5*time.Second, "after %s", back.Round(time.Millisecond))
	harness.Until(t, 20*time.Second, "status of the new Ingress", func() bool { return len(c.statusOf("new")) == 1 })
}

// statusOf returns the addresses in an Ingress's status.
func (c *cluster) statusOf(name string) []networkingv1.IngressLoadBalancerIngress {
	var o networkingv1.Ingress
	if err := c.Get(context.Background(), client.ObjectKey{Namespace: c.name, Name: name}, &o); err != nil {
		return nil
	}
	return o.Status.LoadBalancer.Ingress
}

// holder returns who holds the Lease.
func (c *cluster) holder() string {
	var lease coordinationv1.Lease
	if c.Get(context.Background(), client.ObjectKey{Namespace: c.name, Name: c.name}, &lease) != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// TestLeaderKilled kills the replica that writes status, and looks at the status all the time.
func TestLeaderKilled(t *testing.T) {
	ttl := length(4*time.Second, 30*time.Second)
	leader := promise(t, "leader killed", "new one within the lease time (%s)", ttl)
	steady := promise(t, "status meanwhile", "never flaps")
	c := newServer(t, "leader-killed")
	c.apply(t, c.service("a"), c.slice("a", startPod(t, "a")), c.ingress("app", "app.test", "a"))
	args := []string{"--election-ttl", ttl.String(), "--publish-status-address", "192.0.2.1"}
	one := c.controller(t, "one", args...)
	harness.Until(t, 20*time.Second, "status", func() bool { return len(c.statusOf("app")) == 1 })
	two := c.controller(t, "two", args...)
	harness.Until(t, 20*time.Second, "a leader", func() bool { return c.holder() == "one" })
	var flaps, looks atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go func() {
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			looks.Add(1)
			if s := c.statusOf("app"); len(s) != 1 || s[0].IP != "192.0.2.1" {
				flaps.Add(1)
			}
		}
	}()
	one.Kill()
	took := harness.Until(t, 2*ttl, "a new leader", func() bool { return c.holder() == "two" })
	c.apply(t, c.ingress("new", "new.test", "a"))
	status := harness.Until(t, 10*time.Second, "status of a new Ingress", func() bool { return len(c.statusOf("new")) == 1 })
	c.controller(t, "three", args...)
	two.Stop(t) // gives the Lease back; others run, so the status stays
	handed := harness.Until(t, 2*ttl, "a third leader", func() bool { return c.holder() == "three" })
	stop()
	leader.is(took <= ttl, "after %s, status of a new Ingress %s later; handed over in %s", took.Round(10*time.Millisecond), status.Round(10*time.Millisecond), handed.Round(10*time.Millisecond))
	steady.is(flaps.Load() == 0 && looks.Load() > 0, "%d of %d looks differ", flaps.Load(), looks.Load())
}

// TestOldestClaimWins lets two namespaces claim a host.
func TestOldestClaimWins(t *testing.T) {
	row := promise(t, "one host claimed in two namespaces", "oldest wins, after a restart too")
	c := newCluster(t, "oldest-claim")
	other := c.sibling(t, "a-"+c.name) // sorts before, is younger
	c.backend(t, "old")
	c.apply(t, c.ingress("app", "app.test", "old"))
	time.Sleep(1100 * time.Millisecond) // creation times have whole seconds
	other.backend(t, "young")
	other.apply(t, other.ingress("app", "app.test", "young"))
	var wrong []string
	for _, name := range []string{"one", "two"} {
		r := c.anew(t, name, "--publish-status-address", "192.0.2.1")
		if !answers(r.http, "app.test", 200, "old") {
			wrong = append(wrong, name)
		}
		harness.Change(t, c, c.ingress("app", "", ""), func(o *ingressType) { o.Labels = map[string]string{"touched": name} })
		time.Sleep(300 * time.Millisecond)
		if !answers(r.http, "app.test", 200, "old") {
			wrong = append(wrong, name+" after an update")
		}
	}
	harness.Until(t, 20*time.Second, "an Event on the loser", func() bool { return other.warned("app", c.name+"/app") })
	c.remove(t, c.ingress("app", "", ""))
	row.is(len(wrong) == 0, "wrong: %d%v", len(wrong), wrong)
}

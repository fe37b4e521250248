package rollout

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// moved promises the two rows of a scenario that replaces the replicas of the gate, and returns what runs it: under
// load, with WebSockets and slow downloads open.
func moved(t *testing.T, scenario string) (run func(c *live, move func())) {
	t.Helper()
	requests := promise(t, scenario+", two replicas", "0 failed")
	streams := promise(t, scenario+": WebSockets and slow downloads", "end only at the drain limit (%s)", drainLimit)
	return func(c *live, move func()) {
		t.Helper()
		var list []*stream
		for range 6 {
			list = append(list, open(t, c.http, "app.test", true), open(t, c.http, "app.test", false))
		}
		l := c.load(t)
		begin := time.Now()
		move()
		took := time.Since(begin)
		time.Sleep(time.Second)
		text, met := l.figure(t)
		requests.is(met, "%s, in %s", text, took.Round(100*time.Millisecond))
		early, last := 0, time.Duration(0)
		for _, s := range list {
			after := s.wait(t, begin.Add(drainLimit+90*time.Second)).Sub(begin)
			if after < drainLimit {
				t.Logf("a stream (WebSocket: %v) ended %s after the move began: %v", s.upgraded, after, s.err)
				early++
			}
			last = max(last, after)
		}
		streams.is(early == 0, "%d of %d ended sooner, the last after %s", early, len(list), last.Round(100*time.Millisecond))
	}
}

// TestLiveRestart replaces the replicas of the gate.
func TestLiveRestart(t *testing.T) {
	run := moved(t, "rolling restart of yett")
	c := deployed(t).live
	run(c, func() { c.restart(t, gateName, gateWorkload) })
}

// TestLiveUpgrade upgrades the gate to another image and goes back, by Helm.
func TestLiveUpgrade(t *testing.T) {
	tested := promise(t, "helm test", "passes")
	upgrade, rollback := moved(t, "helm upgrade of yett"), moved(t, "helm rollback of yett")
	c := deployed(t).live
	_, err := c.tryHelm("test", gateName, "--namespace", gateName, "--timeout", "60s")
	tested.is(err == nil, "error: %v", err)
	image := func() string {
		return c.kubectl(t, "-n", gateName, "get", "deployment", gateWorkload, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	}
	before := image()
	upgrade(c, func() {
		c.helm(t, "upgrade", gateName, chart, "--namespace", gateName, "--values", "testdata/values.yaml", "--set", "controller.image.tag=next",
			"--wait", "--timeout", "170s")
	})
	if image() == before {
		t.Error("the image is the same after the upgrade")
	}
	rollback(c, func() {
		c.helm(t, "rollback", gateName, "--namespace", gateName, "--wait", "--timeout", "170s")
	})
	if now := image(); now != before {
		t.Errorf("image %s after the rollback, want %s", now, before)
	}
}

// TestLiveLeaderKilled kills the pod that writes status, and looks at the status all the time.
func TestLiveLeaderKilled(t *testing.T) {
	leader := promise(t, "leader's pod killed", "new one within the lease time (%s)", leaseTime)
	steady := promise(t, "status meanwhile", "never flaps")
	c := deployed(t)
	holder := func() string {
		name, _ := c.live.try("-n", gateName, "get", "lease", gateName+"-leader", "-o", "jsonpath={.spec.holderIdentity}")
		return name
	}
	want := c.live.kubectl(t, "-n", gateName, "get", "service", gateWorkload, "-o", "jsonpath={.spec.clusterIP}")
	harness.Until(t, 30*time.Second, "status is the Service's address", func() bool { return joined(c.statusOf("echo")) == want })
	old := holder()
	var flaps, looks atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go func() {
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			looks.Add(1)
			if joined(c.statusOf("echo")) != want {
				flaps.Add(1)
			}
		}
	}()
	l := c.live.load(t)
	begin := time.Now()
	c.live.kubectl(t, "-n", gateName, "delete", "pod", old, "--grace-period=0", "--force", "--wait=false")
	harness.Until(t, time.Minute, "a new leader", func() bool {
		now := holder()
		return now != "" && now != old
	})
	took := time.Since(begin)
	c.live.kubectl(t, "-n", gateName, "rollout", "status", "deployment/"+gateWorkload, "--timeout=120s")
	stop()
	sent, failed, _ := l.finish()
	leader.is(took <= leaseTime, "after %s; %d of %d requests were in the killed pod", took.Round(100*time.Millisecond), failed, sent)
	steady.is(flaps.Load() == 0 && looks.Load() > 0, "%d of %d looks differ", flaps.Load(), looks.Load())
}

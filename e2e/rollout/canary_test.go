package rollout

import (
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestCanary brings a canary from nothing to everything, under load, promotes and deletes it.
func TestCanary(t *testing.T) {
	requests := length(1000, 10000)
	// Shares are drawn by lot: four standard deviations of so many requests are allowed for, which is 2 % of 10 000.
	bar := 100 * 4 * math.Sqrt(0.25/float64(requests))
	row := promise(t, "canary 0 → 100 in steps, promoted, deleted", "0 failed, share within %.0f %%", bar)
	c := newCluster(t, "canary")
	c.backend(t, "stable")
	c.backend(t, "next")
	c.apply(t, c.ingress("app", "app.test", "stable"))
	r := c.gate(t)
	harness.Until(t, 5*time.Second, "the host answers", func() bool { return answers(r.http, "app.test", 200, "stable") })
	var counts [2]atomic.Int64
	l := (&load{target: fixed(r.http), host: "app.test", rate: 200, check: func(status int, body string) error {
		switch {
		case status != 200:
			return fmt.Errorf("status %d", status)
		case body == "next":
			counts[1].Add(1)
		default:
			counts[0].Add(1)
		}
		return nil
	}}).start(t)
	canary := c.ingress("canary", "app.test", "next")
	canary.Annotations = map[string]string{prefix + "canary": "true", prefix + "canary-weight": "0"}
	c.apply(t, canary)
	worst := 0.0
	ask := &load{target: fixed(r.http), host: "app.test"}
	for _, weight := range []int{0, 10, 50, 90, 100} {
		harness.Change(t, c, canary, func(o *ingressType) { o.Annotations[prefix+"canary-weight"] = strconv.Itoa(weight) })
		time.Sleep(500 * time.Millisecond) // longer than any change takes
		share := shareOf(t, ask, "next", requests)
		if off := math.Abs(share - float64(weight)); off > worst {
			worst = off
		}
		t.Logf("weight %d: %.1f %%", weight, share)
	}
	harness.Change(t, c, c.ingress("app", "", ""), func(o *ingressType) { o.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "next" })
	harness.Until(t, 5*time.Second, "promoted", func() bool { return answers(r.http, "app.test", 200, "next") })
	c.remove(t, canary)
	time.Sleep(500 * time.Millisecond)
	if share := shareOf(t, ask, "next", 200); share != 100 {
		t.Errorf("promoted and the canary deleted: %.1f %% go to the new one", share)
	}
	text, met := l.figure(t)
	row.is(met && worst <= bar, "%s, off by at most %.1f %%", text, worst)
}

// shareOf returns how many of a number of requests, in per cent, a backend answers.
func shareOf(t *testing.T, l *load, name string, requests int) float64 {
	t.Helper()
	hits := 0
	l.check = func(_ int, body string) error {
		if body == name {
			hits++
		}
		return nil
	}
	for i := range requests {
		if err := l.one(i); err != nil {
			t.Fatal(err)
		}
	}
	return 100 * float64(hits) / float64(requests)
}

package rollout

import (
	"testing"
	"time"
)

// TestLiveStatus writes status from each kind of source (nginx-compat section 4.4), as the chart's values choose it.
func TestLiveStatus(t *testing.T) {
	row := promise(t, "status from LoadBalancer, NodePort, nodes, ClusterIP", "as ingress-nginx")
	c := deployed(t)
	upgrade := func(set string) {
		t.Helper()
		c.live.helm(t, "upgrade", gateName, chart, "--namespace", gateName, "--values", "testdata/values.yaml", "--set", set, "--wait", "--timeout", "170s")
	}
	t.Cleanup(func() {
		upgrade("controller.service.type=NodePort")
		var err error
		if c.live.http, c.live.https, err = c.live.addresses(gateName, gateWorkload); err != nil {
			t.Error(err)
		}
	})
	own := c.live.kubectl(t, "-n", gateName, "get", "service", gateWorkload, "-o", "jsonpath={.spec.clusterIP}")
	// Each differs from the one before, so that none is right without a change.
	cases := []struct {
		name, set string
		want      func() string
	}{
		{"Service of type LoadBalancer", "controller.service.type=LoadBalancer", func() string { return c.live.balanced(t) }},
		{"Service of type NodePort", "controller.service.type=NodePort", func() string { return own }},
		{"nodes of the ready replicas", "controller.publishService.enabled=false", func() string { return c.live.node }},
		{"Service of type ClusterIP", "controller.service.type=ClusterIP", func() string { return own }},
	}
	right := 0
	for _, tc := range cases {
		upgrade(tc.set)
		want := tc.want()
		var got string
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && got != want; time.Sleep(50 * time.Millisecond) {
			got = joined(c.statusOf("echo"))
		}
		if got == want {
			right++
		} else {
			t.Errorf("%s: status is %q, want %q", tc.name, got, want)
		}
	}
	row.is(right == len(cases), "%d of %d right", right, len(cases))
}

// balanced returns what the Service of type LoadBalancer has got: from the cluster, or from here if that gives none.
func (c *live) balanced(t *testing.T) string {
	t.Helper()
	get := func() string {
		return c.kubectl(t, "-n", gateName, "get", "service", gateWorkload, "-o", "jsonpath={range .status.loadBalancer.ingress[*]}{.ip}{.hostname} {end}")
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if text := get(); text != "" {
			return text
		}
	}
	c.kubectl(t, "-n", gateName, "patch", "service", gateWorkload, "--subresource=status", "--type=merge",
		"--patch", `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"},{"hostname":"lb.example.test"}]}}}`)
	return get()
}

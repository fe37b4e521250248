package rollout

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestLiveBackend rolls, scales and kills the pods of a backend.
func TestLiveBackend(t *testing.T) {
	rounds, kills := length(2, 10), length(2, 5)
	rolled := promise(t, fmt.Sprintf("rolling update of a backend, %d times", rounds), "0 failed")
	scaled := promise(t, "scaled 3 → 6 → 2 → 5 → 3", "0 failed")
	killed := promise(t, fmt.Sprintf("%d pods killed with --grace-period=0", kills), "0 failed")
	c := deployed(t)
	kubectl := func(args ...string) string {
		return c.live.kubectl(t, append([]string{"-n", appNamespace}, args...)...)
	}
	l := c.live.load(t)
	for range rounds {
		c.live.restart(t, appNamespace, "echo")
	}
	text, met := l.figure(t)
	rolled.is(met, "%s", text)

	l = c.live.load(t)
	for _, replicas := range []string{"6", "2", "5", "3"} {
		kubectl("scale", "deployment/echo", "--replicas="+replicas)
		kubectl("rollout", "status", "deployment/echo", "--timeout=60s")
		time.Sleep(3 * time.Second) // the pods that go take two
	}
	text, met = l.figure(t)
	scaled.is(met, "%s", text)

	l = c.live.load(t)
	for range kills {
		pod := kubectl("get", "pods", "-l", "app=echo", "-o", "jsonpath={.items[0].metadata.name}")
		kubectl("delete", "pod", pod, "--grace-period=0", "--force")
		kubectl("rollout", "status", "deployment/echo", "--timeout=60s")
	}
	text, met = l.figure(t)
	killed.is(met, "%s", text)
}

// TestLiveNothingReady takes away what a host needs, piece by piece, and gives it back.
func TestLiveNothingReady(t *testing.T) {
	row := promise(t, "scale to zero, Service missing, port missing", "503, Event, back within 1 s of a ready pod")
	c := deployed(t)
	scale := func(replicas string) {
		c.live.kubectl(t, "-n", appNamespace, "scale", "deployment/echo", "--replicas="+replicas)
	}
	t.Cleanup(func() { scale("3") })
	sees := func(what string, status int) time.Duration {
		t.Helper()
		return harness.Until(t, 20*time.Second, what, func() bool { return answers(c.live.http, "app.test", status, "") })
	}
	scale("0")
	sees("scaled to zero", 503)
	scale("1")
	harness.Until(t, time.Minute, "a ready pod", func() bool {
		var list corev1.PodList
		err := c.List(context.Background(), &list, client.InNamespace(appNamespace), client.MatchingLabels{"app": "echo"})
		return err == nil && slices.ContainsFunc(list.Items, func(o corev1.Pod) bool { return o.DeletionTimestamp == nil && podReady(&o) })
	})
	scaled := sees("scaled up", 200)

	service := &corev1.Service{ObjectMeta: harness.Meta(appNamespace, "echo")}
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(service), service); err != nil {
		t.Fatal(err)
	}
	again := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: "echo", Annotations: service.Annotations}, Spec: service.Spec}
	again.Spec.ClusterIP, again.Spec.ClusterIPs = "", nil
	c.remove(t, service)
	sees("Service missing", 503)
	harness.Until(t, 20*time.Second, "an Event names the Service", func() bool { return c.warned("echo", "no Service "+appNamespace+"/echo") })
	c.apply(t, again)
	back := sees("Service back", 200)

	port := func(n int32) {
		harness.Change(t, c, c.service("echo"), func(o *serviceType) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = n, intstr.FromInt32(podPort) })
	}
	port(81)
	sees("port missing", 503)
	harness.Until(t, 20*time.Second, "an Event names the port", func() bool { return c.warned("echo", "80") })
	port(80)
	ported := sees("port back", 200)
	row.is(max(scaled, back, ported) <= time.Second, "back after %s, %s, %s", scaled.Round(time.Millisecond), back.Round(time.Millisecond), ported.Round(time.Millisecond))
}

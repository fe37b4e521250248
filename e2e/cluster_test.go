package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cluster is a real API server and etcd.
type cluster struct{ *harness.Cluster }

// apiServer starts one for a test, or skips where the programs are not there.
func apiServer(t *testing.T) *cluster {
	t.Helper()
	return &cluster{harness.StartCluster(t)}
}

// controller runs yett on the cluster.
func (c *cluster) controller(t *testing.T, more ...string) *harness.Gate {
	t.Helper()
	return start(t, c.Controller(harness.NodeIP, more...)...)
}

// latencies collects how long changes took to reach clients.
type latencies struct {
	mu   sync.Mutex
	list []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.list = append(l.list, d)
	l.mu.Unlock()
}

// quantile returns the smallest figure that q of all do not exceed.
func (l *latencies) quantile(q float64) time.Duration {
	slices.Sort(l.list)
	return l.list[min(int(q*float64(len(l.list))), len(l.list)-1)]
}

// TestEveryKindChangesWhatClientsSee creates, changes and deletes each watched kind and waits for clients to
// see it, many times.
func TestEveryKindChangesWhatClientsSee(t *testing.T) {
	c := apiServer(t)
	a, b := harness.StartBackend(t, harness.NodeIP, "a"), harness.StartBackend(t, harness.NodeIP, "b")
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"), harness.Service("default", "a"), harness.Service("default", "b"),
		harness.Slice("default", "a-1", "a", a.Port, true, a.IP), harness.Slice("default", "b-1", "b", b.Port, true, b.IP))
	g := c.controller(t, "--configmap", "default/settings", "--update-status=false", "--metrics-per-host=false")
	cl := harness.Browser(t)
	took := &latencies{}
	sees := func(what, host string, status int, body string) {
		t.Helper()
		took.add(harness.Until(t, 5*time.Second, what, func() bool {
			s, b, err := harness.Ask(cl, g.HTTP, host, "/")
			return err == nil && s == status && (body == "" || b == body)
		}))
	}
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	for i := range rounds {
		host := fmt.Sprintf("h%d.test", i)
		one := harness.Ingress("default", fmt.Sprintf("one-%d", i), "nginx", host, "a")
		c.Make(t, one)
		sees("Ingress created", host, 200, "a")
		harness.Change(t, c, one, func(o *networkingv1.Ingress) {
			o.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "b"
		})
		sees("Ingress changed", host, 200, "b")
		harness.Change(t, c, one, func(o *networkingv1.Ingress) {
			o.Annotations = map[string]string{"nginx.ingress.kubernetes.io/permanent-redirect": "https://elsewhere.test"}
		})
		sees("annotation added", host, 301, "")
		harness.Change(t, c, one, func(o *networkingv1.Ingress) { o.Annotations = nil })
		sees("annotation removed", host, 200, "b")

		slice := &discoveryv1.EndpointSlice{ObjectMeta: harness.Meta("default", "b-1")}
		harness.Change(t, c, slice, func(o *discoveryv1.EndpointSlice) { *o.Endpoints[0].Conditions.Ready = false })
		sees("endpoint not ready", host, 503, "")
		harness.Change(t, c, slice, func(o *discoveryv1.EndpointSlice) { *o.Endpoints[0].Conditions.Ready = true })
		sees("endpoint ready", host, 200, "b")
		c.Remove(t, slice)
		sees("EndpointSlice deleted", host, 503, "")
		c.Make(t, harness.Slice("default", "b-1", "b", b.Port, true, b.IP))
		sees("EndpointSlice created", host, 200, "b")

		service := &corev1.Service{ObjectMeta: harness.Meta("default", "b")}
		harness.Change(t, c, service, func(o *corev1.Service) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 81, intstr.FromInt32(81) })
		sees("Service port gone", host, 503, "")
		harness.Change(t, c, service, func(o *corev1.Service) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 80, intstr.FromInt32(80) })
		sees("Service port back", host, 200, "b")
		c.Remove(t, service)
		sees("Service deleted", host, 503, "")
		c.Make(t, harness.Service("default", "b"))
		sees("Service created", host, 200, "b")

		harness.Change(t, c, one, func(o *networkingv1.Ingress) {
			o.Annotations = map[string]string{
				"nginx.ingress.kubernetes.io/auth-type": "basic", "nginx.ingress.kubernetes.io/auth-secret": "users",
			}
		})
		sees("Secret missing", host, 503, "")
		secret := &corev1.Secret{ObjectMeta: harness.Meta("default", "users"), Data: map[string][]byte{"auth": []byte("u:{PLAIN}p\n")}}
		c.Make(t, secret)
		sees("Secret created", host, 401, "")
		c.Remove(t, secret)
		sees("Secret deleted", host, 503, "")
		harness.Change(t, c, one, func(o *networkingv1.Ingress) { o.Annotations = nil })
		sees("auth removed", host, 200, "b")

		settings := &corev1.ConfigMap{ObjectMeta: harness.Meta("default", "settings"), Data: map[string]string{"whitelist-source-range": "192.0.2.0/24"}}
		c.Make(t, settings)
		sees("ConfigMap created", host, 403, "")
		harness.Change(t, c, settings, func(o *corev1.ConfigMap) { o.Data = nil })
		sees("ConfigMap changed", host, 200, "b")
		c.Remove(t, settings)

		class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}}
		c.Remove(t, class)
		sees("IngressClass deleted", host, 404, "")
		c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"))
		sees("IngressClass created", host, 200, "b")
		c.Remove(t, one)
		sees("Ingress deleted", host, 404, "")
	}
	t.Logf("%d changes: p50 %s, p99 %s, max %s", len(took.list), took.quantile(0.5), took.quantile(0.99), took.quantile(1))
	if p99 := took.quantile(0.99); p99 > 300*time.Millisecond {
		t.Errorf("change to traffic takes %s at p99, want at most 300 ms", p99)
	}
}

func TestLeaderWritesStatusAndEvents(t *testing.T) {
	c := apiServer(t)
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"), harness.Class("other", "example.test/other"))
	bad := harness.Ingress("default", "bad", "nginx", "bad.test", "missing")
	bad.Annotations = map[string]string{
		"nginx.ingress.kubernetes.io/whitelist-source-range": "not-an-address", "nginx.ingress.kubernetes.io/limit-rps": "many",
		"nginx.ingress.kubernetes.io/limit-rpm": "more",
	}
	c.Make(t, &corev1.ConfigMap{ObjectMeta: harness.Meta("default", "tcp"), Data: map[string]string{"90x": "default/db:1", "9001": "db"}})
	other := harness.Ingress("default", "other", "nginx", "other.test", "missing")
	other.Spec.IngressClassName = &[]string{"other"}[0]
	c.Make(t, harness.Ingress("default", "good", "nginx", "good.test", "missing"), bad, other)
	args := []string{"--publish-status-address", "192.0.2.7,gate.example.test", "--tcp-services-configmap", "default/tcp"}
	c.controller(t, args...)
	second := c.controller(t, args...)
	want := []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.7"}, {Hostname: "gate.example.test"}}
	harness.Until(t, 20*time.Second, "status", func() bool {
		var o networkingv1.Ingress
		err := c.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "good"}, &o)
		return err == nil && slices.EqualFunc(o.Status.LoadBalancer.Ingress, want,
			func(a, b networkingv1.IngressLoadBalancerIngress) bool {
				return a.IP == b.IP && a.Hostname == b.Hostname
			})
	})
	for _, about := range [][2]string{{"bad", "source-range"}, {"bad", "limit-rps"}, {"bad", "limit-rpm"}, {"tcp", "90x"}, {"tcp", "9001"}} {
		harness.Until(t, 20*time.Second, "Event about "+about[1], func() bool {
			var events corev1.EventList
			if err := c.List(context.Background(), &events); err != nil {
				return false
			}
			return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
				return e.InvolvedObject.Name == about[0] && e.Type == corev1.EventTypeWarning && strings.Contains(e.Message, about[1])
			})
		})
	}
	if status, _, err := harness.Ask(harness.Browser(t), second.HTTP, "bad.test", "/"); status != 503 {
		t.Errorf("bad allow list answers %d %v, want 503", status, err)
	}
	var o networkingv1.Ingress
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(other), &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Status.LoadBalancer.Ingress) != 0 {
		t.Errorf("the Ingress of another class got our status: %v", o.Status)
	}
}

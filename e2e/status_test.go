package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// addressesOf returns what the status of an Ingress says, in its order.
func (c *cluster) addressesOf(name string) []string {
	var o networkingv1.Ingress
	if err := c.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: name}, &o); err != nil {
		return nil
	}
	var list []string
	for _, i := range o.Status.LoadBalancer.Ingress {
		list = append(list, i.IP+i.Hostname)
	}
	return list
}

// TestStatusSaysWhereTheProxyIsReached follows every source of addresses: the types of the published Service,
// and the node that the pod runs on.
func TestStatusSaysWhereTheProxyIsReached(t *testing.T) {
	c := apiServer(t)
	ctx := context.Background()
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"), harness.Ingress("default", "good", "nginx", "good.test", "missing"))
	published := func(name string, kind corev1.ServiceType, external ...string) *corev1.Service {
		s := harness.Service("default", name)
		s.Spec.Type, s.Spec.ExternalIPs = kind, external
		if kind == corev1.ServiceTypeExternalName {
			s.Spec.ExternalName = "gate.example.test"
		}
		c.Make(t, s)
		return s
	}
	balancer := published("balancer", corev1.ServiceTypeLoadBalancer, "192.0.2.50")
	balancer.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.10"}, {Hostname: "lb.example.test"}}
	if err := c.Status().Update(ctx, balancer); err != nil {
		t.Fatal(err)
	}
	published("ports", corev1.ServiceTypeNodePort, "192.0.2.60")
	published("name", corev1.ServiceTypeExternalName)
	inner := published("inner", corev1.ServiceTypeClusterIP)

	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}
	c.Make(t, node)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.70"}, {Type: corev1.NodeExternalIP, Address: "192.0.2.71"}}
	if err := c.Status().Update(ctx, node); err != nil {
		t.Fatal(err)
	}
	c.Make(t, &corev1.ServiceAccount{ObjectMeta: harness.Meta("default", "default")})
	pod := &corev1.Pod{ObjectMeta: harness.Meta("default", "yett-1"), Spec: corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	pod.Labels = map[string]string{"app.kubernetes.io/name": "yett"}
	c.Make(t, pod)
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := c.Status().Update(ctx, pod); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POD_NAMESPACE", "default")
	t.Setenv("POD_NAME", "yett-1")
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"a LoadBalancer: its own addresses, then external ones", []string{"--publish-service", "default/balancer"}, []string{"192.0.2.10", "lb.example.test", "192.0.2.50"}},
		{"a NodePort: external addresses", []string{"--publish-service", "default/ports"}, []string{"192.0.2.60"}},
		{"a ClusterIP: its address", []string{"--publish-service", "default/inner"}, []string{inner.Spec.ClusterIP}},
		{"an ExternalName: the name", []string{"--publish-service", "default/name"}, []string{"gate.example.test"}},
		{"no Service: the external address of the node", nil, []string{"192.0.2.71"}},
		{"no Service: the internal address of the node", []string{"--report-node-internal-ip-address"}, []string{"192.0.2.70"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := c.controller(t, append(test.args, "--update-status-on-shutdown=false", "--election-ttl", "2s")...)
			harness.Until(t, 20*time.Second, strings.Join(test.want, " "), func() bool { return slices.Equal(c.addressesOf("good"), test.want) })
			_ = g
		})
	}
	t.Run("the last replica clears it at its end", func(t *testing.T) {
		g := c.controller(t, "--publish-status-address", "192.0.2.99", "--election-ttl", "2s")
		harness.Until(t, 20*time.Second, "status", func() bool { return slices.Equal(c.addressesOf("good"), []string{"192.0.2.99"}) })
		g.Stop(t)
		if got := c.addressesOf("good"); len(got) != 0 {
			t.Errorf("after the last replica ended: %v", got)
		}
	})
}

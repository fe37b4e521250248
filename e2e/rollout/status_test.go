package rollout

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// published returns a Service of a type with all the addresses it may have.
func (c *cluster) published(t *testing.T, kind corev1.ServiceType, edit func(*corev1.Service)) *corev1.Service {
	t.Helper()
	s := c.service(strings.ToLower("publish-" + string(kind)))
	s.Spec.Type = kind
	if edit != nil {
		edit(s)
	}
	c.apply(t, s)
	return s
}

// TestStatusSources writes status from each kind of source (nginx-compat section 4.4).
func TestStatusSources(t *testing.T) {
	row := promise(t, "status from every source", "as ingress-nginx")
	c := newServer(t, "status")
	c.apply(t, c.service("a"), c.ingress("app", "app.test", "a"))
	balanced := c.published(t, corev1.ServiceTypeLoadBalancer, func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"192.0.2.9"} })
	balanced.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}, {Hostname: "lb.example.test"}}
	if err := c.Status().Update(context.Background(), balanced); err != nil {
		t.Fatal(err)
	}
	ported := c.published(t, corev1.ServiceTypeNodePort, nil)
	plain := c.published(t, corev1.ServiceTypeClusterIP, nil)
	named := c.published(t, corev1.ServiceTypeExternalName, func(s *corev1.Service) { s.Spec.ExternalName = "gate.example.test" })
	c.node(t, "node-1", "198.51.100.1", "10.0.0.1", true)
	c.node(t, "node-2", "198.51.100.2", "10.0.0.2", false) // its replica is not ready
	service := func(s *corev1.Service) []string { return []string{"--publish-service", c.name + "/" + s.Name} }
	cases := []struct {
		name, want string
		args       []string
	}{
		{"Service of type LoadBalancer", "192.0.2.1 lb.example.test 192.0.2.9", service(balanced)},
		{"Service of type NodePort", ported.Spec.ClusterIP, service(ported)},
		{"Service of type ClusterIP", plain.Spec.ClusterIP, service(plain)},
		{"Service of type ExternalName", "gate.example.test", service(named)},
		{"node of the ready replica, external", "198.51.100.1", nil},
		{"node of the ready replica, internal", "10.0.0.1", []string{"--report-node-internal-ip-address"}},
		{"addresses given", "192.0.2.7 name.example.test", []string{"--publish-status-address", "192.0.2.7,name.example.test"}},
	}
	right := 0
	for _, tc := range cases {
		r := c.controller(t, "node-1", append(tc.args, "--election-ttl", "4s", "--update-status-on-shutdown=false")...)
		var got string
		for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline) && got != tc.want; time.Sleep(20 * time.Millisecond) {
			got = joined(c.statusOf("app"))
		}
		if got == tc.want {
			right++
		} else {
			t.Errorf("%s: status is %q, want %q", tc.name, got, tc.want)
		}
		r.Stop(t)
	}
	row.is(right == len(cases), "%d of %d right", right, len(cases))
}

// joined is a status as one line.
func joined(list []networkingv1.IngressLoadBalancerIngress) string {
	var texts []string
	for _, i := range list {
		texts = append(texts, i.IP+i.Hostname)
	}
	return strings.Join(texts, " ")
}

// node makes a node and a replica of the gate on it, of the same name.
func (c *cluster) node(t *testing.T, name, external, internal string, ready bool) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.apply(t, node)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: internal}, {Type: corev1.NodeExternalIP, Address: external}}
	if err := c.Status().Update(context.Background(), node); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: harness.Meta(c.name, name), Spec: corev1.PodSpec{NodeName: name, Containers: []corev1.Container{{Name: "controller", Image: "yett"}}}}
	pod.Labels = map[string]string{"app.kubernetes.io/name": "yett"}
	c.apply(t, pod)
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(c.Delete(context.Background(), pod, client.GracePeriodSeconds(0))); err != nil {
			t.Error(err)
		}
	})
	if !ready {
		return
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := c.Status().Update(context.Background(), pod); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenObjects puts one broken object of each kind beside a good one (reliability section 2.5 A).
func TestBrokenObjects(t *testing.T) {
	row := promise(t, "one broken object of each kind", "everything else serves, Event names it")
	c := newCluster(t, "broken")
	c.backend(t, "a")
	c.apply(t, c.ingress("ok", "ok.test", "a"))
	r := c.gate(t, "--publish-status-address", "192.0.2.1")
	l := (&load{target: fixed(r.http), host: "ok.test", rate: 50}).start(t)
	c.apply(t, &corev1.Secret{ObjectMeta: harness.Meta(c.name, "empty"), Data: map[string][]byte{"other": []byte("x")}},
		&corev1.Secret{ObjectMeta: harness.Meta(c.name, "garbage"), Data: map[string][]byte{"auth": []byte("\x00:::\nno colon"), "ca.crt": []byte("not PEM")}})
	cases := []struct {
		key, value, beside string
		want               []int
	}{
		{"configuration-snippet", "return 200;", "", []int{404, 503, 200}}, // as allow-snippet-annotations has it: dropped
		{"auth-secret", "../../kube-system/x", "auth-type: basic", []int{503}},
		{"auth-secret", "kube-system/x", "auth-type: basic", []int{503}},
		{"auth-secret", "missing", "auth-type: basic", []int{503}},
		{"auth-secret", "empty", "auth-type: basic", []int{503}},
		{"auth-secret", "garbage", "auth-type: basic", []int{503, 401}},
		{"auth-type", "foo", "", []int{503}},
		{"auth-url", ":::", "", []int{503}},
		{"allowlist-source-range", "10.0.0.0/33", "", []int{503}},
		{"denylist-source-range", "x", "", []int{503}},
		{"limit-rps", "abc", "", []int{503}},
		{"auth-tls-secret", c.name + "/missing", "", []int{503, 403}},
		{"auth-tls-secret", c.name + "/garbage", "", []int{503, 403}},
	}
	for i, tc := range cases {
		one := c.ingress(fmt.Sprintf("bad-%d", i), fmt.Sprintf("bad-%d.test", i), "a")
		one.Annotations = map[string]string{prefix + tc.key: tc.value}
		if key, value, ok := strings.Cut(tc.beside, ": "); ok {
			one.Annotations[prefix+key] = value
		}
		c.apply(t, one)
	}
	time.Sleep(500 * time.Millisecond)
	right := 0
	for i, tc := range cases {
		name := fmt.Sprintf("bad-%d", i)
		status, _, err := ask(r.http, name+".test")
		contained := false
		for _, want := range tc.want {
			contained = contained || status == want
		}
		if !contained || err != nil {
			t.Errorf("%s: %q answers %d %v, want %v", tc.key, tc.value, status, err, tc.want)
			continue
		}
		named := false
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && !named; time.Sleep(50 * time.Millisecond) {
			named = c.warned(name, tc.key)
		}
		if !named {
			t.Errorf("%s: %q: no Event of the Ingress names it", tc.key, tc.value)
			continue
		}
		right++
	}
	text, met := l.figure(t)
	row.is(met && right == len(cases), "%s; %d of %d contained and named", text, right, len(cases))
}

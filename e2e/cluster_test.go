package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// cluster is a real API server and etcd.
type cluster struct {
	client.Client
	kubeconfig string
	env        *envtest.Environment
}

// apiServer starts one for a test, or skips where the programs are not there.
func apiServer(t *testing.T) *cluster {
	t.Helper()
	needNamespace(t)
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Skip("needs kube-apiserver and etcd: run `make test`, which builds them, or set KUBEBUILDER_ASSETS")
	}
	log.SetLogger(logr.Discard()) // controller-runtime complains otherwise
	env := &envtest.Environment{BinaryAssetsDirectory: assets}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	user, err := env.AddUser(envtest.User{Name: "yett", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{Client: c, kubeconfig: kubeconfig, env: env}
}

// controller runs yett on the cluster.
func (c *cluster) controller(t *testing.T, more ...string) *gate {
	t.Helper()
	return start(t, append([]string{"controller", "--kubeconfig", c.kubeconfig, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--bind-address", podIP, "--profiling=false"}, more...)...)
}

// apply creates an object or fails the test.
func (c *cluster) apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Create(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// change reads an object, changes it and writes it back.
func change[T client.Object](t *testing.T, c *cluster, o T, edit func(T)) {
	t.Helper()
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	edit(o)
	if err := c.Update(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name}
}

func classObject(name, controller string) *networkingv1.IngressClass {
	return &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressClassSpec{Controller: controller}}
}

func serviceObject(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
}

func sliceObject(name, service string, ready bool, backends ...*backend) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{ObjectMeta: meta(name), AddressType: discoveryv1.AddressTypeIPv4}
	o.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	port, portName := int32(0), "http"
	for _, b := range backends {
		port = int32(b.port)
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{podIP}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	o.Ports = []discoveryv1.EndpointPort{{Name: &portName, Port: &port}}
	return o
}

func ingressObject(name, host, service string) *networkingv1.Ingress {
	class, prefix := "nginx", networkingv1.PathTypePrefix
	return &networkingv1.Ingress{ObjectMeta: meta(name), Spec: networkingv1.IngressSpec{
		IngressClassName: &class,
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}}},
	}}
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
	a, b := startBackend(t, podIP, "a"), startBackend(t, podIP, "b")
	c.apply(t, classObject("nginx", "k8s.io/ingress-nginx"), serviceObject("a"), serviceObject("b"),
		sliceObject("a-1", "a", true, a), sliceObject("b-1", "b", true, b))
	g := c.controller(t, "--configmap", "default/settings", "--update-status=false", "--metrics-per-host=false")
	cl := browser(t)
	took := &latencies{}
	sees := func(what, host string, status int, body string) {
		t.Helper()
		took.add(until(t, 5*time.Second, what, func() bool {
			s, b, err := ask(cl, g.http, host, "/")
			return err == nil && s == status && (body == "" || b == body)
		}))
	}
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	for i := range rounds {
		host := fmt.Sprintf("h%d.test", i)
		one := ingressObject(fmt.Sprintf("one-%d", i), host, "a")
		c.apply(t, one)
		sees("Ingress created", host, 200, "a")
		change(t, c, one, func(o *networkingv1.Ingress) {
			o.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "b"
		})
		sees("Ingress changed", host, 200, "b")
		change(t, c, one, func(o *networkingv1.Ingress) {
			o.Annotations = map[string]string{"nginx.ingress.kubernetes.io/permanent-redirect": "https://elsewhere.test"}
		})
		sees("annotation added", host, 301, "")
		change(t, c, one, func(o *networkingv1.Ingress) { o.Annotations = nil })
		sees("annotation removed", host, 200, "b")

		slice := &discoveryv1.EndpointSlice{ObjectMeta: meta("b-1")}
		change(t, c, slice, func(o *discoveryv1.EndpointSlice) { *o.Endpoints[0].Conditions.Ready = false })
		sees("endpoint not ready", host, 503, "")
		change(t, c, slice, func(o *discoveryv1.EndpointSlice) { *o.Endpoints[0].Conditions.Ready = true })
		sees("endpoint ready", host, 200, "b")
		c.remove(t, slice)
		sees("EndpointSlice deleted", host, 503, "")
		c.apply(t, sliceObject("b-1", "b", true, b))
		sees("EndpointSlice created", host, 200, "b")

		service := &corev1.Service{ObjectMeta: meta("b")}
		change(t, c, service, func(o *corev1.Service) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 81, intstr.FromInt32(81) })
		sees("Service port gone", host, 503, "")
		change(t, c, service, func(o *corev1.Service) { o.Spec.Ports[0].Port, o.Spec.Ports[0].TargetPort = 80, intstr.FromInt32(80) })
		sees("Service port back", host, 200, "b")
		c.remove(t, service)
		sees("Service deleted", host, 503, "")
		c.apply(t, serviceObject("b"))
		sees("Service created", host, 200, "b")

		change(t, c, one, func(o *networkingv1.Ingress) {
			o.Annotations = map[string]string{
				"nginx.ingress.kubernetes.io/auth-type": "basic", "nginx.ingress.kubernetes.io/auth-secret": "users",
			}
		})
		sees("Secret missing", host, 503, "")
		secret := &corev1.Secret{ObjectMeta: meta("users"), Data: map[string][]byte{"auth": []byte("u:{PLAIN}p\n")}}
		c.apply(t, secret)
		sees("Secret created", host, 401, "")
		c.remove(t, secret)
		sees("Secret deleted", host, 503, "")
		change(t, c, one, func(o *networkingv1.Ingress) { o.Annotations = nil })
		sees("auth removed", host, 200, "b")

		settings := &corev1.ConfigMap{ObjectMeta: meta("settings"), Data: map[string]string{"whitelist-source-range": "192.0.2.0/24"}}
		c.apply(t, settings)
		sees("ConfigMap created", host, 403, "")
		change(t, c, settings, func(o *corev1.ConfigMap) { o.Data = nil })
		sees("ConfigMap changed", host, 200, "b")
		c.remove(t, settings)

		class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}}
		c.remove(t, class)
		sees("IngressClass deleted", host, 404, "")
		c.apply(t, classObject("nginx", "k8s.io/ingress-nginx"))
		sees("IngressClass created", host, 200, "b")
		c.remove(t, one)
		sees("Ingress deleted", host, 404, "")
	}
	t.Logf("%d changes: p50 %s, p99 %s, max %s", len(took.list), took.quantile(0.5), took.quantile(0.99), took.quantile(1))
	if p99 := took.quantile(0.99); p99 > 300*time.Millisecond {
		t.Errorf("change to traffic takes %s at p99, want at most 300 ms", p99)
	}
}

// remove deletes an object or fails the test.
func (c *cluster) remove(t *testing.T, o client.Object) {
	t.Helper()
	if err := c.Delete(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

func TestLeaderWritesStatusAndEvents(t *testing.T) {
	c := apiServer(t)
	c.apply(t, classObject("nginx", "k8s.io/ingress-nginx"), classObject("other", "example.test/other"))
	bad := ingressObject("bad", "bad.test", "missing")
	bad.Annotations = map[string]string{"nginx.ingress.kubernetes.io/whitelist-source-range": "not-an-address"}
	other := ingressObject("other", "other.test", "missing")
	other.Spec.IngressClassName = &[]string{"other"}[0]
	c.apply(t, ingressObject("good", "good.test", "missing"), bad, other)
	args := []string{"--publish-status-address", "192.0.2.7,gate.example.test"}
	c.controller(t, args...)
	second := c.controller(t, args...)
	want := []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.7"}, {Hostname: "gate.example.test"}}
	until(t, 20*time.Second, "status", func() bool {
		var o networkingv1.Ingress
		err := c.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "good"}, &o)
		return err == nil && slices.EqualFunc(o.Status.LoadBalancer.Ingress, want,
			func(a, b networkingv1.IngressLoadBalancerIngress) bool {
				return a.IP == b.IP && a.Hostname == b.Hostname
			})
	})
	until(t, 20*time.Second, "Event about the bad annotation", func() bool {
		var events corev1.EventList
		if err := c.List(context.Background(), &events); err != nil {
			return false
		}
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.InvolvedObject.Name == "bad" && e.Type == corev1.EventTypeWarning && strings.Contains(e.Message, "source-range")
		})
	})
	if status, _, err := ask(browser(t), second.http, "bad.test", "/"); status != 503 {
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

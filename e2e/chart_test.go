package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// chartObjects reads what the chart renders (hack/chart keeps it up to date): the rights, and the command line.
func chartObjects(t *testing.T, file string) (rights []client.Object, args []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "hack", "chart", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		var o client.Object
		switch kind.Kind {
		case "ClusterRole":
			o = &rbacv1.ClusterRole{}
		case "ClusterRoleBinding":
			o = &rbacv1.ClusterRoleBinding{}
		case "Role":
			o = &rbacv1.Role{}
		case "RoleBinding":
			o = &rbacv1.RoleBinding{}
		case "Deployment":
			var d struct {
				Spec struct{ Template corev1.PodTemplateSpec }
			}
			if err := yaml.Unmarshal([]byte(document), &d); err != nil {
				t.Fatal(err)
			}
			args = d.Spec.Template.Spec.Containers[0].Args
			continue
		default:
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), o); err != nil {
			t.Fatal(err)
		}
		rights = append(rights, o)
	}
	return rights, args
}

// TestTheRightsOfTheChartSuffice runs yett with the rights and the command line that the chart gives it, on a real
// API server that refuses everything else.
func TestTheRightsOfTheChartSuffice(t *testing.T) {
	c := apiServer(t)
	for _, name := range []string{"edge", "shop"} {
		c.Make(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"))
	t.Run("default", func(t *testing.T) { c.serveWithRights(t, "default", false) })
	t.Run("scoped", func(t *testing.T) { c.serveWithRights(t, "scoped", false) })
	t.Run("only the image changed", func(t *testing.T) { c.serveWithRights(t, "default", true) })
}

// lessLikeIngressNginx takes away what manifests made for ingress-nginx do not grant.
func lessLikeIngressNginx(role *rbacv1.ClusterRole) {
	for i := range role.Rules {
		rule := &role.Rules[i]
		if slices.Contains(rule.Resources, "ingresses/status") {
			rule.Verbs = []string{"update"}
		}
		rule.APIGroups = slices.DeleteFunc(rule.APIGroups, func(g string) bool { return g == "events.k8s.io" })
	}
}

// serveWithRights serves an Ingress of namespace shop with what a rendering of the chart grants.
func (c *cluster) serveWithRights(t *testing.T, file string, less bool) {
	rights, args := chartObjects(t, file+".golden.yaml")
	if len(rights) == 0 || len(args) == 0 {
		t.Fatal("the chart renders no rights or no command line")
	}
	const namespace = "shop"
	user := "yett-" + file
	if less {
		user += "-less"
	}
	for _, o := range rights {
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			if less {
				lessLikeIngressNginx(o)
			}
		case *rbacv1.RoleBinding:
			o.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
		case *rbacv1.ClusterRoleBinding:
			o.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
		}
		c.Make(t, o)
		t.Cleanup(func() { _ = c.Delete(context.Background(), o) })
	}
	host := user + ".test"
	b := harness.StartBackend(t, harness.NodeIP, user)
	service, slice, ingress := harness.Service("default", user), harness.Slice("default", user, user, b.Port, true, b.IP), harness.Ingress("default", user, "nginx", host, user)
	status := harness.Service("default", "yett-controller")
	status.Namespace, status.Spec.ExternalIPs, status.Spec.Type = "edge", []string{"192.0.2.1"}, corev1.ServiceTypeNodePort
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "yett-controller"}, Data: map[string]string{"add-headers": "edge/fields"}}
	fields := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "fields"}, Data: map[string]string{"X-From": "settings"}}
	for _, o := range []client.Object{service, slice, ingress} {
		o.SetNamespace(namespace)
	}
	self := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: user}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: "yett"}}}}
	for _, o := range []client.Object{service, slice, ingress, status, settings, fields, self} {
		c.Make(t, o)
		t.Cleanup(func() { _ = c.Delete(context.Background(), o) })
	}
	var flags []string
	for _, arg := range args[1:] {
		flags = append(flags, strings.ReplaceAll(arg, "$(POD_NAMESPACE)", "edge"))
	}
	t.Setenv("POD_NAMESPACE", "edge")
	t.Setenv("POD_NAME", user)
	confined := &cluster{c.As(t, user)}
	g := confined.controller(t, append(flags, "--shutdown-grace-period=0")...)
	cl := harness.Browser(t)
	harness.Until(t, 10*time.Second, "the Ingress is served, with the global settings", func() bool {
		request, err := http.NewRequest(http.MethodGet, "http://"+g.HTTP+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := cl.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK && response.Header.Get("X-From") == "settings"
	})
	harness.Until(t, 20*time.Second, "its status shows the address of the Service", func() bool {
		if err := c.Get(context.Background(), client.ObjectKeyFromObject(ingress), ingress); err != nil {
			t.Fatal(err)
		}
		list := ingress.Status.LoadBalancer.Ingress
		return len(list) == 1 && list[0].IP == "192.0.2.1"
	})
	if less {
		return
	}
	var told corev1.EventList
	harness.Until(t, 10*time.Second, "an Event was written", func() bool {
		if err := c.List(context.Background(), &told, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		return len(told.Items) > 0
	})
	g.Stop(t)
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(ingress), ingress); err != nil || len(ingress.Status.LoadBalancer.Ingress) > 0 {
		t.Errorf("the last replica left %v, %v in the status", ingress.Status.LoadBalancer.Ingress, err)
	}
	for line := range strings.SplitSeq(g.Log(), "\n") {
		if strings.Contains(line, "forbidden") {
			t.Errorf("something was refused: %s", line)
		}
	}
}

// TestTwoSignalsCutNothingOff ends yett as a preStop hook and the kubelet do, one after the other, while a request is
// being answered.
func TestTwoSignalsCutNothingOff(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{})
	address := slowBackend(t, asked, release)
	dir := t.TempDir()
	manifest := fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {namespace: default, name: slow}
spec: {type: ExternalName, externalName: 127.0.0.1, ports: [{port: %s}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: default, name: slow}
spec: {rules: [{host: slow.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: slow, port: {number: %[1]s}}}}]}}]}
`, address)
	if err := os.WriteFile(filepath.Join(dir, "slow.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t, "serve", "--manifests", dir, "--http-port", "0", "--https-port", "0", "--healthz-port", "0", "--bind-address", "127.0.0.1", "--profiling=false")
	answer := make(chan error, 1)
	go func() {
		status, _, err := harness.Ask(harness.Browser(t), g.HTTP, "slow.test", "/")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		answer <- err
	}()
	select {
	case <-asked:
	case err := <-answer:
		t.Fatal("answered early: ", err)
	}
	for range 2 {
		g.Term()
		harness.Until(t, 5*time.Second, "it drains", func() bool { return strings.Contains(g.Log(), `"draining"`) })
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the request was cut off: %v\n%s", err, g.Log())
	}
}

// slowBackend starts a server that says when it was asked and answers when it may. It returns its port.
func slowBackend(t *testing.T, asked, release chan struct{}) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestTheBinaryAnswersUnderOtherNames runs links to the binary, as the image has them.
func TestTheBinaryAnswersUnderOtherNames(t *testing.T) {
	link := filepath.Join(t.TempDir(), "nginx-ingress-controller")
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(link, "--kubeconfig=/nonexistent").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "kubeconfig") {
		t.Errorf("%v: %s", err, out)
	}
}

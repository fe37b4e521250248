package chart

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sets are the values that every general test goes through.
func sets(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"default":       "",
		"ingress-nginx": read(t, "testdata/ingress-nginx-values.yaml"),
		"scoped":        read(t, "testdata/scoped-values.yaml"),
		"daemonset":     "{controller: {kind: DaemonSet, hostNetwork: true, hostPort: {enabled: true}, dnsPolicy: ClusterFirstWithHostNet, publishService: {enabled: false}, reportNodeInternalIp: true, updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}}}",
		"autoscaled":    "{controller: {autoscaling: {enabled: true, minReplicas: 2, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}, autoscalingTemplate: [{type: Pods, pods: {metric: {name: a}, target: {type: AverageValue, averageValue: 10}}}]}}",
		"keda":          "{controller: {keda: {enabled: true, triggers: [{type: cpu}]}}}",
		"cert-manager":  "{controller: {admissionWebhooks: {certManager: {enabled: true}, failurePolicy: Ignore}}}",
		"backend":       "{defaultBackend: {enabled: true, replicaCount: 2, image: {repository: example.com/pages, tag: v1}, extraArgs: {a: b}, networkPolicy: {enabled: true}, autoscaling: {enabled: true}, extraConfigMaps: [{name: pages, data: {a: b}}]}}",
		"bare":          "{controller: {service: {enabled: false}, ingressClassResource: {enabled: false}, lifecycle: null, config: null, resources: null, nodeSelector: null}, rbac: {create: false}, serviceAccount: {create: false}}",
	}
}

func TestGoldenFiles(t *testing.T) {
	for _, name := range []string{"default", "scoped"} {
		file, got := filepath.Join("testdata", name+".golden.yaml"), render(t, "yett", sets(t)[name]).text
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(read(t, file), got); diff != "" {
			t.Errorf("%s differs (-want +got; if it is right: go test -run TestGoldenFiles -update):\n%s", file, diff)
		}
	}
}

func TestLintFindsNothing(t *testing.T) {
	for name, values := range sets(t) {
		given := map[string]any{}
		if err := yaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.RunAll(chartDir, given, "edge").Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

// TestNamesAreThoseOfIngressNginx has the names, labels and ports that an installation of ingress-nginx has, written
// down from its documentation.
func TestNamesAreThoseOfIngressNginx(t *testing.T) {
	r := render(t, "ingress-nginx", "nameOverride: ingress-nginx\ncontroller: {metrics: {enabled: true}, service: {internal: {enabled: true, annotations: {a: b}}}}")
	const name = "ingress-nginx-controller"
	selector := map[string]string{
		"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/instance": "ingress-nginx", "app.kubernetes.io/component": "controller",
	}
	d := find[*appsv1.Deployment](t, r, name)
	if diff := cmp.Diff(selector, d.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("selector of the Deployment, which cannot be changed:\n%s", diff)
	}
	if diff := cmp.Diff(selector, d.Spec.Template.Labels); diff != "" {
		t.Errorf("labels of pods:\n%s", diff)
	}
	for _, service := range []string{name, name + "-internal", name + "-metrics", name + "-admission"} {
		if diff := cmp.Diff(selector, find[*corev1.Service](t, r, service).Spec.Selector); diff != "" {
			t.Errorf("selector of Service %s:\n%s", service, diff)
		}
	}
	find[*corev1.ConfigMap](t, r, name)
	find[*corev1.ServiceAccount](t, r, "ingress-nginx")
	find[*rbacv1.ClusterRole](t, r, "ingress-nginx")
	find[*rbacv1.ClusterRoleBinding](t, r, "ingress-nginx")
	find[*rbacv1.Role](t, r, "ingress-nginx")
	find[*rbacv1.RoleBinding](t, r, "ingress-nginx")
	if c := find[*networkingv1.IngressClass](t, r, "nginx"); c.Spec.Controller != "k8s.io/ingress-nginx" {
		t.Errorf("controller of the IngressClass is %q", c.Spec.Controller)
	}
	ports := map[string]int32{}
	container := d.Spec.Template.Spec.Containers[0]
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if diff := cmp.Diff(map[string]int32{"http": 80, "https": 443, "metrics": 10254, "webhook": 8443}, ports); diff != "" || container.Name != "controller" {
		t.Errorf("container %q has ports:\n%s", container.Name, diff)
	}
	if got := container.Args[0]; got != "/nginx-ingress-controller" {
		t.Errorf("first argument is %q", got)
	}
	for _, arg := range []string{"--publish-service=$(POD_NAMESPACE)/" + name, "--election-id=ingress-nginx-leader", "--controller-class=k8s.io/ingress-nginx",
		"--ingress-class=nginx", "--configmap=$(POD_NAMESPACE)/" + name} {
		if !slices.Contains(container.Args, arg) {
			t.Errorf("no argument %s in %q", arg, container.Args)
		}
	}
	for path, p := range map[string]*corev1.Probe{"/livez": container.LivenessProbe, "/healthz": container.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path || p.HTTPGet.Port.IntValue() != 10254 {
			t.Errorf("the probe of %s is %v", path, p)
		}
	}
	if got := container.Lifecycle.PreStop.Exec.Command; !slices.Equal(got, []string{"/wait-shutdown"}) {
		t.Errorf("preStop hook is %q", got)
	}
	if got := *d.Spec.Template.Spec.TerminationGracePeriodSeconds; got != 300 {
		t.Errorf("termination grace period is %d s", got)
	}
}

func TestNamesOfReleases(t *testing.T) {
	for _, c := range []struct{ release, values, want string }{
		{"yett", "", "yett-controller"},
		{"edge", "", "edge-yett-controller"},
		{"my-yett-one", "", "my-yett-one-controller"},
		{"edge", "nameOverride: ingress-nginx", "edge-ingress-nginx-controller"},
		{"edge", "fullnameOverride: gate", "gate-controller"},
		{"edge", "{fullnameOverride: gate, controller: {name: front}}", "gate-front"},
	} {
		find[*appsv1.Deployment](t, render(t, c.release, c.values), c.want)
	}
}

// TestEveryKeyOfTheControllerIsKnown holds the list behind the notice about unknown keys.
func TestEveryKeyOfTheControllerIsKnown(t *testing.T) {
	var values struct{ Controller map[string]any }
	if err := yaml.Unmarshal([]byte(read(t, chartDir+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if notes := render(t, "yett", "").notes; strings.Contains(notes, "not a key of this chart") {
		t.Errorf("a key of values.yaml is missing in yett.controllerKeys:\n%s", notes)
	}
}

// TestTheBinaryTakesEveryFlag runs the real program with what the chart gives it. It must get as far as the missing
// API server.
func TestTheBinaryTakesEveryFlag(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "yett")
	build := exec.Command("go", "build", "-o", binary, "./cmd/yett")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, values := range sets(t) {
		r := render(t, "yett", values)
		var args []string
		if d, ok := lookup[*appsv1.Deployment](r, "yett-controller"); ok {
			args = d.Spec.Template.Spec.Containers[0].Args
		} else {
			args = find[*appsv1.DaemonSet](t, r, "yett-controller").Spec.Template.Spec.Containers[0].Args
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$(POD_NAMESPACE)", "edge")
		}
		out, err := exec.Command(binary, append(args, "--kubeconfig=/nonexistent/kubeconfig")...).CombinedOutput()
		if text := string(out); err == nil || !strings.Contains(text, "kubeconfig") || strings.Contains(text, "unknown flag") || strings.Contains(text, "invalid argument") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

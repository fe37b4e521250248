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
	policyv1 "k8s.io/api/policy/v1"
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
	for _, service := range []string{name, name + "-internal", name + "-metrics"} {
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
	if diff := cmp.Diff(map[string]int32{"http": 80, "https": 443, "metrics": 10254}, ports); diff != "" || container.Name != "controller" {
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
	for what, p := range map[string]*corev1.Probe{"liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/healthz" || p.HTTPGet.Port.IntValue() != 10254 {
			t.Errorf("%s probe is %v", what, p)
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

// TestPodsAreRestricted holds the level "restricted" of Pod Security, which allows one capability to be added.
func TestPodsAreRestricted(t *testing.T) {
	for name, values := range sets(t) {
		r := render(t, "yett", values)
		specs := map[string]*corev1.PodSpec{}
		for _, o := range r.objects {
			switch o := o.(type) {
			case *appsv1.Deployment:
				specs[o.Name] = &o.Spec.Template.Spec
			case *appsv1.DaemonSet:
				specs[o.Name] = &o.Spec.Template.Spec
			case *corev1.Pod:
				specs[o.Name] = &o.Spec
			}
		}
		if len(specs) == 0 {
			t.Errorf("%s: no pods", name)
		}
		for pod, spec := range specs {
			s := spec.Containers[0].SecurityContext
			switch {
			case s == nil, s.RunAsNonRoot == nil || !*s.RunAsNonRoot, s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation,
				s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem, s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}):
				t.Errorf("%s: pod %s has security context %+v", name, pod, s)
			case len(s.Capabilities.Add) > 0 && !slices.Equal(s.Capabilities.Add, []corev1.Capability{"NET_BIND_SERVICE"}):
				t.Errorf("%s: pod %s adds %v", name, pod, s.Capabilities.Add)
			}
		}
	}
}

// grants returns "group/resource verb" for each right of some rules.
func grants(rules []rbacv1.PolicyRule) (list []string) {
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					list = append(list, strings.TrimSpace(group+"/"+resource+" "+verb+" "+strings.Join(rule.ResourceNames, ",")))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// reading spells get, list and watch out.
func reading(resources ...string) (list []string) {
	for _, r := range resources {
		list = append(list, r+" get", r+" list", r+" watch")
	}
	return list
}

func TestRightsAreExactlyWhatTheCodeUses(t *testing.T) {
	serve := append(reading("/configmaps", "/secrets", "/services", "discovery.k8s.io/endpointslices", "networking.k8s.io/ingresses"),
		"networking.k8s.io/ingresses/status patch", "networking.k8s.io/ingresses/status update",
		"/events create", "/events patch", "events.k8s.io/events create", "events.k8s.io/events patch")
	own := []string{"/pods get", "/pods list", "coordination.k8s.io/leases create",
		"coordination.k8s.io/leases get yett-leader", "coordination.k8s.io/leases update yett-leader"}
	check := func(what string, rules []rbacv1.PolicyRule, want []string) {
		t.Helper()
		slices.Sort(want)
		if diff := cmp.Diff(want, grants(rules)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	all := render(t, "yett", "")
	check("ClusterRole", find[*rbacv1.ClusterRole](t, all, "yett").Rules,
		append(reading("/namespaces", "/nodes", "networking.k8s.io/ingressclasses"), serve...))
	check("Role", find[*rbacv1.Role](t, all, "yett").Rules, slices.Clone(own))

	scoped := render(t, "yett", sets(t)["scoped"])
	if o, ok := lookup[*rbacv1.ClusterRole](scoped, "yett"); ok {
		t.Errorf("there is a ClusterRole: %v", o.Rules)
	}
	check("Role in the served namespace", find[*rbacv1.Role](t, scoped, "yett-scope").Rules, slices.Clone(serve))
	check("Role in the own namespace", find[*rbacv1.Role](t, scoped, "yett").Rules, slices.Concat(own, reading("/configmaps"),
		[]string{"/services get", "/secrets get wildcard", "/secrets list wildcard", "/secrets watch wildcard"}))
	if got := find[*rbacv1.RoleBinding](t, scoped, "yett-scope"); got.Namespace != "shop" || got.Subjects[0].Namespace != "edge" {
		t.Errorf("binding in %s of an account in %s", got.Namespace, got.Subjects[0].Namespace)
	}
}

func TestValuesOfIngressNginxWork(t *testing.T) {
	r := render(t, "edge", "nameOverride: ingress-nginx\n"+sets(t)["ingress-nginx"])
	const name = "edge-ingress-nginx-controller"
	d := find[*appsv1.Deployment](t, r, name)
	c := d.Spec.Template.Spec.Containers[0]
	if c.Image != "ghcr.io/yettproxy/yett:0.1.0" {
		t.Errorf("image is %s", c.Image)
	}
	for _, arg := range []string{"--watch-ingress-without-class=true", "--election-ttl=15s", "--default-ssl-certificate=$(POD_NAMESPACE)/wildcard",
		"--enable-ssl-passthrough", "--shutdown-grace-period=30", "--v=2", "--election-id=public-leader",
		"--default-backend-service=$(POD_NAMESPACE)/edge-ingress-nginx-defaultbackend"} {
		if !slices.Contains(c.Args, arg) {
			t.Errorf("no argument %s in %q", arg, c.Args)
		}
	}
	if !slices.Contains(c.Env, corev1.EnvVar{Name: "GOMEMLIMIT", Value: "471859KiB"}) {
		t.Errorf("environment %v has not 90 %% of 512Mi for Go", c.Env)
	}
	config := find[*corev1.ConfigMap](t, r, name).Data
	for key, want := range map[string]string{
		"upstream-keepalive-connections": "1000000", "ssl-redirect": "false", "proxy-body-size": "50m", "allow-snippet-annotations": "true",
		"log-format-upstream": `{"host":"$host","status":$status}`, "add-headers": "edge/edge-ingress-nginx-custom-add-headers",
	} {
		if config[key] != want {
			t.Errorf("ConfigMap: %s is %q, want %q", key, config[key], want)
		}
	}
	if got := find[*corev1.ConfigMap](t, r, "edge-ingress-nginx-custom-proxy-headers").Data["X-Request-Start"]; got != "t=${msec}" {
		t.Errorf("X-Request-Start is %q", got)
	}
	s := find[*corev1.Service](t, r, name).Spec
	if s.ExternalTrafficPolicy != "Local" || s.LoadBalancerIP != "192.0.2.7" || len(s.Ports) != 2 || s.Ports[0].NodePort != 32080 || s.Ports[1].TargetPort.StrVal != "https" {
		t.Errorf("Service is %+v", s)
	}
	if internal := find[*corev1.Service](t, r, name+"-internal").Spec; internal.Ports[0].Port != 8080 || internal.Ports[1].Port != 443 || internal.Type != "LoadBalancer" {
		t.Errorf("internal Service is %+v", internal)
	}
	if find[*networkingv1.IngressClass](t, r, "public").Annotations["ingressclass.kubernetes.io/is-default-class"] != "true" {
		t.Error("class public is not the default")
	}
	if alias := find[*networkingv1.IngressClass](t, r, "legacy"); alias.Spec.Controller != "k8s.io/public-nginx" || len(alias.Annotations) > 0 {
		t.Errorf("alias is %+v", alias)
	}
	if b := find[*policyv1.PodDisruptionBudget](t, r, name).Spec; b.MinAvailable.IntValue() != 2 || b.MaxUnavailable != nil {
		t.Errorf("budget is %+v", b)
	}
	find[*networkingv1.NetworkPolicy](t, r, name)
	if b := find[*appsv1.Deployment](t, r, "edge-ingress-nginx-defaultbackend").Spec.Template.Spec.Containers[0]; b.Image != c.Image || b.Args[0] != "default-backend" {
		t.Errorf("default backend runs %s %q", b.Image, b.Args)
	}
	foreign(t, r, "ServiceMonitor", name)
	foreign(t, r, "PrometheusRule", name)
}

func TestNotesNameWhatHasNoEffect(t *testing.T) {
	notes := render(t, "edge", sets(t)["ingress-nginx"]).notes
	for _, want := range []string{"controller.image names", "admissionWebhooks", "tcp:", "ports 9000 are", "udp:", "image.chroot", "allowSnippetAnnotations",
		"extraModules", "opentelemetry", "maxmindLicenseKey", "dhParam", "defaultBackend.image", "controller.somethingOfMine: not a key"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not name %s:\n%s", want, notes)
		}
	}
	plain := render(t, "edge", "controller: {admissionWebhooks: {enabled: false}}").notes
	if strings.Contains(plain, "without effect") {
		t.Errorf("notes find fault with the defaults:\n%s", plain)
	}
}

func TestImages(t *testing.T) {
	for _, c := range []struct{ values, want string }{
		{"", "ghcr.io/yettproxy/yett:0.1.0"},
		{"{global: {image: {registry: mirror.example}}}", "mirror.example/yettproxy/yett:0.1.0"},
		{"{controller: {image: {tag: v1.11.2}}}", "ghcr.io/yettproxy/yett:0.1.0"},
		{"{controller: {image: {digest: 'sha256:aa'}}}", "ghcr.io/yettproxy/yett:0.1.0"},
		{"{controller: {image: {tag: 0.2.0}}}", "ghcr.io/yettproxy/yett:0.2.0"},
		{"{controller: {image: {repository: localhost/yett, tag: dev}}}", "localhost/yett:dev"},
		{"{controller: {image: {repository: localhost/yett, tag: dev, digest: 'sha256:aa'}}}", "localhost/yett:dev@sha256:aa"},
		{"{controller: {image: {repository: registry.k8s.io/ingress-nginx/controller, tag: v1.11.2}}}", "ghcr.io/yettproxy/yett:0.1.0"},
		{"{controller: {image: {registry: registry.k8s.io, image: ingress-nginx/controller-chroot}}}", "ghcr.io/yettproxy/yett:0.1.0"},
	} {
		if got := find[*appsv1.Deployment](t, render(t, "yett", c.values), "yett-controller").Spec.Template.Spec.Containers[0].Image; got != c.want {
			t.Errorf("%s: image %s, want %s", c.values, got, c.want)
		}
	}
}

func TestSchemaRefusesOnlyWhatCannotBe(t *testing.T) {
	for _, values := range []string{"{controller: {kind: StatefulSet}}", "{yett: {typo: 1}}", "{controller: {service: {type: Loadbalancer}}}", "{controller: {config: text}}"} {
		if _, err := tryRender(t, "yett", values); err == nil || !strings.Contains(err.Error(), "schema") {
			t.Errorf("%s: error %v, want one of the schema", values, err)
		}
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

package chart

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestHTTP3OpensTheUDPPort(t *testing.T) {
	r := render(t, "edge", "yett: {http3: {enabled: true}}\ncontroller: {networkPolicy: {enabled: true}, hostPort: {enabled: true}, service: {ports: {https: 8443}}}\n")
	const name = "edge-yett-controller"
	c := find[*appsv1.Deployment](t, r, name).Spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Args, "--enable-http3=true") {
		t.Errorf("arguments %q", c.Args)
	}
	if !slices.Contains(c.Ports, corev1.ContainerPort{Name: "http3", ContainerPort: 443, HostPort: 443, Protocol: corev1.ProtocolUDP}) {
		t.Errorf("ports %+v", c.Ports)
	}
	last := find[*corev1.Service](t, r, name).Spec.Ports
	if p := last[len(last)-1]; p.Name != "http3" || p.Port != 8443 || p.Protocol != corev1.ProtocolUDP || p.TargetPort.StrVal != "http3" {
		t.Errorf("Service %+v", last)
	}
	policy := find[*networkingv1.NetworkPolicy](t, r, name).Spec.Ingress[0].Ports
	if !slices.ContainsFunc(policy, func(p networkingv1.NetworkPolicyPort) bool {
		return *p.Protocol == corev1.ProtocolUDP && p.Port.IntVal == 443
	}) {
		t.Errorf("network policy %+v", policy)
	}
	if off := render(t, "edge", ""); strings.Contains(off.text, "http3") {
		t.Error("http3 is on by default")
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
	if s.ExternalTrafficPolicy != "Local" || s.LoadBalancerIP != "192.0.2.7" || len(s.Ports) != 4 || s.Ports[0].NodePort != 32080 || s.Ports[1].TargetPort.StrVal != "https" {
		t.Errorf("Service is %+v", s)
	}
	if p := s.Ports[2]; p.Name != "9000-tcp" || p.Port != 9000 || p.NodePort != 32900 || p.TargetPort.StrVal != "9000-tcp" {
		t.Errorf("port of the TCP service is %+v", p)
	}
	if p := s.Ports[3]; p.Name != "53-udp" || p.Port != 53 || p.Protocol != corev1.ProtocolUDP {
		t.Errorf("port of the UDP service is %+v", p)
	}
	if got := find[*corev1.ConfigMap](t, r, "edge-ingress-nginx-tcp").Data["9000"]; got != "default/db:5432" {
		t.Errorf("TCP service 9000 is %q", got)
	}
	if got := find[*corev1.ConfigMap](t, r, "edge-ingress-nginx-udp").Data["53"]; got != "kube-system/kube-dns:53" {
		t.Errorf("UDP service 53 is %q", got)
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
	for _, want := range []string{"controller.image names", "admissionWebhooks", "image.chroot", "allowSnippetAnnotations",
		"extraModules", "opentelemetry", "maxmindLicenseKey", "dhParam", "defaultBackend.image", "controller.somethingOfMine: not a key"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not name %s:\n%s", want, notes)
		}
	}
	plain := render(t, "edge", "").notes
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
	for _, values := range []string{"{controller: {kind: StatefulSet}}", "{yett: {typo: 1}}", "{controller: {service: {type: Loadbalancer}}}", "{controller: {config: text}}", "{controller: {admissionWebhooks: {failurePolicy: fail}}}"} {
		if _, err := tryRender(t, "yett", values); err == nil || !strings.Contains(err.Error(), "schema") {
			t.Errorf("%s: error %v, want one of the schema", values, err)
		}
	}
}

package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// hooked returns what the webhook is made of for some values of controller.admissionWebhooks.
func hooked(t *testing.T, hook string) (*admissionregistrationv1.ValidatingWebhook, *corev1.PodSpec, *rendered) {
	t.Helper()
	r := render(t, "yett", "{controller: {networkPolicy: {enabled: true}, admissionWebhooks: "+hook+"}}")
	c := find[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r, "yett-admission")
	return &c.Webhooks[0], &find[*appsv1.Deployment](t, r, "yett-controller").Spec.Template.Spec, r
}

// flags returns the flags of the webhook.
func flags(spec *corev1.PodSpec) (list []string) {
	for _, arg := range spec.Containers[0].Args {
		if strings.HasPrefix(arg, "--validating-webhook") {
			list = append(list, arg)
		}
	}
	return list
}

func TestTheWebhookIsOnAndNeedsNoJob(t *testing.T) {
	w, spec, r := hooked(t, "{}")
	if s := w.ClientConfig.Service; w.Name != "validate.nginx.ingress.kubernetes.io" || s.Name != "yett-controller-admission" || s.Namespace != "edge" ||
		*s.Port != 443 || *s.Path != "/networking/v1/ingresses" || *w.FailurePolicy != "Fail" || *w.SideEffects != "None" || *w.TimeoutSeconds != 10 ||
		*w.MatchPolicy != "Equivalent" || w.ClientConfig.CABundle != nil || !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}) {
		t.Errorf("%+v", w)
	}
	if len(w.MatchConditions) != 1 || !strings.Contains(w.MatchConditions[0].Expression, `in ["nginx"]`) {
		t.Errorf("conditions %+v", w.MatchConditions)
	}
	if diff := cmp.Diff([]string{"--validating-webhook=:8443", "--validating-webhook-secret=yett-admission",
		"--validating-webhook-service=yett-controller-admission", "--validating-webhook-configuration=yett-admission"}, flags(spec)); diff != "" {
		t.Error(diff)
	}
	if len(spec.Volumes) > 0 {
		t.Errorf("volumes %+v", spec.Volumes)
	}
	if p := find[*corev1.Service](t, r, "yett-controller-admission").Spec.Ports[0]; p.Port != 443 || p.TargetPort.StrVal != "webhook" {
		t.Errorf("port %+v", p)
	}
	ports := find[*networkingv1.NetworkPolicy](t, r, "yett-controller").Spec.Ingress[0].Ports
	if !slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntValue() == 8443 }) {
		t.Errorf("the NetworkPolicy lets no API server in: %+v", ports)
	}
}

func TestTheWebhookIsOff(t *testing.T) {
	r := render(t, "yett", "{controller: {admissionWebhooks: {enabled: false}}}")
	if _, ok := lookup[*admissionregistrationv1.ValidatingWebhookConfiguration](r, "yett-admission"); ok {
		t.Error("there is a configuration")
	}
	if _, ok := lookup[*rbacv1.ClusterRole](r, "yett-admission"); ok {
		t.Error("there is a right to it")
	}
	if f := flags(&find[*appsv1.Deployment](t, r, "yett-controller").Spec.Template.Spec); len(f) > 0 {
		t.Errorf("flags %q", f)
	}
}

func TestTheWebhookAsOneWantsIt(t *testing.T) {
	w, spec, r := hooked(t, "{failurePolicy: Ignore, timeoutSeconds: 3, port: 9443, namespaceSelector: {matchLabels: {a: b}}, objectSelector: {matchLabels: {c: d}}, matchConditions: [], service: {servicePort: 8443, type: NodePort}}")
	if *w.FailurePolicy != "Ignore" || *w.TimeoutSeconds != 3 || w.NamespaceSelector.MatchLabels["a"] != "b" || w.ObjectSelector.MatchLabels["c"] != "d" ||
		len(w.MatchConditions) != 0 || *w.ClientConfig.Service.Port != 8443 {
		t.Errorf("%+v", w)
	}
	if s := find[*corev1.Service](t, r, "yett-controller-admission").Spec; s.Type != "NodePort" || s.Ports[0].Port != 8443 {
		t.Errorf("%+v", s)
	}
	if f := flags(spec)[0]; f != "--validating-webhook=:9443" {
		t.Error(f)
	}
	scoped := render(t, "yett", sets(t)["scoped"])
	s := find[*admissionregistrationv1.ValidatingWebhookConfiguration](t, scoped, "yett-admission").Webhooks[0].NamespaceSelector
	if s.MatchLabels["kubernetes.io/metadata.name"] != "shop" {
		t.Errorf("other namespaces depend on one that serves shop: %+v", s)
	}
}

func TestTheCertificateOfOthers(t *testing.T) {
	files := []string{"--validating-webhook=:8443", "--validating-webhook-certificate=/usr/local/certificates/cert", "--validating-webhook-key=/usr/local/certificates/key"}
	for name, hook := range map[string]string{"cert-manager": "{certManager: {enabled: true}}", "by hand": "{patch: {enabled: false}}"} {
		_, spec, r := hooked(t, hook)
		if diff := cmp.Diff(files, flags(spec)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if len(spec.Volumes) != 1 || spec.Volumes[0].Secret.SecretName != "yett-admission" || spec.Containers[0].VolumeMounts[0].MountPath != "/usr/local/certificates" {
			t.Errorf("%s: volumes %+v", name, spec.Volumes)
		}
		if grants := grants(find[*rbacv1.Role](t, r, "yett").Rules); slices.Contains(grants, "/secrets create") {
			t.Errorf("%s: Secrets can be made", name)
		}
		if _, ok := lookup[*rbacv1.ClusterRole](r, "yett-admission"); ok {
			t.Errorf("%s: the configuration can be changed", name)
		}
		made := strings.Contains(r.text, "kind: Certificate")
		if made != (name == "cert-manager") {
			t.Errorf("%s: Certificates: %v", name, made)
		}
	}
	_, _, r := hooked(t, "{certManager: {enabled: true, issuerRef: {name: mine, kind: ClusterIssuer}}}")
	foreign(t, r, "Certificate", "yett-admission")
	if strings.Contains(r.text, "kind: Issuer") || !strings.Contains(r.text, "name: mine") {
		t.Error("an issuer beside the one that was named")
	}
}

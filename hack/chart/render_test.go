package chart

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	helm "helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// chartDir is the chart under test.
const chartDir = "../../charts/yett"

// rendered is what one set of values makes.
type rendered struct {
	objects []metav1.Object
	// text is all documents by template, sorted; notes is NOTES.txt.
	text, notes string
}

// typed makes an empty object of a kind.
var typed = map[string]func() metav1.Object{
	"admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": func() metav1.Object { return &admissionregistrationv1.ValidatingWebhookConfiguration{} },
	"apps/v1/Deployment":                              func() metav1.Object { return &appsv1.Deployment{} },
	"apps/v1/DaemonSet":                               func() metav1.Object { return &appsv1.DaemonSet{} },
	"autoscaling/v2/HorizontalPodAutoscaler":          func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"v1/ConfigMap":                                    func() metav1.Object { return &corev1.ConfigMap{} },
	"v1/Pod":                                          func() metav1.Object { return &corev1.Pod{} },
	"v1/Service":                                      func() metav1.Object { return &corev1.Service{} },
	"v1/ServiceAccount":                               func() metav1.Object { return &corev1.ServiceAccount{} },
	"networking.k8s.io/v1/IngressClass":               func() metav1.Object { return &networkingv1.IngressClass{} },
	"networking.k8s.io/v1/NetworkPolicy":              func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"policy/v1/PodDisruptionBudget":                   func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"rbac.authorization.k8s.io/v1/ClusterRole":        func() metav1.Object { return &rbacv1.ClusterRole{} },
	"rbac.authorization.k8s.io/v1/Role":               func() metav1.Object { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1/RoleBinding":        func() metav1.Object { return &rbacv1.RoleBinding{} },
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": func() metav1.Object { return &rbacv1.ClusterRoleBinding{} },
}

// untyped are kinds of others, whose Go types are not worth a dependency.
var untyped = []string{"monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PrometheusRule", "keda.sh/v1alpha1/ScaledObject",
	"cert-manager.io/v1/Certificate", "cert-manager.io/v1/Issuer"}

// render renders the chart as release RELEASE in namespace edge. values is YAML.
func render(t *testing.T, release, values string) *rendered {
	t.Helper()
	r, err := tryRender(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tryRender is render for values that may be refused.
func tryRender(t *testing.T, release, values string) (*rendered, error) {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	capabilities := helm.DefaultCapabilities.Copy()
	capabilities.KubeVersion = helm.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	all, err := util.ToRenderValues(c, given, helm.ReleaseOptions{Name: release, Namespace: "edge", Revision: 1, IsInstall: true}, capabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	r := &rendered{}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch text := files[name]; {
		case strings.HasSuffix(name, "NOTES.txt"):
			r.notes = text
		case strings.TrimSpace(text) == "", strings.HasSuffix(name, ".tpl"):
		default:
			r.text += "# " + strings.TrimPrefix(name, c.Name()+"/") + "\n" + strings.TrimSpace(text) + "\n---\n"
			r.decode(t, name, text)
		}
	}
	return r, nil
}

// decode turns the documents of a template into typed objects; a field that the type does not have fails the test.
func (r *rendered) decode(t *testing.T, name, text string) {
	t.Helper()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, document)
		}
		full := kind.APIVersion + "/" + kind.Kind
		if slices.Contains(untyped, full) {
			o := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(document, &o.Object); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			r.objects = append(r.objects, o)
			continue
		}
		makeObject, ok := typed[full]
		if !ok {
			t.Fatalf("%s: unexpected kind %q\n%s", name, full, document)
		}
		o := makeObject()
		if err := yaml.UnmarshalStrict(document, o); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, document)
		}
		r.objects = append(r.objects, o)
	}
}

// find returns the object of a type with a name.
func find[T metav1.Object](t *testing.T, r *rendered, name string) T {
	t.Helper()
	o, ok := lookup[T](r, name)
	if !ok {
		t.Fatalf("no %T %q", o, name)
	}
	return o
}

// lookup returns the object of a type with a name, if there is one.
func lookup[T metav1.Object](r *rendered, name string) (T, bool) {
	for _, o := range r.objects {
		if typed, ok := o.(T); ok && o.GetName() == name {
			return typed, true
		}
	}
	var none T
	return none, false
}

// foreign returns the object of a kind without a Go type here.
func foreign(t *testing.T, r *rendered, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range r.objects {
		if u, ok := o.(*unstructured.Unstructured); ok && u.GetKind() == kind && u.GetName() == name {
			return u
		}
	}
	t.Fatalf("no %s %q", kind, name)
	return nil
}

// read returns a file.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

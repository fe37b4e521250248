package translate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// stubbed returns options whose families are a function.
func stubbed(apply func(*feature.Source, *feature.Intent)) *translate.Options {
	return &translate.Options{WithoutClass: true, Annotations: &translate.Annotations{
		Configure: bareConfigure,
		Apply: func(src *feature.Source) (*feature.Intent, []feature.Problem) {
			intent := feature.NewIntent()
			apply(src, intent)
			return intent, nil
		},
	}}
}

// ingressOf returns an Ingress with one rule; the older the greater age is.
func ingressOf(name types.NamespacedName, age int64, host, path, service string, annotations map[string]string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{}
	ing.Namespace, ing.Name, ing.Annotations = name.Namespace, name.Name, annotations
	ing.CreationTimestamp = metav1.Unix(1_700_000_000-age, 0)
	prefix := networkingv1.PathTypePrefix
	ing.Spec.Rules = []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
			Path: path, PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: service, Port: networkingv1.ServiceBackendPort{Number: 80},
			}},
		}}},
	}}}
	return ing
}

// hostOf returns a host of a result.
func hostOf(t *testing.T, r *translate.Result, name string) *ir.VirtualHost {
	t.Helper()
	for i := range r.Config.Hosts {
		if r.Config.Hosts[i].Name == name {
			return &r.Config.Hosts[i]
		}
	}
	t.Fatalf("there is no host %q", name)
	return nil
}

// routeOf returns a route of a host.
func routeOf(t *testing.T, h *ir.VirtualHost, path string) *ir.Route {
	t.Helper()
	for i := range h.Routes {
		if h.Routes[i].Path == path {
			return &h.Routes[i]
		}
	}
	t.Fatalf("host %q has no path %q", h.Name, path)
	return nil
}

func TestAPanicInAFamilyCostsOneIngress(t *testing.T) {
	o := newObjects()
	addService(t, o, []string{"a/web", "80"})
	o.Ingresses = []*networkingv1.Ingress{
		ingressOf(named("a/bad"), 2, "a.test", "/admin", "web", map[string]string{"boom": "yes"}),
		ingressOf(named("a/good"), 1, "a.test", "/", "web", nil),
		ingressOf(named("a/canary"), 3, "a.test", "/", "next", map[string]string{"boom": "yes", feature.NginxPrefix + "canary": "True"}),
	}
	r := translate.Translate(o, stubbed(func(src *feature.Source, _ *feature.Intent) {
		if src.Annotations["boom"] != "" {
			panic("boom")
		}
	}))
	h := hostOf(t, r, "a.test")
	if bad := routeOf(t, h, "/admin"); bad.Deny != 503 || !strings.Contains(bad.DenyReason, "boom") {
		t.Errorf("the route of the bad Ingress: deny %d, %q", bad.Deny, bad.DenyReason)
	}
	if good := routeOf(t, h, "/"); good.Deny != 0 || good.Backend.Canary != nil || good.Origin.Ingress != "good" {
		t.Errorf("the route of the good Ingress: %+v", good)
	}
	states := map[string]translate.State{}
	for _, v := range r.Verdicts {
		states[v.Name.Name] = v.State
	}
	want := map[string]translate.State{"bad": translate.Partial, "good": translate.Active, "canary": translate.Rejected}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
}

// touchy is a filter that panics when it is looked at.
type touchy struct{}

func (touchy) Phase() filter.Phase                    { panic("touched") }
func (touchy) String() string                         { return "touchy" }
func (touchy) New(*filter.Env) (filter.Filter, error) { return nil, nil }
func TestAPanicInAFilterSpecCostsTheCatchAll(t *testing.T) {
	o := newObjects()
	ing := ingressOf(named("a/all"), 1, "", "/", "web", nil)
	ing.Spec.DefaultBackend = &ing.Spec.Rules[0].HTTP.Paths[0].Backend
	ing.Spec.Rules = nil
	o.Ingresses = []*networkingv1.Ingress{ing}
	r := translate.Translate(o, stubbed(func(_ *feature.Source, in *feature.Intent) { in.AddFilter(touchy{}) }))
	if got := routeOf(t, hostOf(t, r, ""), "/"); got.Deny != 503 {
		t.Errorf("deny %d", got.Deny)
	}
}

func TestAPanicInConfigureLeavesTheDefaults(t *testing.T) {
	options := stubbed(func(*feature.Source, *feature.Intent) {})
	options.Annotations.Configure = func(*feature.Source) (ir.Settings, []feature.Problem) { panic("boom") }
	r := translate.Translate(newObjects(), options)
	if diff := cmp.Diff(ir.DefaultSettings(), r.Config.Settings, comparers); diff != "" {
		t.Error(diff)
	}
	if len(r.Problems) != 1 || r.Problems[0].Kind != translate.ConfigMap {
		t.Errorf("problems %+v", r.Problems)
	}
}

func TestAGuardOfAHostDeniesTheHostIfTheNamespaceOfItsOldestIngressSaysSo(t *testing.T) {
	deny := func(src *feature.Source, in *feature.Intent) {
		if src.Annotations["guard"] != "" {
			in.Host.Deny = 403
		}
	}
	guard := map[string]string{"guard": "broken"}
	t.Run("oldest", func(t *testing.T) {
		o := newObjects()
		o.Ingresses = []*networkingv1.Ingress{
			ingressOf(named("a/old"), 2, "a.test", "/old", "web", guard), ingressOf(named("a/young"), 1, "a.test", "/young", "web", nil),
		}
		h := hostOf(t, translate.Translate(o, stubbed(deny)), "a.test")
		if h.Deny != 403 {
			t.Errorf("host: deny %d", h.Deny)
		}
	})
	t.Run("younger", func(t *testing.T) {
		o := newObjects()
		o.Ingresses = []*networkingv1.Ingress{
			ingressOf(named("a/old"), 2, "a.test", "/old", "web", nil), ingressOf(named("a/young"), 1, "a.test", "/young", "web", guard),
		}
		h := hostOf(t, translate.Translate(o, stubbed(deny)), "a.test")
		if h.Deny != 403 {
			t.Errorf("host: deny %d", h.Deny)
		}
	})
	t.Run("younger, of another namespace", func(t *testing.T) {
		o := newObjects()
		o.Ingresses = []*networkingv1.Ingress{
			ingressOf(named("a/old"), 2, "a.test", "/old", "web", nil), ingressOf(named("b/young"), 1, "a.test", "/young", "web", guard),
		}
		h := hostOf(t, translate.Translate(o, stubbed(deny)), "a.test")
		if got := []int{h.Deny, routeOf(t, h, "/old").Deny, routeOf(t, h, "/young").Deny}; !cmp.Equal(got, []int{0, 0, 403}) {
			t.Errorf("deny of host, old, young: %v", got)
		}
	})
}

func TestProblemsAreBounded(t *testing.T) {
	o := newObjects()
	ing := ingressOf(named("a/wide"), 1, "a.test", "/", "web", nil)
	for range 1000 {
		ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{Host: strings.Repeat("x", 5000)})
	}
	o.Ingresses = []*networkingv1.Ingress{ing}
	v := translate.Translate(o, stubbed(func(*feature.Source, *feature.Intent) {})).Verdicts[0]
	if len(v.Problems) != translate.MaxProblems {
		t.Errorf("%d problems", len(v.Problems))
	}
	for _, p := range v.Problems {
		if len(p.Value) > 200 || len(p.Reason) > 500 {
			t.Errorf("a problem of %d bytes", len(p.Value)+len(p.Reason))
		}
	}
	if last := v.Problems[len(v.Problems)-1]; !strings.Contains(last.Reason, "970 more") {
		t.Errorf("the last problem: %+v", last)
	}
}

func TestReferencesNameWhatIsMissingToo(t *testing.T) {
	o := newObjects()
	ing := ingressOf(named("a/web"), 1, "a.test", "/", "web", map[string]string{feature.NginxPrefix + "auth-secret": "users"})
	ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"a.test"}, SecretName: "cert"}}
	o.Ingresses = []*networkingv1.Ingress{ing}
	options := stubbed(func(src *feature.Source, in *feature.Intent) {
		if src.Namespace != "" {
			src.Objects.Secret(src.Namespace, "users")
			src.Objects.ConfigMap(src.Namespace, "headers")
			in.DefaultBackend = "spare"
		}
	})
	options.DefaultCertificate, options.DefaultBackend, options.ConfigMap = named("sys/cert"), named("sys/default"), named("sys/config")
	got := translate.Translate(o, options).References
	set := func(names ...string) map[types.NamespacedName]struct{} {
		m := map[types.NamespacedName]struct{}{}
		for _, n := range names {
			m[named(n)] = struct{}{}
		}
		return m
	}
	want := translate.References{
		Services:   set("a/web", "a/spare", "sys/default"),
		Secrets:    set("a/cert", "a/users", "sys/cert"),
		ConfigMaps: set("a/headers", "sys/config"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVerdictsListTheUpstreamsOfAnIngressOnce(t *testing.T) {
	o := newObjects()
	ing := ingressOf(named("a/web"), 1, "a.test", "/", "web", nil)
	ing.Spec.Rules = append(ing.Spec.Rules, ing.Spec.Rules[0], ingressOf(named("a/x"), 1, "b.test", "/", "api", nil).Spec.Rules[0])
	o.Ingresses = []*networkingv1.Ingress{ing, ingressOf(named("a/other"), 5, "c.test", "/", "api", nil)}
	r := translate.Translate(o, stubbed(func(*feature.Source, *feature.Intent) {}))
	want := []upstream.Key{{Namespace: "a", Service: "web", Port: "80"}, {Namespace: "a", Service: "api", Port: "80"}}
	if diff := cmp.Diff(want, r.Verdicts[1].Upstreams); diff != "" {
		t.Error(diff)
	}
}

func TestFindPort(t *testing.T) {
	service := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
		{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)},
		{Name: "alt", Port: 8080, TargetPort: intstr.FromString("web")},
		{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
		{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP},
		{Port: 9000},
	}}}
	for port, want := range map[string]string{
		"80": "http", "http": "http", "8080": "alt", "web": "alt", "53": "dns-tcp", "dns": "", "9000": "(unnamed)", "0": "",
		"81": "", "": "", "-1": "", "99999999999": "",
	} {
		got := ""
		if p, ok := translate.FindPort(service, &upstream.Key{Port: port}); ok {
			if got = p.Name; got == "" {
				got = "(unnamed)"
			}
		}
		if got != want {
			t.Errorf("port %q: got %q, want %q", port, got, want)
		}
	}
	if _, ok := translate.FindPort(nil, &upstream.Key{Port: "80"}); ok {
		t.Error("a missing Service has a port")
	}
}

func TestAMemoChangesNothing(t *testing.T) {
	o := manyIngresses(40, true)
	memo := &translate.Memo{}
	options := &translate.Options{WithoutClass: true}
	remembering := &translate.Options{WithoutClass: true, Memo: memo}
	check := func(when string) {
		t.Helper()
		if diff := cmp.Diff(translate.Translate(o, options), translate.Translate(o, remembering), comparers); diff != "" {
			t.Fatalf("%s:\n%s", when, diff)
		}
	}
	check("first")
	check("again")
	name := types.NamespacedName{Namespace: "team-3", Name: "app-3"}
	o.Secrets[name] = &corev1.Secret{Data: map[string][]byte{"tls.crt": selfSigned("elsewhere.test"), "tls.key": []byte("key")}}
	check("with another certificate")
	delete(o.Secrets, name)
	check("without the Secret")
	o.Secrets[name] = &corev1.Secret{}
	check("with an empty Secret")
	o.Ingresses[5].Annotations = map[string]string{feature.NginxPrefix + "proxy-read-timeout": "77"}
	check("with other annotations")
}

func TestAMemoIsSharedByConcurrentTranslations(t *testing.T) {
	o := manyIngresses(50, true)
	options := &translate.Options{WithoutClass: true, Memo: &translate.Memo{}}
	want := translate.Translate(o, options)
	done := make(chan *translate.Result)
	for range 4 {
		go func() { done <- translate.Translate(o, options) }()
	}
	for range 4 {
		if diff := cmp.Diff(want, <-done, comparers); diff != "" {
			t.Error(diff)
		}
	}
}

package translate_test

import (
	mathrand "math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yettproxy/yett/annotations"
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
)

// dice makes objects out of the bytes of a fuzzer; without bytes everything is nil.
type dice struct {
	data []byte
	// words are what names and values are taken from.
	words []string
}

// nasty are words that somebody may write, or that nobody should.
var nasty = []string{
	"", "/", "a", "web", "a.test", "*.a.test", "b.a.test", "www.a.test", "A.TEST", "a.test.", "*", "..", "/../x", "/%2e", "//", "^/x(", "/x(.*)",
	"\xff\xfe", "\x00", "a\nb", strings.Repeat("a.", 300), strings.Repeat("x", 9000), "none", "true", "false", "cookie", "10", "-1", "99999999999",
	"10.0.0.0/8", "Exact", "Prefix", "ImplementationSpecific", "80", "http", "~^(a+)+$", "~(", "$host", "https://x.test/$1", "kube-system/x", "::1",
}

// keys are the annotations that matter most to translation.
var keys = []string{
	"canary", "canary-weight", "canary-by-header", "canary-by-header-pattern", "use-regex", "rewrite-target", "server-alias", "app-root",
	"from-to-www-redirect", "default-backend", "affinity", "affinity-canary-behavior", "session-cookie-name", "load-balance", "upstream-hash-by",
	"service-upstream", "whitelist-source-range", "auth-url", "auth-type", "auth-secret", "ssl-redirect", "permanent-redirect",
}

// n returns a number below max.
func (d *dice) n(max int) int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % max
}

// yes returns true half of the time, as long as there are bytes.
func (d *dice) yes() bool { return d.n(2) == 1 }

// word returns a word.
func (d *dice) word() string { return d.words[d.n(len(d.words))] }

// name returns one of few names, so that objects meet.
func (d *dice) name() string { return [...]string{"a", "b", "web", "api", "canary"}[d.n(5)] }

// backend returns a backend.
func (d *dice) backend() networkingv1.IngressBackend {
	b := networkingv1.IngressBackend{}
	if d.n(8) != 1 {
		b.Service = &networkingv1.IngressServiceBackend{Name: d.name(), Port: networkingv1.ServiceBackendPort{Number: 80}}
		switch d.n(8) {
		case 1:
			b.Service.Name = d.word()
		case 2:
			b.Service.Port = networkingv1.ServiceBackendPort{Name: d.word(), Number: int32(d.n(3)) - 1}
		}
	} else if d.yes() {
		b.Resource = &corev1.TypedLocalObjectReference{Kind: d.word()}
	}
	return b
}

// ingress returns an Ingress.
func (d *dice) ingress() *networkingv1.Ingress {
	if d.n(16) == 1 {
		return nil
	}
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{
		Namespace: d.name(), Name: d.name(), UID: types.UID(d.name()), CreationTimestamp: metav1.Unix(int64(d.n(3)), 0),
	}}
	for range d.n(6) {
		if ing.Annotations == nil {
			ing.Annotations = map[string]string{}
		}
		ing.Annotations[feature.NginxPrefix+keys[d.n(len(keys))]] = d.word()
	}
	if d.n(4) == 1 {
		w := d.word()
		ing.Spec.IngressClassName = &w
	}
	if d.n(4) == 1 {
		b := d.backend()
		ing.Spec.DefaultBackend = &b
	}
	for range d.n(3) {
		t := networkingv1.IngressTLS{SecretName: d.name()}
		for range d.n(3) {
			t.Hosts = append(t.Hosts, d.word())
		}
		ing.Spec.TLS = append(ing.Spec.TLS, t)
	}
	for range d.n(4) {
		ing.Spec.Rules = append(ing.Spec.Rules, d.rule())
	}
	return ing
}

// rule returns a rule.
func (d *dice) rule() networkingv1.IngressRule {
	r := networkingv1.IngressRule{Host: [...]string{"a.test", "b.a.test", "*.a.test", ""}[d.n(4)]}
	if d.n(6) == 1 {
		r.Host = d.word()
	}
	if d.n(8) == 1 {
		return r
	}
	r.HTTP = &networkingv1.HTTPIngressRuleValue{}
	for range d.n(4) {
		p := networkingv1.HTTPIngressPath{Path: [...]string{"/", "/x", "/x/", ""}[d.n(4)], Backend: d.backend()}
		if d.n(6) == 1 {
			p.Path = d.word()
		}
		if d.n(4) != 1 {
			t := [...]networkingv1.PathType{"Prefix", "Exact", "ImplementationSpecific", ""}[d.n(4)]
			p.PathType = &t
		}
		r.HTTP.Paths = append(r.HTTP.Paths, p)
	}
	return r
}

// world returns objects and options.
func (d *dice) world() (*translate.Objects, *translate.Options) {
	o := newObjects()
	for range d.n(6) {
		o.Ingresses = append(o.Ingresses, d.ingress())
	}
	for range d.n(4) {
		var s *corev1.Service
		if d.n(6) != 1 {
			s = &corev1.Service{}
			for range d.n(3) {
				s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: int32(d.n(3)) * 40, Name: d.word(), TargetPort: intstr.FromString(d.word())})
			}
		}
		o.Services[types.NamespacedName{Namespace: d.name(), Name: d.name()}] = s
	}
	for range d.n(3) {
		var s *corev1.Secret
		if d.n(6) != 1 {
			s = &corev1.Secret{Data: map[string][]byte{"tls.crt": []byte(d.word()), "tls.key": []byte(d.word())}}
			if d.yes() {
				s.Data["tls.crt"] = someCertificate
			}
		}
		o.Secrets[types.NamespacedName{Namespace: d.name(), Name: d.name()}] = s
	}
	for range d.n(3) {
		class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: d.word()}, Spec: networkingv1.IngressClassSpec{Controller: d.word()}}
		if d.n(6) == 1 {
			class = nil
		}
		o.Classes = append(o.Classes, class)
	}
	options := &translate.Options{
		WithoutClass: !d.yes(), ClassByName: d.yes(), ClassesUnknown: d.yes(), DisableCatchAll: d.n(6) == 1, DisableExternalName: d.yes(),
		IngressClass: d.word(), ControllerClass: d.word(), AnnotationsPrefix: [...]string{"", d.word()}[d.n(2)],
		DefaultBackend:     types.NamespacedName{Namespace: d.name(), Name: d.name()},
		DefaultCertificate: types.NamespacedName{Namespace: d.name(), Name: d.word()},
		ConfigMap:          types.NamespacedName{Namespace: d.name(), Name: d.word()},
	}
	if d.yes() {
		o.ConfigMaps[options.ConfigMap] = &corev1.ConfigMap{Data: map[string]string{d.word(): d.word(), "load-balance": d.word(), "ssl-redirect": d.word()}}
	}
	return o, options
}

// someCertificate is good for a.test and what is below it.
var someCertificate = selfSigned("a.test", "*.a.test")

// checkNoInternalErrors fails the test if a panic was turned into a problem.
func checkNoInternalErrors(t *testing.T, r *translate.Result) {
	t.Helper()
	for _, v := range r.Verdicts {
		for _, p := range v.Problems {
			if strings.Contains(p.Reason, "internal error") {
				t.Errorf("%s: %s %q: %s", v.Name, p.Key, p.Value, p.Reason)
			}
			if !utf8.ValidString(p.Reason + p.Value) {
				t.Errorf("%s: a problem that is no text: %q %q", v.Name, p.Value, p.Reason)
			}
		}
	}
}

// checkWorld translates a world in two orders and checks what must hold.
func checkWorld(t *testing.T, o *translate.Objects, options *translate.Options, seed uint64) {
	t.Helper()
	r := translate.Translate(o, options)
	checkInvariants(t, o, r)
	checkNoInternalErrors(t, r)
	again := translate.Translate(shuffled(o, mathrand.New(mathrand.NewPCG(seed, 1))), options)
	if !reflect.DeepEqual(r, again) {
		t.Fatalf("another order of the objects gives another result:\n%s", cmp.Diff(r, again, comparers))
	}
	if a, b := r.Config.Text(), again.Config.Text(); a != b {
		t.Fatalf("equal results have different texts:\n%s", cmp.Diff(a, b))
	}
}

func FuzzTranslate(f *testing.F) {
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6, 7, 8} {
		f.Add(randomBytes(seed, 400), "/a|b")
	}
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, data []byte, word string) {
		d := &dice{data: data, words: append([]string{word}, nasty...)}
		o, options := d.world()
		checkWorld(t, o, options, uint64(len(data)))
	})
}

// randomBytes returns n bytes.
func randomBytes(seed uint64, n int) []byte {
	random := mathrand.New(mathrand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.UintN(256))
	}
	return b
}

func TestAnyWorldCanBeTranslated(t *testing.T) {
	n := 1500
	if testing.Short() {
		n = 100
	}
	for seed := range uint64(n) {
		d := &dice{data: randomBytes(seed, 100+int(seed%500)), words: nasty}
		o, options := d.world()
		checkWorld(t, o, options, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestNothingAtAllCanBeTranslated(t *testing.T) {
	r := translate.Translate(nil, nil)
	checkInvariants(t, &translate.Objects{}, r)
	r = translate.Translate(&translate.Objects{Ingresses: []*networkingv1.Ingress{nil, {}}}, &translate.Options{WithoutClass: true})
	if len(r.Verdicts) != 1 || r.Verdicts[0].State != translate.Rejected {
		t.Errorf("verdicts %+v", r.Verdicts)
	}
}

func TestTheFamiliesAreThoseOfPackageAnnotations(t *testing.T) {
	o := newObjects()
	o.Ingresses = []*networkingv1.Ingress{ingressOf(named("a/web"), 1, "a.test", "/", "web", map[string]string{feature.NginxPrefix + "proxy-read-timeout": "7"})}
	plain := translate.Translate(o, &translate.Options{WithoutClass: true})
	named := translate.Translate(o, &translate.Options{WithoutClass: true, Annotations: &translate.Annotations{
		Apply: annotations.Apply, Configure: annotations.Configure,
	}})
	if diff := cmp.Diff(plain, named, comparers); diff != "" {
		t.Error(diff)
	}
}

package translate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yettproxy/yett/controllers/translate"
)

// pick returns one of some values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// randomWorld returns Ingresses that get into each other's way a lot: they share few hosts, paths and Services.
func randomWorld(r *rand.Rand, n int) *translate.Objects {
	o := newObjects()
	backend := func() networkingv1.IngressBackend {
		return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: fmt.Sprintf("s%d", r.IntN(2*n)), Port: networkingv1.ServiceBackendPort{Number: 80},
		}}
	}
	exact, prefix := networkingv1.PathTypeExact, networkingv1.PathTypePrefix
	for i := range n {
		ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{
			Namespace: pick(r, "a", "b"), Name: fmt.Sprintf("i%d", i), CreationTimestamp: metav1.Unix(1_700_000_000+int64(r.IntN(4)), 0),
			Annotations: map[string]string{},
		}}
		for range 1 - r.IntN(16)/15 + r.IntN(2) {
			host := fmt.Sprintf("h%d.test", r.IntN(2*n))
			rule := networkingv1.IngressRule{Host: pick(r, host, host, host, host, host, host, "www."+host, "www."+host, "*.test", "")}
			rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
			for range 1 + r.IntN(2) {
				rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{
					Path: pick(r, "/", "/a"), PathType: pick(r, &exact, &prefix, &prefix), Backend: backend(),
				})
			}
			ing.Spec.Rules = append(ing.Spec.Rules, rule)
		}
		if len(ing.Spec.Rules) == 0 || r.IntN(16) == 0 {
			b := backend()
			ing.Spec.DefaultBackend = &b
		}
		for _, a := range [][2]string{
			{"canary", "true"}, {"canary-weight", "5"}, {"server-alias", fmt.Sprintf("h%d.test", r.IntN(2*n))}, {"from-to-www-redirect", "true"},
			{"load-balance", "ewma"}, {"affinity", "cookie"}, {"app-root", pick(r, "/x", "/y")}, {"service-upstream", "true"},
			{"default-backend", fmt.Sprintf("s%d", r.IntN(n))}, {"auth-type", "basic"}, {"use-regex", "true"}, {"proxy-body-size", "x"},
		} {
			if r.IntN(6) == 0 {
				ing.Annotations["nginx.ingress.kubernetes.io/"+a[0]] = a[1]
			}
		}
		o.Ingresses = append(o.Ingresses, ing)
		if r.IntN(4) > 0 {
			name := named(ing.Namespace + "/" + fmt.Sprintf("s%d", i))
			o.Services[name] = &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		}
	}
	return o
}

// tiedTo returns the part of a world that is tied to an Ingress.
func tiedTo(t *testing.T, o *translate.Objects, ing *networkingv1.Ingress) *translate.Objects {
	t.Helper()
	list, err := translate.Tied(ing, func(tie string) (found []*networkingv1.Ingress, _ error) {
		for _, other := range o.Ingresses {
			if slices.Contains(translate.Ties(other), tie) {
				found = append(found, other)
			}
		}
		return found, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	part := *o
	part.Ingresses = list
	return &part
}

func TestWhatIsNotTiedDoesNotChangeAVerdict(t *testing.T) {
	options := &translate.Options{WithoutClass: true}
	left, compared := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		o := randomWorld(r, 4+r.IntN(40))
		whole := translate.Translate(o, options)
		for _, ing := range o.Ingresses {
			part := tiedTo(t, o, ing)
			left, compared = left+len(o.Ingresses)-len(part.Ingresses), compared+1
			of := func(result *translate.Result) translate.Verdict {
				i := slices.IndexFunc(result.Verdicts, func(v translate.Verdict) bool { return v.Name.Namespace == ing.Namespace && v.Name.Name == ing.Name })
				if i < 0 {
					t.Fatalf("seed %d: %s is not tied to itself", seed, ing.Name)
				}
				return result.Verdicts[i]
			}
			if diff := cmp.Diff(of(whole), of(translate.Translate(part, options))); diff != "" {
				t.Fatalf("seed %d, %s/%s (-among all +among those tied to it):\n%s", seed, ing.Namespace, ing.Name, diff)
			}
		}
	}
	if left < 5*compared {
		t.Errorf("hardly anything was left out: %d Ingresses in %d comparisons", left, compared)
	}
}

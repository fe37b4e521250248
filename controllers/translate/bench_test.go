package translate_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/controllers/translate"
)

// manyIngresses returns n Ingresses with two paths each, a few annotations, and TLS if asked for.
func manyIngresses(n int, tls bool) *translate.Objects {
	o := newObjects()
	prefix, exact := networkingv1.PathTypePrefix, networkingv1.PathTypeExact
	for i := range n {
		namespace := fmt.Sprintf("team-%d", i%50)
		name := fmt.Sprintf("app-%d", i)
		host := name + ".example.test"
		backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: name, Port: networkingv1.ServiceBackendPort{Number: 8080},
		}}
		ing := &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(int64(1_700_000_000-i%977), 0),
				Annotations: map[string]string{
					"nginx.ingress.kubernetes.io/proxy-read-timeout": fmt.Sprint(30 + i%7),
					"nginx.ingress.kubernetes.io/proxy-body-size":    "8m",
					"nginx.ingress.kubernetes.io/ssl-redirect":       "true",
					"cert-manager.io/cluster-issuer":                 "letsencrypt",
				},
			},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
				Host: host,
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{
					{Path: "/", PathType: &prefix, Backend: backend},
					{Path: "/healthz", PathType: &exact, Backend: backend},
				}}},
			}}},
		}
		if tls {
			ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: name}}
			o.Secrets[types.NamespacedName{Namespace: namespace, Name: name}] = &corev1.Secret{
				Data: map[string][]byte{"tls.crt": selfSigned(host), "tls.key": []byte("key")},
			}
		}
		o.Ingresses = append(o.Ingresses, ing)
		o.Services[types.NamespacedName{Namespace: namespace, Name: name}] = &corev1.Service{
			Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}},
		}
	}
	return o
}

func benchmark(b *testing.B, objects *translate.Objects, options *translate.Options) {
	translate.Translate(objects, options)
	b.ReportAllocs()
	for b.Loop() {
		translate.Translate(objects, options)
	}
}

// BenchmarkTranslate is a full rebuild.
func BenchmarkTranslate(b *testing.B) {
	bare := &translate.Annotations{Apply: bareApply, Configure: bareConfigure}
	b.Run("5000", func(b *testing.B) {
		benchmark(b, manyIngresses(5000, false), &translate.Options{WithoutClass: true, Memo: &translate.Memo{}})
	})
	b.Run("5000-tls", func(b *testing.B) {
		benchmark(b, manyIngresses(5000, true), &translate.Options{WithoutClass: true, Memo: &translate.Memo{}})
	})
	b.Run("5000-without-families", func(b *testing.B) {
		benchmark(b, manyIngresses(5000, false), &translate.Options{WithoutClass: true, Annotations: bare, Memo: &translate.Memo{}})
	})
}

// BenchmarkTranslateWide is one host with very many Ingresses and one Ingress with very many rules: nothing may
// be quadratic in either.
func BenchmarkTranslateWide(b *testing.B) {
	bare := &translate.Annotations{Apply: bareApply, Configure: bareConfigure}
	b.Run("one-host", func(b *testing.B) {
		o := manyIngresses(5000, false)
		for i, ing := range o.Ingresses {
			ing.Spec.Rules[0].Host = "one.test"
			ing.Spec.Rules[0].HTTP.Paths[0].Path = fmt.Sprintf("/a%d", i)
			ing.Spec.Rules[0].HTTP.Paths[1].Path = fmt.Sprintf("/b%d", i)
		}
		benchmark(b, o, &translate.Options{WithoutClass: true, Annotations: bare})
	})
	b.Run("one-ingress", func(b *testing.B) {
		o := manyIngresses(5000, true)
		one := o.Ingresses[0].DeepCopy()
		for _, ing := range o.Ingresses[1:] {
			one.Spec.Rules = append(one.Spec.Rules, ing.Spec.Rules...)
			one.Spec.TLS = append(one.Spec.TLS, ing.Spec.TLS...)
		}
		o.Ingresses = []*networkingv1.Ingress{one}
		benchmark(b, o, &translate.Options{WithoutClass: true, Annotations: bare})
	})
}

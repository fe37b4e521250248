package admission

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
)

// now is when the tests play; objects have ages.
const now = 1_700_000_000

// read reads an Ingress. Without a class it is of ours; without rules it has host x.test and path /, age is in seconds.
func read(t testing.TB, age int64, text string) *networkingv1.Ingress {
	t.Helper()
	ing := &networkingv1.Ingress{}
	if err := yaml.UnmarshalStrict([]byte(text), ing); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if ing.Namespace == "" {
		ing.Namespace = "shop"
	}
	if ing.Name == "" {
		ing.Name = "web"
	}
	if ing.Spec.IngressClassName == nil {
		class := "nginx"
		ing.Spec.IngressClassName = &class
	}
	if len(ing.Spec.Rules) == 0 && ing.Spec.DefaultBackend == nil {
		ing.Spec.Rules = rules("x.test", "/")
	}
	ing.CreationTimestamp = metav1.Unix(now-age, 0)
	return ing
}

// rules returns one rule with some paths of pathType Prefix.
func rules(host string, paths ...string) []networkingv1.IngressRule {
	rule := networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}}}
	for _, p := range paths {
		prefix := networkingv1.PathTypePrefix
		rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: p, PathType: &prefix, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
		}})
	}
	return []networkingv1.IngressRule{rule}
}

// annotated returns an Ingress with annotations "key: value".
func annotated(lines ...string) string {
	text := "metadata:\n  annotations:\n"
	for _, l := range lines {
		text += "    nginx.ingress.kubernetes.io/" + l + "\n"
	}
	return text
}

// validator returns one over a world of some objects, with our class and Service web.
func validator(t testing.TB, options translate.Options, objects ...client.Object) *Validator {
	t.Helper()
	class := func(name, controller string) client.Object {
		return &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressClassSpec{Controller: controller}}
	}
	objects = append(objects, class("nginx", "k8s.io/ingress-nginx"), class("other", "example.test/other"),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	reader := fake.NewClientBuilder().WithIndex(&networkingv1.Ingress{}, store.TieIndex, store.IndexTies).WithObjects(objects...).Build()
	options.ConfigMap = types.NamespacedName{Namespace: "edge", Name: "settings"}
	return &Validator{World: &store.Cluster{Reader: reader}, Options: options}
}

// settings returns the controller's ConfigMap.
func settings(data ...string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "settings"}, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		m.Data[data[i]] = data[i+1]
	}
	return m
}

func TestJudge(t *testing.T) {
	ing := func(age int64, text string) *networkingv1.Ingress { return read(t, age, text) }
	named := func(name string, ing *networkingv1.Ingress) *networkingv1.Ingress {
		ing.Name = name
		return ing
	}
	for name, tt := range map[string]struct {
		world    []client.Object
		options  translate.Options
		ing, old *networkingv1.Ingress
		// refused and warned are parts of what is said; "" for nothing at all.
		refused, warned string
	}{
		"a plain one":                    {ing: ing(0, "")},
		"a number that is none":          {ing: ing(0, annotated(`proxy-read-timeout: x`)), refused: `annotation proxy-read-timeout "x": `},
		"an allow list that is none":     {ing: ing(0, annotated(`whitelist-source-range: nonsense`)), refused: "10.0.0.0/8"},
		"a typing mistake is a warning":  {ing: ing(0, annotated(`proxy-read-timout: "60"`)), warned: "did you mean proxy-read-timeout?"},
		"a Secret that is still to come": {ing: ing(0, annotated(`auth-type: basic`, `auth-secret: users`)), warned: "there is no Secret shop/users"},
		"a Secret of somebody else":      {ing: ing(0, annotated(`auth-type: basic`, `auth-secret: other/users`)), refused: "is in another namespace"},
		"authentication that we lack":    {ing: ing(0, annotated(`auth-type: ldap`, `auth-secret: users`)), refused: "write basic or digest"},
		"tokens without keys":            {ing: ing(0, annotated(`jwt-issuer: "https://issuer.test"`)), refused: "write jwt-jwks-uri or jwt-jwks-secret"},
		"keys over http":                 {ing: ing(0, annotated(`jwt-issuer: x`, `jwt-jwks-uri: "http://issuer.test/keys"`)), refused: "write https://"},
		"keys that are still to come":    {ing: ing(0, annotated(`jwt-issuer: x`, `jwt-jwks-secret: keys`)), warned: "there is no Secret shop/keys"},
		"keys that are not asked for":    {ing: ing(0, annotated(`jwt-issuer: x`, `jwt-jwks-uri: "https://issuer.test/keys"`))},
		"a Service that is still to come": {
			ing: func() *networkingv1.Ingress {
				i := ing(0, "")
				i.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "later"
				return i
			}(), warned: "shop/later",
		},
		"a certificate that is still to come": {ing: ing(0, "spec: {tls: [{hosts: [x.test], secretName: later}]}"), warned: "there is no Secret shop/later"},
		"a Secret without users is no fault of the Ingress": {
			world: []client.Object{&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "users"}}},
			ing:   ing(0, annotated(`auth-type: basic`, `auth-secret: users`)), warned: "has no key",
		},
		"a snippet":                                  {ing: ing(0, annotated(`configuration-snippet: deny all;`)), refused: "annotation configuration-snippet"},
		"a snippet where both keys allow it":         {world: []client.Object{settings("allow-snippet-annotations", "true", "annotations-risk-level", "Critical")}, ing: ing(0, annotated(`server-snippet: return 418;`)), warned: "never executed"},
		"a snippet where one key allows it":          {world: []client.Object{settings("annotations-risk-level", "Critical")}, ing: ing(0, annotated(`server-snippet: return 418;`)), refused: "allow-snippet-annotations"},
		"a word that the operator forbids":           {world: []client.Object{settings("annotation-value-word-blocklist", "secret")}, ing: ing(0, annotated(`upstream-vhost: secret.test`)), refused: "annotation-value-word-blocklist"},
		"a risk that the operator forbids":           {world: []client.Object{settings("annotations-risk-level", "Low")}, ing: ing(0, annotated(`auth-url: http://auth.shop.svc/`)), refused: "annotations-risk-level"},
		"a mistake of the operator is no one's else": {world: []client.Object{settings("global-auth-url", ":::")}, ing: ing(0, ""), warned: "global-auth-url"},
		"the prefix of others":                       {options: translate.Options{AnnotationsPrefix: "example.test"}, ing: ing(0, annotated(`app-root: /a`)), refused: "example.test/app-root"},
		"a pattern as Prefix":                        {ing: ing(0, "spec: {rules: "+ruleText("x.test", "/a(/.*)?", "Prefix")+"}"), refused: "write pathType ImplementationSpecific"},
		"a pattern as what it is":                    {ing: ing(0, annotated(`use-regex: "true"`)+"spec: {rules: "+ruleText("x.test", "/a(/.*)?", "ImplementationSpecific")+"}")},
		"a pattern as Prefix where it may be":        {world: []client.Object{settings("strict-validate-path-type", "false")}, ing: ing(0, annotated(`use-regex: "true"`)+"spec: {rules: "+ruleText("x.test", "/a(/.*)?", "Prefix")+"}")},
		"a pattern that does not compile":            {ing: ing(0, annotated(`use-regex: "true"`)+"spec: {rules: "+ruleText("x.test", "/a(", "ImplementationSpecific")+"}"), refused: "x.test/a("},
		"a catch-all where there are none":           {options: translate.Options{DisableCatchAll: true}, ing: ing(0, "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}"), refused: "--disable-catch-all"},
		"a second catch-all": {
			world: []client.Object{named("old", ing(9, "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}"))},
			ing:   ing(0, "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}"), refused: "Ingress shop/old has the catch-all already",
		},
		"a path that another has":            {world: []client.Object{named("old", ing(9, ""))}, ing: ing(0, ""), refused: "Ingress shop/old has the same host, path and pathType"},
		"the same path as Exact":             {world: []client.Object{named("old", ing(9, ""))}, ing: ing(0, "spec: {rules: "+ruleText("x.test", "/", "Exact")+"}")},
		"a canary of a path":                 {world: []client.Object{named("old", ing(9, ""))}, ing: ing(0, annotated(`canary: "true"`, `canary-weight: "5"`))},
		"a spare canary, as Flagger has one": {world: []client.Object{named("old", ing(9, ""))}, ing: ing(0, annotated(`canary: "false"`)), warned: "shop/old"},
		"a canary before its main Ingress":   {ing: ing(0, annotated(`canary: "true"`)), warned: "nothing to be a canary of"},
		"a path of a younger one, which has served it": {
			world: []client.Object{named("young", ing(5, "")), ing(9, "spec: {rules: "+ruleText("y.test", "/", "Prefix")+"}")},
			ing:   ing(9, ""), old: ing(9, "spec: {rules: "+ruleText("y.test", "/", "Prefix")+"}"), refused: "Ingress shop/young serves this host and path",
		},
		"a path that a younger one asks for in vain": {
			world: []client.Object{named("young", ing(5, "")), ing(9, "")},
			ing:   ing(9, annotated(`proxy-read-timeout: "9"`)), old: ing(9, ""),
		},
		"a broken one of the same host elsewhere": {
			world: []client.Object{named("broken", func() *networkingv1.Ingress {
				i := ing(9, annotated(`proxy-read-timeout: x`, `auth-type: nonsense`))
				i.Spec.Rules = rules("x.test", "/b", "/b(")
				return i
			}())},
			ing: ing(0, ""),
		},
		"a broken one that gets a label": {ing: ing(0, annotated(`proxy-read-timeout: x`)), old: ing(0, annotated(`proxy-read-timeout: x`))},
		"a broken one that is changed":   {ing: ing(0, annotated(`proxy-read-timeout: x`, `app-root: /a`)), old: ing(0, annotated(`proxy-read-timeout: x`)), refused: "proxy-read-timeout"},
		"a broken one that is going": {
			ing: func() *networkingv1.Ingress {
				i := ing(0, annotated(`proxy-read-timeout: x`))
				i.DeletionTimestamp = &metav1.Time{}
				return i
			}(), old: ing(0, ""),
		},
		"one of another class":          {ing: ing(0, annotated(`proxy-read-timeout: x`)+"spec: {ingressClassName: other}")},
		"one of a class that is none":   {ing: ing(0, annotated(`proxy-read-timeout: x`)+"spec: {ingressClassName: none}")},
		"one of a namespace elsewhere":  {options: translate.Options{Namespace: "else"}, ing: ing(0, annotated(`proxy-read-timeout: x`))},
		"no Service at all":             {ing: ing(0, "spec: {rules: [{host: x.test, http: {paths: [{path: /, pathType: Prefix, backend: {resource: {kind: Bucket, name: b}}}]}}]}"), warned: "only Services"},
		"a host that is none":           {ing: ing(0, "spec: {rules: "+ruleText("x.test:80", "/", "Prefix")+"}"), refused: "a host has no port"},
		"a redirect that leads nowhere": {ing: ing(0, annotated(`temporal-redirect: nowhere`)), refused: "temporal-redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := validator(t, tt.options, tt.world...).Judge(context.Background(), tt.ing, tt.old)
			if err != nil {
				t.Fatal(err)
			}
			said := func(what string, lines []string, want string) {
				all := strings.Join(lines, "\n")
				if (want == "") != (all == "") || !strings.Contains(all, want) {
					t.Errorf("%s:\n%s\nwant %q", what, all, want)
				}
			}
			said("refused", j.Refusals, tt.refused)
			if tt.refused == "" || tt.warned != "" {
				said("warned", j.Warnings, tt.warned)
			}
		})
	}
}

// ruleText returns rules with one path as YAML.
func ruleText(host, path, kind string) string {
	return `[{host: "` + host + `", http: {paths: [{path: "` + path + `", pathType: ` + kind + `, backend: {service: {name: web, port: {number: 80}}}}]}}]`
}

// TestJudgingChangesNothing judges the same Ingress twice, good and bad, and looks at what was handed in.
func TestJudgingChangesNothing(t *testing.T) {
	old := read(t, 9, "")
	old.Name = "old"
	v := validator(t, translate.Options{}, old)
	for _, text := range []string{"", annotated(`proxy-read-timeout: x`, `auth-type: basic`, `auth-secret: users`)} {
		ing := read(t, 0, text)
		before := ing.DeepCopy()
		var said [2]string
		for i := range said {
			j, err := v.Judge(context.Background(), ing, nil)
			if err != nil {
				t.Fatal(err)
			}
			said[i] = strings.Join(append(j.Refusals, j.Warnings...), "\n")
		}
		if said[0] != said[1] || said[0] == "" {
			t.Errorf("first %q, then %q", said[0], said[1])
		}
		if before.String() != ing.String() {
			t.Error("the Ingress was changed")
		}
	}
}

package store

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

const twoServices = `# a comment before anything
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: not-ours}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: s}
  data: {a: QQ==}
  stringData: {b: B}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: a-1, labels: {kubernetes.io/service-name: a}}
  ports: [{port: 8080}]
  endpoints: [{addresses: [127.0.0.1]}]
`

func TestManifestIsReadAsAnAPIServerWould(t *testing.T) {
	m, err := ParseManifest("x.yaml", []byte(twoServices))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Objects) != 3 || m.Ignored["Deployment"] != 1 {
		t.Fatalf("got %d objects, ignored %v", len(m.Objects), m.Ignored)
	}
	service := m.Objects[0].(*corev1.Service)
	if p := service.Spec.Ports[0]; p.TargetPort.IntValue() != 80 || p.Protocol != corev1.ProtocolTCP {
		t.Errorf("service port is %+v: defaults are missing", p)
	}
	secret := m.Objects[1].(*corev1.Secret)
	if secret.Namespace != "default" || string(secret.Data["a"]) != "A" || string(secret.Data["b"]) != "B" {
		t.Errorf("secret is %+v", secret)
	}
	slice := m.Objects[2].(*discoveryv1.EndpointSlice)
	if slice.AddressType != discoveryv1.AddressTypeIPv4 || *slice.Ports[0].Name != "" {
		t.Errorf("slice is %+v: defaults are missing", slice)
	}
}

func TestManifestMistakesAreNamedWithFileAndLine(t *testing.T) {
	tests := map[string]struct {
		text string
		line int
		says string
	}{
		"a tab where YAML wants spaces": {"apiVersion: v1\nkind: Service\nmetadata:\n\tname: a\n", 4, ""},
		"a mistake in the second document": {
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b\n", 8, ""},
		"a document without a kind": {"a: 1\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", 1, "no kind"},
		"an object without a name":  {"apiVersion: v1\nkind: Namespace\nmetadata: {}\n", 1, "metadata.name"},
		"a text where a number must be": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: [80]}]}\n", 1, "port"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseManifest("dir/x.yaml", []byte(test.text))
			var mistake *ManifestError
			if !errors.As(err, &mistake) {
				t.Fatalf("got %v, want a ManifestError", err)
			}
			if mistake.File != "dir/x.yaml" || mistake.Line < test.line-1 || mistake.Line > test.line || !strings.Contains(mistake.Reason, test.says) {
				t.Errorf("got %v, want line %d and %q", err, test.line, test.says)
			}
		})
	}
}

func TestObjectsOfOtherAPIVersionsAreWarnedAbout(t *testing.T) {
	tests := map[string]string{
		"apiVersion: extensions/v1beta1\nkind: Ingress\n":        `x.yaml:2: Ingress of apiVersion "extensions/v1beta1" is not read: write networking.k8s.io/v1`,
		"apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\n": `x.yaml:2: Ingress of apiVersion "networking.k8s.io/v1beta1" is not read: write networking.k8s.io/v1`,
		"kind: Ingress\n":                   `x.yaml:1: Ingress of apiVersion "" is not read: write networking.k8s.io/v1`,
		"apiVersion: v1\nkind: Endpoints\n": `x.yaml:2: Endpoints of apiVersion "v1" is not read: write an EndpointSlice of discovery.k8s.io/v1`,
		"kind: Secret\n":                    `x.yaml:1: Secret of apiVersion "" is not read: write v1`,
		"apiVersion: serving.knative.dev/v1\nkind: Service\n":            "",
		"apiVersion: config.openshift.io/v1\nkind: Ingress\n":            "",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n": "",
	}
	for text, want := range tests {
		m, err := ParseManifest("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range m.Warnings {
			got += w.Error()
		}
		if got != want || len(m.Objects) != 0 {
			t.Errorf("%q: %d objects, warned %q, want %q", text, len(m.Objects), got, want)
		}
	}
}

func TestUnknownFieldsAreWarnedAboutWithTheirLine(t *testing.T) {
	m, err := ParseManifest("x.yaml", []byte("apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec:\n  portz: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) != 1 || m.Warnings[0].Line != 5 {
		t.Errorf("warnings are %v, want one on line 5", m.Warnings)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(twoServices))
	f.Add([]byte("---\n---\n"))
	f.Add([]byte("kind: List\nitems: [1, {kind: List, items: [{}]}]\n"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest("f", text)
		var mistake *ManifestError
		if err != nil && !errors.As(err, &mistake) {
			t.Fatalf("error is %T: %v", err, err)
		}
		if err == nil {
			NewSnapshot(m.Objects)
		}
	})
}

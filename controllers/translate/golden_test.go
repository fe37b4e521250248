package translate_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/yettproxy/yett/controllers/translate"
)

var update = flag.Bool("update", false, "write what is got into testdata as what is wanted")

// TestGolden translates the objects of every case in testdata. A case is a txtar file:
//
//	(comment)     what the case shows
//	services      one Service a line: namespace/name port[/udp][:name[:target]]…, or "external NAME" for a port
//	objects.yaml  the other objects. "age" is the creationTimestamp, a number of seconds; a Secret whose
//	              tls.crt is "certificate for a.test,b.test" gets such a certificate
//	options.yaml  translate.Options; without it Ingresses need no class, and are not redirected to https
//	ir, verdicts  what is wanted; rewritten by go test -update
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

// golden runs one case.
func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	objects, options := readCase(t, archive)
	result := translate.Translate(objects, options)
	got := map[string]string{"ir": configText(result), "verdicts": verdicts(result)}
	if *update {
		setFiles(archive, got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		if want, ok := got[f.Name]; ok {
			if diff := cmp.Diff(string(f.Data), want); diff != "" {
				t.Errorf("%s differs (-want +got; if it is right: go test -run TestGolden -update):\n%s", f.Name, diff)
			}
			delete(got, f.Name)
		}
	}
	if len(got) > 0 {
		t.Errorf("the case has no files ir and verdicts: go test -run TestGolden -update")
	}
	checkInvariants(t, objects, result)
	random := mathrand.New(mathrand.NewPCG(1, uint64(len(file))))
	for range 4 {
		again := translate.Translate(shuffled(objects, random), options)
		if diff := cmp.Diff(result, again, comparers); diff != "" {
			t.Fatalf("another order of the objects gives another result:\n%s", diff)
		}
	}
}

// configText returns the text of the configuration without the settings that hold when nothing is configured.
func configText(r *translate.Result) string {
	plain := translate.Translate(newObjects(), &translate.Options{}).Config.Text()
	var b strings.Builder
	for line := range strings.Lines(r.Config.Text()) {
		if !strings.HasPrefix(line, "settings ") || !strings.Contains(plain, line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// comparers let results be compared, also what families keep to themselves.
var comparers = cmp.Exporter(func(reflect.Type) bool { return true })

// setFiles replaces or adds files of an archive.
func setFiles(a *txtar.Archive, text map[string]string) {
	for _, name := range []string{"ir", "verdicts"} {
		found := false
		for i := range a.Files {
			if a.Files[i].Name == name {
				a.Files[i].Data, found = []byte(text[name]), true
			}
		}
		if !found {
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text[name])})
		}
	}
}

// verdicts writes verdicts and problems for people.
func verdicts(r *translate.Result) string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s %s: %s %q: %s\n", p.Kind, p.Name, p.Key, p.Value, p.Reason)
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%s %s", v.Name, v.State)
		if v.Canary {
			b.WriteString(" canary")
		}
		if v.Reason != "" {
			fmt.Fprintf(&b, ": %s", v.Reason)
		}
		b.WriteByte('\n')
		for _, p := range v.Problems {
			kind := "problem"
			switch {
			case p.Denied:
				kind = "denied"
			case p.Note:
				kind = "note"
			}
			fmt.Fprintf(&b, "  %s %s %q: %s\n", kind, p.Key, p.Value, p.Reason)
		}
	}
	return b.String()
}

// readCase reads the objects and options of a case.
func readCase(t *testing.T, a *txtar.Archive) (*translate.Objects, *translate.Options) {
	t.Helper()
	objects := newObjects()
	options := &translate.Options{WithoutClass: true, ConfigMap: named("yett/quiet")}
	objects.ConfigMaps[options.ConfigMap] = &corev1.ConfigMap{Data: map[string]string{"ssl-redirect": "false"}}
	for _, f := range a.Files {
		var err error
		switch f.Name {
		case "services":
			for line := range strings.Lines(string(f.Data)) {
				addService(t, objects, strings.Fields(line))
			}
		case "objects.yaml":
			for _, doc := range bytes.Split(f.Data, []byte("\n---\n")) {
				if err = addObject(objects, doc); err != nil {
					break
				}
			}
		case "options.yaml":
			*options = translate.Options{}
			err = yaml.UnmarshalStrict(f.Data, options)
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	return objects, options
}

// newObjects returns an empty world.
func newObjects() *translate.Objects {
	return &translate.Objects{
		Services:   map[types.NamespacedName]*corev1.Service{},
		Secrets:    map[types.NamespacedName]*corev1.Secret{},
		ConfigMaps: map[types.NamespacedName]*corev1.ConfigMap{},
	}
}

// named reads "namespace/name".
func named(text string) types.NamespacedName {
	namespace, name, _ := strings.Cut(text, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// addService adds the Service of a line.
func addService(t *testing.T, o *translate.Objects, words []string) {
	t.Helper()
	if len(words) == 0 {
		return
	}
	name := named(words[0])
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	if len(words) == 3 && words[1] == "external" {
		s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, words[2]
		words = nil
	}
	for _, word := range words[min(1, len(words)):] {
		part := append(strings.Split(word, ":"), "", "")
		number, isUDP := strings.CutSuffix(part[0], "/udp")
		port, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("service %s: %v", name, err)
		}
		p := corev1.ServicePort{Port: int32(port), Name: part[1], TargetPort: intstr.Parse(part[2])}
		if isUDP {
			p.Protocol = corev1.ProtocolUDP
		}
		s.Spec.Ports = append(s.Spec.Ports, p)
	}
	o.Services[name] = s
}

// addObject adds the object of a YAML document.
func addObject(o *translate.Objects, doc []byte) error {
	var head struct {
		Kind     string `json:"kind"`
		Age      int64  `json:"age"`
		Metadata metav1.ObjectMeta
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	name := types.NamespacedName{Namespace: head.Metadata.Namespace, Name: head.Metadata.Name}
	switch head.Kind {
	case "":
		return nil
	case "Ingress":
		ing := &networkingv1.Ingress{}
		o.Ingresses = append(o.Ingresses, ing)
		err := yaml.Unmarshal(doc, ing)
		ing.CreationTimestamp = metav1.Unix(1_700_000_000-head.Age, 0)
		return err
	case "IngressClass":
		class := &networkingv1.IngressClass{}
		o.Classes = append(o.Classes, class)
		return yaml.Unmarshal(doc, class)
	case "Service":
		o.Services[name] = &corev1.Service{}
		return yaml.Unmarshal(doc, o.Services[name])
	case "ConfigMap":
		o.ConfigMaps[name] = &corev1.ConfigMap{}
		return yaml.Unmarshal(doc, o.ConfigMaps[name])
	case "Secret":
		s := &corev1.Secret{}
		o.Secrets[name] = s
		err := yaml.Unmarshal(doc, s)
		s.Data = map[string][]byte{}
		for k, v := range s.StringData {
			if hosts, ok := strings.CutPrefix(v, "certificate for "); ok {
				v = string(selfSigned(strings.Split(hosts, ",")...))
			}
			s.Data[k] = []byte(v)
		}
		return err
	}
	return fmt.Errorf("unknown kind %q", head.Kind)
}

// selfSigned returns a certificate for hosts as PEM. A host "cn=name" becomes the common name.
func selfSigned(hosts ...string) []byte {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	for _, h := range hosts {
		if cn, ok := strings.CutPrefix(h, "cn="); ok {
			template.Subject = pkix.Name{CommonName: cn}
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// shuffled returns the same objects in another order.
func shuffled(o *translate.Objects, random *mathrand.Rand) *translate.Objects {
	c := *o
	c.Ingresses = append([]*networkingv1.Ingress(nil), o.Ingresses...)
	random.Shuffle(len(c.Ingresses), func(i, j int) { c.Ingresses[i], c.Ingresses[j] = c.Ingresses[j], c.Ingresses[i] })
	c.Classes = append([]*networkingv1.IngressClass(nil), o.Classes...)
	random.Shuffle(len(c.Classes), func(i, j int) { c.Classes[i], c.Classes[j] = c.Classes[j], c.Classes[i] })
	return &c
}

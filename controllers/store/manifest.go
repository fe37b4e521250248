package store

// Manifests are read the way an API server would take them: one object a document, unknown fields
// refused, the few defaults filled in that the rest of the code relies on. What an error says first is
// the file and the line, since that is what a person at an editor needs.

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// maxManifestBytes is the largest manifest file that is read.
const maxManifestBytes = 16 << 20

// ManifestError is a mistake in a manifest file.
type ManifestError struct {
	File string
	// Line is 1-based; it is that of the mistake, or of the first line of the document it is in.
	Line   int
	Reason string
}

// Error returns "file:line: reason".
func (e *ManifestError) Error() string {
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Reason
}

// Manifest is what one file holds.
type Manifest struct {
	Objects []client.Object
	// Lines are where the documents of Objects begin, 1-based.
	Lines []int
	// Ignored counts the objects of kinds that the proxy has nothing to do with, by kind.
	Ignored map[string]int
	// Warnings are mistakes that an API server would only warn about: unknown fields.
	Warnings []*ManifestError
}

// document is one YAML document of a file and the line it begins at.
type document struct {
	text []byte
	line int
}

// splitDocuments cuts a file at its "---" lines.
func splitDocuments(text []byte) []document {
	var docs []document
	start, startLine, line := 0, 1, 1
	for at := 0; at <= len(text); line++ {
		end := bytes.IndexByte(text[at:], '\n')
		next := len(text) + 1
		row := text[at:]
		if end >= 0 {
			row, next = text[at:at+end], at+end+1
		}
		if row = bytes.TrimRight(row, " \t\r"); bytes.Equal(row, []byte("---")) || bytes.HasPrefix(row, []byte("--- ")) {
			docs = append(docs, document{text[start:at], startLine})
			start, startLine = min(next, len(text)), line+1
		}
		at = next
	}
	return append(docs, document{text[start:], startLine})
}

// ParseManifest reads the objects of one file. It returns a *ManifestError for the first mistake; half a file
// is never used.
func ParseManifest(file string, text []byte) (*Manifest, error) {
	if len(text) > maxManifestBytes {
		return nil, &ManifestError{file, 1, fmt.Sprintf("larger than %d bytes: split it", maxManifestBytes)}
	}
	m := &Manifest{Ignored: map[string]int{}}
	for _, doc := range splitDocuments(text) {
		if err := m.add(file, doc); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// lineOf finds the line in the messages of the YAML library.
var lineOf = regexp.MustCompile(`line (\d+)`)

// mistake makes an error of the YAML library tell the line in the file.
func mistake(file string, doc document, err error) error {
	reason, line := err.Error(), doc.line
	if m := lineOf.FindStringSubmatch(reason); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			line = doc.line + n - 1
			reason = strings.Replace(reason, m[0], "line "+strconv.Itoa(line), 1)
		}
	}
	for _, noise := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: while decoding JSON: ", "yaml: "} {
		reason = strings.ReplaceAll(reason, noise, "")
	}
	return &ManifestError{file, line, reason}
}

// add reads one document.
func (man *Manifest) add(file string, doc document) error {
	asJSON, err := yaml.YAMLToJSON(doc.text)
	if err != nil {
		return mistake(file, doc, err)
	}
	if bytes.Equal(asJSON, []byte("null")) {
		return nil
	}
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc.text, &kind); err != nil {
		return mistake(file, doc, err)
	}
	if kind.Kind == "List" {
		return man.addList(file, doc)
	}
	object := newObject(kind)
	if object == nil {
		if kind.Kind == "" {
			return &ManifestError{file, doc.line, "no kind: every document needs apiVersion and kind"}
		}
		if write := instead(kind); write != "" {
			reason := fmt.Sprintf("%s of apiVersion %q is not read: write %s", kind.Kind, kind.APIVersion, write)
			man.Warnings = append(man.Warnings, &ManifestError{file, lineOfKey(doc, "kind"), reason})
		}
		man.Ignored[kind.Kind]++
		return nil
	}
	if err := yaml.UnmarshalStrict(doc.text, object); err != nil {
		m := unknownField.FindStringSubmatch(err.Error())
		if m == nil || yaml.Unmarshal(doc.text, object) != nil {
			return mistake(file, doc, err)
		}
		man.Warnings = append(man.Warnings, &ManifestError{file, lineOfKey(doc, m[1]), "unknown field " + m[1] + ": ignored"})
	}
	if object.GetName() == "" {
		return &ManifestError{file, doc.line, kind.Kind + " without metadata.name"}
	}
	complete(object, doc.text)
	man.Objects, man.Lines = append(man.Objects, object), append(man.Lines, doc.line)
	return nil
}

// addList reads the items of a List.
func (man *Manifest) addList(file string, doc document) error {
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err := yaml.Unmarshal(doc.text, &list); err != nil {
		return mistake(file, doc, err)
	}
	for _, item := range list.Items {
		text, err := yaml.Marshal(item)
		if err != nil {
			return &ManifestError{file, doc.line, err.Error()}
		}
		if err := man.add(file, document{text, doc.line}); err != nil {
			return err
		}
	}
	return nil
}

// unknownField finds the name in the strict decoder's message; nested fields come with their path.
var unknownField = regexp.MustCompile(`unknown field "(?:[^"]*\.)?([^".]+)"`)

// lineOfKey returns the line on which a document first uses a key.
func lineOfKey(doc document, key string) int {
	line := doc.line
	for row := range bytes.Lines(doc.text) {
		row = bytes.TrimLeft(row, " \t-\"")
		if rest, ok := bytes.CutPrefix(row, []byte(key)); ok && len(bytes.TrimLeft(rest, "\"")) > 0 && bytes.TrimLeft(rest, "\" ")[0] == ':' {
			return line
		}
		line++
	}
	return doc.line
}

// newObject returns an empty object of a kind we read, or nil.
func newObject(t metav1.TypeMeta) client.Object {
	switch t.APIVersion + "/" + t.Kind {
	case "networking.k8s.io/v1/Ingress":
		return &networkingv1.Ingress{}
	case "networking.k8s.io/v1/IngressClass":
		return &networkingv1.IngressClass{}
	case "discovery.k8s.io/v1/EndpointSlice":
		return &discoveryv1.EndpointSlice{}
	case "v1/Service":
		return &corev1.Service{}
	case "v1/Secret":
		return &corev1.Secret{}
	case "v1/ConfigMap":
		return &corev1.ConfigMap{}
	case "v1/Namespace":
		return &corev1.Namespace{}
	case "v1/Node":
		return &corev1.Node{}
	}
	return nil
}

// instead returns what to write instead of an object that is not read although somebody might think so: one of an API
// version that Kubernetes has dropped, or without any. It is "" for kinds of others, also if they have the same name.
func instead(t metav1.TypeMeta) string {
	group, _, named := strings.Cut(t.APIVersion, "/")
	if !named {
		group = ""
	}
	switch t.Kind + "/" + group {
	case "Ingress/", "Ingress/extensions", "Ingress/networking.k8s.io", "IngressClass/", "IngressClass/networking.k8s.io":
		return "networking.k8s.io/v1"
	case "EndpointSlice/", "EndpointSlice/discovery.k8s.io":
		return "discovery.k8s.io/v1"
	case "Endpoints/":
		return "an EndpointSlice of discovery.k8s.io/v1"
	case "Service/", "Secret/", "ConfigMap/", "Namespace/", "Node/":
		return "v1"
	}
	return ""
}

// complete does what an API server does to an object that is created.
func complete(object client.Object, text []byte) {
	sum := sha256.Sum256(text)
	object.SetResourceVersion(hex.EncodeToString(sum[:8]))
	switch object.(type) {
	case *networkingv1.IngressClass, *corev1.Namespace, *corev1.Node:
	default:
		if object.GetNamespace() == "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
	}
	if object.GetUID() == "" {
		object.SetUID(types.UID(fmt.Sprintf("%T/%s/%s", object, object.GetNamespace(), object.GetName())))
	}
	switch o := object.(type) {
	case *corev1.Secret:
		for k, v := range o.StringData {
			if o.Data == nil {
				o.Data = map[string][]byte{}
			}
			o.Data[k] = []byte(v)
		}
		o.StringData = nil
	case *corev1.Service:
		completeService(o)
	case *discoveryv1.EndpointSlice:
		completeSlice(o)
	}
}

// completeService fills in the defaults of a Service.
func completeService(s *corev1.Service) {
	if s.Spec.Type == "" {
		s.Spec.Type = corev1.ServiceTypeClusterIP
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}

// completeSlice fills in the defaults of an EndpointSlice.
func completeSlice(s *discoveryv1.EndpointSlice) {
	if s.AddressType == "" {
		s.AddressType = discoveryv1.AddressTypeIPv4
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Protocol == nil {
			tcp := corev1.ProtocolTCP
			p.Protocol = &tcp
		}
		if p.Name == nil {
			p.Name = new(string)
		}
	}
}

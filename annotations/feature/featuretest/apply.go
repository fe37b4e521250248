package featuretest

import (
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Namespace is the namespace of the Ingress that Apply reads.
const Namespace = "shop"

// Input is what a family reads.
type Input struct {
	// Annotations are those of an Ingress. Names without a "/" stand under ingress-nginx's prefix.
	Annotations map[string]string
	// ConfigMap is the data of the controller's ConfigMap.
	ConfigMap map[string]string
	Objects   Objects
}

// Objects are the objects that annotations can refer to, by "namespace/name".
type Objects struct {
	Secrets    map[string]map[string][]byte
	ConfigMaps map[string]map[string]string
	Services   []string
}

var _ feature.Objects = Objects{}

// Secret implements feature.Objects.
func (o Objects) Secret(namespace, name string) (map[string][]byte, bool) {
	data, ok := o.Secrets[namespace+"/"+name]
	return data, ok
}

// ConfigMap implements feature.Objects.
func (o Objects) ConfigMap(namespace, name string) (map[string]string, bool) {
	data, ok := o.ConfigMaps[namespace+"/"+name]
	return data, ok
}

// HasService implements feature.Objects.
func (o Objects) HasService(namespace, name string) bool {
	return slices.Contains(o.Services, namespace+"/"+name)
}

// Output is what came of it.
type Output struct {
	*feature.Intent
	// Refused are the keys whose values were refused, Noted those that were remarked upon, in the order in
	// which that happened.
	Refused, Noted []string
	// Problems are all problems.
	Problems []feature.Problem
	// Denied says that the routes answer 503.
	Denied bool
}

// Apply applies a family to the annotations of an Ingress.
func Apply(f *feature.Family, in Input) Output {
	src := source(in)
	src.Annotations = make(map[string]string, len(in.Annotations))
	for name, value := range in.Annotations {
		if !strings.Contains(name, "/") {
			name = feature.NginxPrefix + name
		}
		src.Annotations[name] = value
	}
	r, intent := feature.Open(src).Reader(f.KeySet()), feature.NewIntent()
	f.Apply(r, intent)
	out := Output{Intent: intent}
	out.collect(r)
	return out
}

// Configure reads the controller's ConfigMap into settings with a family.
func Configure(f *feature.Family, in Input) (ir.Settings, Output) {
	r, settings := feature.OpenConfigMap(source(in)).Reader(f.KeySet()), ir.DefaultSettings()
	f.Configure(r, &settings)
	var out Output
	out.collect(r)
	return settings, out
}

// source returns the Source that an Input stands for.
func source(in Input) *feature.Source {
	return &feature.Source{
		Namespace: Namespace, Prefixes: []string{feature.YettPrefix, feature.NginxPrefix},
		Globals: in.ConfigMap, Objects: in.Objects,
	}
}

// collect sorts the problems of a reader.
func (o *Output) collect(r *feature.Reader) {
	o.Problems, o.Denied = r.Problems()
	for _, p := range o.Problems {
		if p.Note {
			o.Noted = append(o.Noted, p.Key)
		} else {
			o.Refused = append(o.Refused, p.Key)
		}
	}
}

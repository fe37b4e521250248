package translate

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
)

// lookup finds objects by name and remembers what was asked for.
type lookup struct {
	objects *Objects
	refs    References
}

var _ feature.Objects = (*lookup)(nil)

// newLookup returns a lookup that has not been asked yet.
func newLookup(objects *Objects) *lookup {
	return &lookup{objects: objects, refs: References{
		Services:   make(map[types.NamespacedName]struct{}, len(objects.Services)),
		Secrets:    make(map[types.NamespacedName]struct{}),
		ConfigMaps: make(map[types.NamespacedName]struct{}),
	}}
}

// Secret implements feature.Objects.
func (l *lookup) Secret(namespace, name string) (map[string][]byte, bool) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	l.refs.Secrets[key] = struct{}{}
	s := l.objects.Secrets[key]
	if s == nil {
		return nil, false
	}
	return s.Data, true
}

// ConfigMap implements feature.Objects.
func (l *lookup) ConfigMap(namespace, name string) (map[string]string, bool) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	l.refs.ConfigMaps[key] = struct{}{}
	m := l.objects.ConfigMaps[key]
	if m == nil {
		return nil, false
	}
	return m.Data, true
}

// HasService implements feature.Objects.
func (l *lookup) HasService(namespace, name string) bool {
	return l.service(types.NamespacedName{Namespace: namespace, Name: name}) != nil
}

// service returns a Service, or nil.
func (l *lookup) service(name types.NamespacedName) *corev1.Service {
	l.refs.Services[name] = struct{}{}
	return l.objects.Services[name]
}

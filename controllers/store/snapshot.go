package store

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/controllers/translate"
)

// Snapshot is all objects as they stood at one moment. It and its objects are only read.
type Snapshot struct {
	translate.Objects
	// Slices are the EndpointSlices of each Service.
	Slices map[types.NamespacedName][]*discoveryv1.EndpointSlice
	// Nodes are known by name; none if they may not be read.
	Nodes map[string]*corev1.Node
	// Namespaces are known by name.
	Namespaces map[string]*corev1.Namespace
}

// NewSnapshot sorts objects by kind. Of two objects of the same kind and name the later wins, as if it
// had been applied later.
func NewSnapshot(objects []client.Object) *Snapshot {
	s := &Snapshot{
		Objects: translate.Objects{
			Services:   map[types.NamespacedName]*corev1.Service{},
			Secrets:    map[types.NamespacedName]*corev1.Secret{},
			ConfigMaps: map[types.NamespacedName]*corev1.ConfigMap{},
		},
		Slices:     map[types.NamespacedName][]*discoveryv1.EndpointSlice{},
		Nodes:      map[string]*corev1.Node{},
		Namespaces: map[string]*corev1.Namespace{},
	}
	ingresses := map[types.NamespacedName]*networkingv1.Ingress{}
	slices := map[types.NamespacedName]*discoveryv1.EndpointSlice{}
	classes := map[string]*networkingv1.IngressClass{}
	for _, object := range objects {
		name := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
		switch o := object.(type) {
		case *networkingv1.Ingress:
			ingresses[name] = o
		case *networkingv1.IngressClass:
			classes[name.Name] = o
		case *discoveryv1.EndpointSlice:
			slices[name] = o
		case *corev1.Service:
			s.Services[name] = o
		case *corev1.Secret:
			s.Secrets[name] = o
		case *corev1.ConfigMap:
			s.ConfigMaps[name] = o
		case *corev1.Namespace:
			s.Namespaces[name.Name] = o
		case *corev1.Node:
			s.Nodes[name.Name] = o
		}
	}
	for _, o := range ingresses {
		s.Ingresses = append(s.Ingresses, o)
	}
	for _, o := range classes {
		s.Classes = append(s.Classes, o)
	}
	for _, o := range slices {
		s.addSlice(o)
	}
	return s
}

// addSlice files an EndpointSlice under its Service.
func (s *Snapshot) addSlice(o *discoveryv1.EndpointSlice) {
	service := o.Labels[discoveryv1.LabelServiceName]
	if service == "" {
		return
	}
	name := types.NamespacedName{Namespace: o.Namespace, Name: service}
	s.Slices[name] = append(s.Slices[name], o)
}

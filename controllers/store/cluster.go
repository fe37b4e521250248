package store

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServiceIndex is the name of the cache index of EndpointSlices by the Service they belong to.
const ServiceIndex = "yett.service"

// Cluster is a source of objects: the caches of a manager. It makes no API calls.
type Cluster struct {
	// Reader reads the caches.
	Reader client.Reader
	// Namespaces chooses the namespaces whose Ingresses are read; nil for all.
	Namespaces labels.Selector
	// Unread are the kinds that may not be read; they are taken for empty.
	Unread Unread
}

// Unread names the kinds above namespaces that a controller without rights in the whole cluster cannot have.
type Unread struct {
	Classes, Namespaces, Nodes bool
}

// unsafe keeps lists from being copied object by object; nobody changes what a Snapshot holds.
var unsafe = client.UnsafeDisableDeepCopy

// IndexSlice is the function behind ServiceIndex.
func IndexSlice(object client.Object) []string {
	if service := object.GetLabels()[discoveryv1.LabelServiceName]; service != "" {
		return []string{service}
	}
	return nil
}

// Load reads everything from the caches.
func (c *Cluster) Load(ctx context.Context) (*Snapshot, error) {
	var (
		ingresses  networkingv1.IngressList
		classes    networkingv1.IngressClassList
		slices     discoveryv1.EndpointSliceList
		services   corev1.ServiceList
		secrets    corev1.SecretList
		configMaps corev1.ConfigMapList
		namespaces corev1.NamespaceList
		nodes      corev1.NodeList
	)
	var errs []error
	lists := []client.ObjectList{&ingresses, &slices, &services, &secrets, &configMaps}
	if !c.Unread.Classes {
		lists = append(lists, &classes)
	}
	if !c.Unread.Namespaces {
		lists = append(lists, &namespaces)
	}
	if !c.Unread.Nodes {
		lists = append(lists, &nodes)
	}
	for _, list := range lists {
		if err := c.Reader.List(ctx, list, unsafe); err != nil {
			errs = append(errs, fmt.Errorf("list %T: %w", list, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := NewSnapshot(nil)
	for i := range namespaces.Items {
		s.Namespaces[namespaces.Items[i].Name] = &namespaces.Items[i]
	}
	for i := range ingresses.Items {
		if o := &ingresses.Items[i]; c.chosen(s.Namespaces[o.Namespace]) {
			s.Ingresses = append(s.Ingresses, o)
		}
	}
	for i := range classes.Items {
		s.Classes = append(s.Classes, &classes.Items[i])
	}
	for i := range slices.Items {
		s.addSlice(&slices.Items[i])
	}
	for i := range services.Items {
		s.Services[client.ObjectKeyFromObject(&services.Items[i])] = &services.Items[i]
	}
	for i := range secrets.Items {
		s.Secrets[client.ObjectKeyFromObject(&secrets.Items[i])] = &secrets.Items[i]
	}
	for i := range configMaps.Items {
		s.ConfigMaps[client.ObjectKeyFromObject(&configMaps.Items[i])] = &configMaps.Items[i]
	}
	for i := range nodes.Items {
		s.Nodes[nodes.Items[i].Name] = &nodes.Items[i]
	}
	return s, nil
}

// chosen reports whether the Ingresses of a namespace are read.
func (c *Cluster) chosen(ns *corev1.Namespace) bool {
	if c.Namespaces == nil {
		return true
	}
	return ns != nil && c.Namespaces.Matches(labels.Set(ns.Labels))
}

// Service returns what the endpoints of one Service are built from; service is nil if there is none.
func (c *Cluster) Service(ctx context.Context, name types.NamespacedName) (service *corev1.Service, slices []*discoveryv1.EndpointSlice, err error) {
	var found corev1.Service
	switch err := c.Reader.Get(ctx, name, &found); {
	case err == nil:
		service = &found
	case client.IgnoreNotFound(err) != nil:
		return nil, nil, fmt.Errorf("get service %s: %w", name, err)
	}
	var list discoveryv1.EndpointSliceList
	err = c.Reader.List(ctx, &list, client.InNamespace(name.Namespace), unsafe,
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector(ServiceIndex, name.Name)})
	if err != nil {
		return nil, nil, fmt.Errorf("list slices of %s: %w", name, err)
	}
	for i := range list.Items {
		slices = append(slices, &list.Items[i])
	}
	return service, slices, nil
}

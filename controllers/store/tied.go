package store

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/controllers/translate"
)

// TieIndex is the name of the cache index of Ingresses by what ties them to others.
const TieIndex = "yett.tie"

// IndexTies is the function behind TieIndex.
func IndexTies(object client.Object) []string {
	if ing, ok := object.(*networkingv1.Ingress); ok {
		return translate.Ties(ing)
	}
	return nil
}

// Watches reports whether the Ingresses of a namespace are read.
func (c *Cluster) Watches(ctx context.Context, namespace string) (bool, error) {
	if c.Namespaces == nil {
		return true, nil
	}
	var ns corev1.Namespace
	switch err := c.Reader.Get(ctx, types.NamespacedName{Name: namespace}, &ns); {
	case client.IgnoreNotFound(err) != nil:
		return false, fmt.Errorf("get namespace %s: %w", namespace, err)
	case err != nil:
		return false, nil
	}
	return c.chosen(&ns), nil
}

// Tied returns the Ingresses that are tied to one, with all classes and nothing else. It needs TieIndex.
func (c *Cluster) Tied(ctx context.Context, to *networkingv1.Ingress) (*translate.Objects, error) {
	o := &NewSnapshot(nil).Objects
	watched := map[string]bool{}
	list, err := translate.Tied(to, func(tie string) (found []*networkingv1.Ingress, _ error) {
		var list networkingv1.IngressList
		if err := c.Reader.List(ctx, &list, unsafe, client.MatchingFields{TieIndex: tie}); err != nil {
			return nil, fmt.Errorf("list ingresses with %s: %w", tie, err)
		}
		for i := range list.Items {
			ing := &list.Items[i]
			chosen, known := watched[ing.Namespace]
			if !known {
				var err error
				if chosen, err = c.Watches(ctx, ing.Namespace); err != nil {
					return nil, err
				}
				watched[ing.Namespace] = chosen
			}
			if chosen {
				found = append(found, ing)
			}
		}
		return found, nil
	})
	if err != nil {
		return nil, err
	}
	o.Ingresses = list
	if c.Unread.Classes {
		return o, nil
	}
	var classes networkingv1.IngressClassList
	if err := c.Reader.List(ctx, &classes, unsafe); err != nil {
		return nil, fmt.Errorf("list classes: %w", err)
	}
	for i := range classes.Items {
		o.Classes = append(o.Classes, &classes.Items[i])
	}
	return o, nil
}

// Fetch adds the objects that are referred to, as far as there are any, and reports whether it found one that was not there. What
// a cache does not hold (with --watch-namespace) is taken for missing, as at run time.
func (c *Cluster) Fetch(ctx context.Context, references *translate.References, into *translate.Objects) (more bool, err error) {
	fetch(ctx, c.Reader, references.Services, into.Services, &more)
	fetch(ctx, c.Reader, references.Secrets, into.Secrets, &more)
	fetch(ctx, c.Reader, references.ConfigMaps, into.ConfigMaps, &more)
	return more, ctx.Err()
}

// fetch adds the objects of one kind.
func fetch[T any, P interface {
	*T
	client.Object
}](ctx context.Context, reader client.Reader, names map[types.NamespacedName]struct{}, into map[types.NamespacedName]P, more *bool) {
	for name := range names {
		if into[name] != nil {
			continue
		}
		object := P(new(T))
		if reader.Get(ctx, name, object, unsafe) == nil {
			into[name], *more = object, true
		}
	}
}

package translate

// An Ingress is tied to those that could change what becomes of it: those with a host, an alias or a Service of its own, or
// tied to such a one. All others may be left out, and its verdict is the same. So the question "what if this Ingress were like
// that?" need not be put to a world of thousands; the invariant is tested with random worlds.
//
// The surprise: Services tie, too, since whoever names one first says how it is balanced, and since canaries are attached to
// Services rather than to paths. And a host is tied to the one with "www." in front, because of from-to-www-redirect.

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
)

// Ties returns what an Ingress may have in common with others, as texts that are equal if it does, sorted. They mean nothing
// else.
func Ties(ing *networkingv1.Ingress) []string {
	if ing == nil {
		return nil
	}
	var ties []string
	service := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			ties = append(ties, "service "+ing.Namespace+"/"+b.Service.Name)
		}
	}
	host := func(text string) {
		if name, fault := ruleHost(text); fault == "" {
			ties = append(ties, "host "+strings.TrimPrefix(name, "www."))
		}
	}
	spec := &ing.Spec
	if spec.DefaultBackend != nil {
		host("")
		service(spec.DefaultBackend)
	}
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		host(rule.Host)
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			service(&rule.HTTP.Paths[j].Backend)
		}
	}
	for key, value := range ing.Annotations {
		if !strings.HasSuffix(key, "/server-alias") {
			continue
		}
		for _, alias := range feature.SplitList(value) {
			if strings.HasPrefix(alias, "~") {
				ties = append(ties, "host "+alias)
			} else {
				host(alias)
			}
		}
	}
	slices.Sort(ties)
	return slices.Compact(ties)
}

// Tied returns the Ingresses that are tied to one, directly or through others, and that find knows: it returns those with a
// tie. The one itself is among them only if find returns it.
func Tied(to *networkingv1.Ingress, find func(tie string) ([]*networkingv1.Ingress, error)) ([]*networkingv1.Ingress, error) {
	var list []*networkingv1.Ingress
	followed := make(map[string]bool)
	known := make(map[types.NamespacedName]bool)
	for todo := Ties(to); len(todo) > 0; {
		tie := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if followed[tie] {
			continue
		}
		followed[tie] = true
		found, err := find(tie)
		if err != nil {
			return nil, err
		}
		for _, ing := range found {
			if name := nameOf(ing); !known[name] {
				known[name] = true
				list = append(list, ing)
				todo = append(todo, Ties(ing)...)
			}
		}
	}
	return list, nil
}

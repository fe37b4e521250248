package translate

import (
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// classAnnotation is how Ingresses named their class before spec.ingressClassName. It has no prefix of ours.
const classAnnotation = "kubernetes.io/ingress.class"

// The defaults of the class flags: a drop-in takes what ingress-nginx took.
const (
	defaultIngressClass    = "nginx"
	defaultControllerClass = "k8s.io/ingress-nginx"
)

// classes knows which Ingresses are ours.
type classes struct {
	options *Options
	// controllers are the spec.controller of all IngressClasses by name.
	controllers map[string]string
}

// newClasses reads the IngressClasses.
func newClasses(list []*networkingv1.IngressClass, options *Options) *classes {
	c := &classes{options: options, controllers: make(map[string]string, len(list))}
	for _, class := range list {
		if class == nil {
			continue
		}
		// Only files have two of one name; one of them must count whatever their order.
		if twin, ok := c.controllers[class.Name]; !ok || class.Spec.Controller < twin {
			c.controllers[class.Name] = class.Spec.Controller
		}
	}
	return c
}

// ignore returns why an Ingress is not ours, or "". The field wins over the annotation, and the
// annotation over having none. As in ingress-nginx an empty annotation is taken for ours.
func (c *classes) ignore(ing *networkingv1.Ingress) string {
	o := c.options
	if o.Namespace != "" && ing.Namespace != o.Namespace {
		return "only namespace " + o.Namespace + " is watched"
	}
	annotation, annotated := ing.Annotations[classAnnotation]
	if name := ing.Spec.IngressClassName; name != nil && (!o.ClassesUnknown || !annotated) {
		return c.ignoreClass(*name)
	}
	switch {
	case annotated && (annotation == "" || annotation == c.name()):
		return ""
	case annotated:
		return "annotation " + classAnnotation + " is " + shownQuoted(annotation) + ", ours is " + strconv.Quote(c.name())
	case o.WithoutClass:
		return ""
	}
	return "it names no class: set spec.ingressClassName, or start with --watch-ingress-without-class"
}

// ignoreClass returns why an IngressClass is not ours, or "".
func (c *classes) ignoreClass(name string) string {
	if c.options.ClassesUnknown {
		if c.options.ClassByName && name == c.name() {
			return ""
		}
		return "IngressClasses may not be read: use the annotation " + classAnnotation + ", or start with --ingress-class-by-name"
	}
	controller, ok := c.controllers[name]
	switch {
	case !ok:
		return "there is no IngressClass " + shownQuoted(name)
	case controller == c.controller(), c.options.ClassByName && name == c.name():
		return ""
	}
	return "IngressClass " + shownQuoted(name) + " belongs to controller " + shownQuoted(controller) + ", ours is " +
		strconv.Quote(c.controller())
}

// name is the value of the annotation that is ours.
func (c *classes) name() string {
	if c.options.IngressClass != "" {
		return c.options.IngressClass
	}
	return defaultIngressClass
}

// controller is the spec.controller of our IngressClasses.
func (c *classes) controller() string {
	if c.options.ControllerClass != "" {
		return c.options.ControllerClass
	}
	return defaultControllerClass
}

// nameOf returns the name of an object.
func nameOf(ing *networkingv1.Ingress) types.NamespacedName {
	return types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}
}

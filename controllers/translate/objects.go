package translate

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Objects is the world that is translated. Its objects are shared with caches and only read. Any of them
// may be nil, incomplete or nonsensical.
type Objects struct {
	// Ingresses and Classes may come in any order.
	Ingresses []*networkingv1.Ingress
	Classes   []*networkingv1.IngressClass
	// The rest is looked up by name; what nobody refers to may be left out (see Result.References).
	Services   map[types.NamespacedName]*corev1.Service
	Secrets    map[types.NamespacedName]*corev1.Secret
	ConfigMaps map[types.NamespacedName]*corev1.ConfigMap
}

// Options are the flags that decide how objects are read. The zero value is that of a plain installation:
// class "nginx", every namespace, no default backend.
type Options struct {
	// IngressClass is the value of the annotation kubernetes.io/ingress.class that is ours, and with
	// ClassByName also the name of our IngressClass (--ingress-class); "" is "nginx".
	IngressClass string
	// ControllerClass is the spec.controller of our IngressClasses (--controller-class); "" is
	// "k8s.io/ingress-nginx".
	ControllerClass string
	// ClassByName also accepts the IngressClass that is named IngressClass, whoever its controller is
	// (--ingress-class-by-name).
	ClassByName bool
	// WithoutClass also accepts Ingresses that name no class (--watch-ingress-without-class).
	WithoutClass bool
	// ClassesUnknown says that IngressClasses may not be read; then spec.ingressClassName matches only IngressClass, with ClassByName.
	ClassesUnknown bool
	// Namespace limits Ingresses to one namespace, unless "" (--watch-namespace).
	Namespace string
	// AnnotationsPrefix is the first of the two prefixes of annotations, without "/" at its end
	// (--annotations-prefix); "" is nginx.ingress.kubernetes.io.
	AnnotationsPrefix string
	// DefaultBackend is the Service that answers where no Ingress has a route, on its first port
	// (--default-backend-service). The zero name answers 404.
	DefaultBackend types.NamespacedName
	// DefaultCertificate is the Secret shown where no other certificate fits
	// (--default-ssl-certificate). The zero name leaves it to the proxy to make one.
	DefaultCertificate types.NamespacedName
	// DisableCatchAll refuses Ingresses that have a defaultBackend (--disable-catch-all).
	DisableCatchAll bool
	// DisableExternalName refuses Services of type ExternalName (--disable-svc-external-name).
	DisableExternalName bool
	// ConfigMap is the controller's own (--configmap).
	ConfigMap types.NamespacedName
	// TCPServices and UDPServices are the ConfigMaps of ports that are handed to Services as they are
	// (--tcp-services-configmap, --udp-services-configmap). The zero name has none.
	TCPServices, UDPServices types.NamespacedName
	// ReservedTCP and ReservedUDP are ports of the process's own, which they cannot have.
	ReservedTCP, ReservedUDP []int
	// Passthrough lets Ingresses have their TLS connections passed through unopened (--enable-ssl-passthrough).
	Passthrough bool
	// HTTPSPort is the port that redirects to https name (--https-port); 0 is 443.
	HTTPSPort int
	// Annotations replaces the annotation families, for tests; nil stands for package annotations.
	Annotations *Annotations
	// Memo keeps what is dear to compute from one call to the next; nil computes it anew.
	Memo *Memo
}

// Annotations are the two things that are done with annotations and the ConfigMap.
type Annotations struct {
	// Apply turns the annotations of an Ingress into an intent.
	Apply func(src *feature.Source) (*feature.Intent, []feature.Problem)
	// Configure turns the ConfigMap into settings.
	Configure func(src *feature.Source) (ir.Settings, []feature.Problem)
}

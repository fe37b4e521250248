package translate

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Result is what the objects mean. It is immutable.
type Result struct {
	// Config is the desired state. Its Upstreams are all that need endpoints.
	Config *ir.Config
	// Verdicts has one entry for each Ingress, also for those that are not ours, sorted by the text
	// "namespace/name".
	Verdicts []Verdict
	// Problems are about other objects: the ConfigMap, the default backend, the default certificate.
	Problems []ObjectProblem
	// References are the objects that the result depends on, existing or not: a change of any other
	// Service, Secret or ConfigMap changes nothing.
	References References
}

// Verdict is what became of one Ingress.
type Verdict struct {
	// Name and UID identify it.
	Name types.NamespacedName
	UID  types.UID
	// State sums the rest up.
	State State
	// Reason says in words why an Ingress is ignored; "" otherwise.
	Reason string
	// Canary says that it is a canary of others.
	Canary bool
	// Problems are its mistakes, at most MaxProblems of them.
	Problems []feature.Problem
	// Upstreams are the Service ports that it names and that routes lead to, each once, in the order of
	// its spec.
	Upstreams []upstream.Key
	// Lost are the places that it asks for and that others have, but for those where a canary is concerned.
	Lost []Place
}

// Place is what only one Ingress can have: a path of a host.
type Place struct {
	// Host is "" for the catch-all.
	Host, Path string
	// Exact is the pathType; otherwise it is Prefix.
	Exact bool
	// Owner is the Ingress that has it.
	Owner types.NamespacedName
}

// Same reports whether two are the same place, whoever has it.
func (p Place) Same(other Place) bool {
	return p.Host == other.Host && p.Path == other.Path && p.Exact == other.Exact
}

// Ours says that the Ingress has our class.
func (v *Verdict) Ours() bool { return v.State != Ignored }

// State is what became of an Ingress in one word.
type State uint8

const (
	// Ignored is an Ingress that is for another controller, or for none.
	Ignored State = iota
	// Active is served as it says.
	Active
	// Partial is served, but something of it is not: a rule that an older Ingress has, a path that
	// answers 503, an annotation that was refused. Problems say what.
	Partial
	// Rejected is ours, but nothing of it is served.
	Rejected
)

// String returns the state in lower case.
func (s State) String() string {
	return [...]string{"ignored", "active", "partial", "rejected"}[s]
}

// MaxProblems is how many problems a Verdict repeats; a last one says how many more there are.
const MaxProblems = 32

// Kind is the kind of an object that a problem is about.
type Kind string

// The kinds.
const (
	ConfigMap Kind = "ConfigMap"
	Secret    Kind = "Secret"
	Service   Kind = "Service"
)

// ObjectProblem is a mistake that belongs to no Ingress.
type ObjectProblem struct {
	Kind Kind
	Name types.NamespacedName
	feature.Problem
}

// References are names of objects, existing or not.
type References struct {
	Services, Secrets, ConfigMaps map[types.NamespacedName]struct{}
}

package feature

import "github.com/yettproxy/yett/proxy/ir"

// The prefixes under which every key is valid. Ours wins.
const (
	NginxPrefix = "nginx.ingress.kubernetes.io/"
	YettPrefix  = "yett.ingress.kubernetes.io/"
)

// Family is a set of annotations that belong together, and what they mean.
type Family struct {
	// Name is the name of its folder.
	Name string
	// Doc is one sentence for the reference page.
	Doc string
	// Order places the family among the others: families are applied by Order and then by name, and filters of the
	// same phase run in that order. 0 will do unless nginx has its own order inside a phase; it must be a
	// plain number in the source, since hack/genregistry reads it there.
	Order int
	// Keys are the annotations it reads.
	Keys []Key
	// Settings are the keys of the controller's ConfigMap that it reads besides those named by Key.Global, in
	// Configure or in Apply; a Reader looks them up in the ConfigMap only. Families may share one if they
	// declare it alike.
	Settings []Key
	// Apply turns the annotations of one Ingress into an intent. It is called for every Ingress, also for
	// those without any of the keys, since the ConfigMap may set defaults.
	Apply func(in *Reader, out *Intent)
	// Configure turns ConfigMap keys into settings of the process. It may be nil.
	Configure func(in *Reader, out *ir.Settings)
}

// OnInvalid is what a value does that cannot be understood.
type OnInvalid uint8

const (
	// UseDefault reports the problem and goes on with the default.
	UseDefault OnInvalid = iota
	// DenyRoute reports the problem and answers 503 on every path of the Ingress, since the key guards
	// access.
	DenyRoute
)

// Risk is ingress-nginx's estimate of what a key can do (annotations-risk-level).
type Risk uint8

// The risks, in rising order.
const (
	Low Risk = iota
	Medium
	High
	Critical
)

// String returns the risk's name.
func (r Risk) String() string { return [...]string{"Low", "Medium", "High", "Critical"}[r] }

// Key is one annotation or ConfigMap key. The catalogue of keys is the only list there is: validation,
// the reference page and later tools are made from it.
type Key struct {
	// Name is the key without its prefix.
	Name string
	// Type says what is accepted, in words for the reference page: "bool", "seconds", "CIDR list".
	Type string
	// Default is the value that holds when nothing is set, as text.
	Default string
	// Global is the ConfigMap key that sets the default for all Ingresses, or "".
	Global string
	// Aliases are other names of the same annotation, read only if Name is empty.
	Aliases []string
	// Doc is one sentence: what it does.
	Doc string
	Risk
	OnInvalid
	// Own says that only our prefix has it.
	Own bool
	// Note says how we differ from ingress-nginx here, or "" if we do not.
	Note string
	// Unsupported says why the key does nothing yet, or "" if it works. An Ingress that uses it gets a
	// Problem, unless the value is the default; with DenyRoute its paths answer 503.
	Unsupported string
	// NoEffect says why the key has nothing to do here, so that nobody misses anything, or "". An Ingress that
	// uses it gets a Problem that is only a Note.
	NoEffect string
	// Lost, if set, says what a value asks for that is not in force when the operator's rules take it out; it begins with
	// "; ", or is "". Values are not to be trusted to be short.
	Lost func(value string) string
}

// Problem is a user's mistake, or something that we cannot honour.
type Problem struct {
	// Key is the annotation or ConfigMap key without prefix, or the field of the spec, that it is about.
	Key string
	// Value is what stood there, cut to a bounded length; secrets are never shown.
	Value string
	// Reason says what is wrong, where, and what to write instead.
	Reason string
	// Denied says that the paths concerned answer 503 because of it.
	Denied bool
	// Note says that nothing is lost: the problem is worth knowing, no more.
	Note bool
	// Global says that the value stands in the controller's ConfigMap, not in the Ingress.
	Global bool
	// Reject says that the object itself is at fault, whatever else there is in the cluster: the admission webhook turns
	// it down. What another object lacks, or what the ConfigMap says, is never a reason to.
	Reject bool
}

// KeySet is the declarations of one family, ready to be looked up. It is immutable.
type KeySet struct {
	keys map[string]*declaration
}

// declaration is a Key and where it may be set.
type declaration struct {
	*Key
	// global is the ConfigMap key, or "".
	global string
	// setting says that annotations are not looked at.
	setting bool
}

// KeySet returns the annotations and the settings that the family declares.
func (f *Family) KeySet() *KeySet {
	s := &KeySet{keys: make(map[string]*declaration, len(f.Keys)+len(f.Settings))}
	for i := range f.Keys {
		s.keys[f.Keys[i].Name] = &declaration{Key: &f.Keys[i], global: f.Keys[i].Global}
	}
	for i := range f.Settings {
		k := &f.Settings[i]
		s.keys[k.Name] = &declaration{Key: k, global: k.Name, setting: true}
	}
	return s
}

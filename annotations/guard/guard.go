package guard

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Family declares the ConfigMap keys that the rules are written with. It has no annotations.
var Family = feature.Family{
	Name: "guard",
	Doc:  "The operator's rules about what annotations may say.",
	Settings: []feature.Key{
		{
			Name: riskLevel, Type: "Low, Medium, High or Critical", Default: "High",
			Doc: "The highest risk that an annotation may have.",
			Note: "ingress-nginx does not serve an Ingress with a riskier annotation; we ignore the annotation and report it, " +
				"unless it guards access: then the Ingress answers 503.",
		},
		{
			Name: blocklist, Type: "comma list of words", Default: "",
			Doc: "Words that no annotation value may hold.",
			Note: "ingress-nginx does not serve an Ingress with such a value; we ignore the annotation and report it, " +
				"unless it guards access: then the Ingress answers 503. Nothing written in an annotation is ever executed here.",
		},
		{
			Name: crossNamespace, Type: "bool", Default: "false",
			Doc:  "Lets annotations name Secrets and ConfigMaps of other namespaces, and lets Ingresses act on hosts and paths of other namespaces: as canary, and with app-root, server-alias and from-to-www-redirect.",
			Note: "In ingress-nginx such annotations, and canaries, act across namespaces whatever it says: whoever may create an Ingress can take the requests of any host.",
		},
		{
			Name: snippets, Type: "bool", Default: "false",
			Doc:         "Lets annotations hold raw nginx configuration.",
			Unsupported: "raw nginx configuration is never executed: see the annotations that each snippet is reported with",
		},
		{
			Name: strictPaths, Type: "bool", Default: "true",
			Doc: "Lets the admission webhook refuse Exact and Prefix paths with anything but letters, digits and . _ - / in them.",
		},
	},
	Configure: func(in *feature.Reader, _ *ir.Settings) { Read(in) },
}

const (
	riskLevel      = "annotations-risk-level"
	blocklist      = "annotation-value-word-blocklist"
	crossNamespace = "allow-cross-namespace-resources"
	snippets       = "allow-snippet-annotations"
	strictPaths    = "strict-validate-path-type"
)

// Rules are what the operator allows.
type Rules struct {
	// MaxRisk is the highest risk of a key that is honoured.
	MaxRisk feature.Risk
	// Words are what no value may contain, compared with case.
	Words []string
	// CrossNamespace says that references may leave the namespace.
	CrossNamespace bool
	// Snippets says that admission lets snippets pass. They are not executed all the same.
	Snippets bool
	// StrictPaths says that admission turns odd Exact and Prefix paths down. They are served all the same.
	StrictPaths bool
}

// Read reads the rules from a reader of Family's keys. A risk level that is not one counts as Low, as in
// ingress-nginx: a typing mistake must not relax the rules.
func Read(in *feature.Reader) Rules {
	rules := Rules{
		MaxRisk: feature.High, CrossNamespace: in.Bool(crossNamespace), Words: in.List(blocklist),
		Snippets: in.Bool(snippets), StrictPaths: in.Bool(strictPaths),
	}
	level := in.String(riskLevel)
	for r := feature.Low; r <= feature.Critical; r++ {
		if strings.EqualFold(level, r.String()) {
			rules.MaxRisk = r
			return rules
		}
	}
	in.Refuse(riskLevel, "unknown level, taken for Low: write Low, Medium, High or Critical")
	rules.MaxRisk = feature.Low
	return rules
}

// Blocked returns the first forbidden word in a value, or "".
func (r *Rules) Blocked(value string) string {
	for _, w := range r.Words {
		if strings.Contains(value, w) {
			return w
		}
	}
	return ""
}

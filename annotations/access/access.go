package access

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

const (
	allowKey      = "allowlist-source-range"
	denyKey       = "denylist-source-range"
	satisfyKey    = "satisfy"
	blockCIDRs    = "block-cidrs"
	blockAgents   = "block-user-agents"
	blockReferers = "block-referers"
)

// Family declares the keys.
var Family = feature.Family{
	Name:  "access",
	Doc:   "From where requests may come.",
	Order: 10, // nginx asks the lists before it asks for credentials
	Keys: []feature.Key{
		{
			Name: allowKey, Type: "CIDR list", Global: "whitelist-source-range", Aliases: []string{"whitelist-source-range"},
			Doc:  "Answers 403 to clients from anywhere else; single addresses may stand among the networks.",
			Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		},
		{
			Name: denyKey, Type: "CIDR list", Global: "denylist-source-range",
			Doc:  "Answers 403 to clients from these networks, whatever the allow list says.",
			Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Note: `With "satisfy: any" and no allow list, ingress-nginx lets a client from a denied network in if it has ` +
				"credentials; here it stays out.",
		},
		{
			Name: satisfyKey, Type: "any or all", Default: "all",
			Doc: "Whether one of allow list, basic authentication and external authentication is enough, or all of them are needed.",
		},
	},
	Settings: []feature.Key{
		{Name: blockCIDRs, Type: "CIDR list", Doc: "Networks that get 403 on every host."},
		{
			Name: blockAgents, Type: "comma list",
			Doc: "User-Agent values that get 403 on every host: whole texts, or a regular expression behind ~ or ~* (any case).",
		},
		{
			Name: blockReferers, Type: "comma list",
			Doc: "Referer values that get 403 on every host: whole texts, or a regular expression behind ~ or ~* (any case).",
		},
	},
	Apply:     apply,
	Configure: configure,
}

// apply adds one filter for both lists. A list that is there but names nothing is a mistake that must not open
// the door: its author meant to restrict something.
func apply(in *feature.Reader, out *feature.Intent) {
	out.SatisfyAny = in.Enum(satisfyKey, "any", "all") == "any"
	spec := Spec{}
	allow, okAllow := in.Prefixes(allowKey)
	deny, okDeny := in.Prefixes(denyKey)
	for _, list := range []struct {
		key   string
		empty bool
	}{{allowKey, okAllow && len(allow) == 0}, {denyKey, okDeny && len(deny) == 0}} {
		if list.empty && (in.Has(list.key) || in.Present(list.key)) {
			in.Refuse(list.key, "the list is empty: name networks such as 10.0.0.0/8, or remove the annotation")
		}
	}
	if spec.Allow, spec.Deny = allow, deny; len(allow)+len(deny) > 0 {
		out.AddFilter(spec)
	}
}

// configure reads what is refused everywhere. A bad part is left out and the others hold: without the list, more
// would get in.
func configure(in *feature.Reader, out *ir.Settings) {
	for _, part := range in.List(blockCIDRs) {
		p, err := feature.ParsePrefix(part)
		if err != nil {
			in.Refuse(blockCIDRs, "%q is neither an address nor a network and does nothing: write such as 10.0.0.0/8 or 2001:db8::1",
				feature.Shown(part))
			continue
		}
		out.Block.Prefixes = append(out.Block.Prefixes, p)
	}
	out.Block.UserAgents = texts(in, blockAgents)
	out.Block.Referers = texts(in, blockReferers)
}

// texts returns a list of texts and regular expressions without those that do not compile.
func texts(in *feature.Reader, key string) (list []string) {
	for _, part := range in.List(key) {
		if expr, ok := strings.CutPrefix(part, "~"); ok {
			expr, fold := strings.CutPrefix(expr, "*")
			if expr == "" {
				in.Refuse(key, "%q matches everything and does nothing: write an expression behind it", part)
				continue
			}
			if _, err := pattern.Compile(expr, fold); err != nil {
				in.Refuse(key, "%q does nothing: %v", feature.Shown(part), err)
				continue
			}
		}
		list = append(list, part)
	}
	return list
}

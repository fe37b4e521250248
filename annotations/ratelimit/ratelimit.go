package ratelimit

import (
	"github.com/yettproxy/yett/annotations/feature"
)

const (
	rpsKey         = "limit-rps"
	rpmKey         = "limit-rpm"
	multiplierKey  = "limit-burst-multiplier"
	connectionsKey = "limit-connections"
	allowKey       = "limit-allowlist"
	reqStatusKey   = "limit-req-status-code"
	connStatusKey  = "limit-conn-status-code"
)

// maxLimit and maxMultiplier keep the arithmetic of the buckets far from overflow.
const (
	maxLimit      = 10_000_000
	maxMultiplier = 10_000
)

// Family declares the keys.
var Family = feature.Family{
	Name: "ratelimit",
	Doc:  "How much one client may ask for. Every replica counts for itself.",
	Keys: []feature.Key{
		{
			Name: rpsKey, Type: "number", Default: "0", OnInvalid: feature.DenyRoute,
			Doc: "Requests per second and client address; 0 for no limit. Several times as many may come at once " +
				"(limit-burst-multiplier), what goes beyond gets 503 (limit-req-status-code).",
		},
		{
			Name: rpmKey, Type: "number", Default: "0", OnInvalid: feature.DenyRoute,
			Doc: "Requests per minute and client address; 0 for no limit. It may stand beside limit-rps.",
		},
		{
			Name: multiplierKey, Type: "number", Default: "5",
			Doc: "How many times the limit may come at once.",
		},
		{
			Name: connectionsKey, Type: "number", Default: "0", OnInvalid: feature.DenyRoute,
			Doc: "Requests of one client address at the same time; 0 for no limit. What goes beyond gets 503 (limit-conn-status-code).",
		},
		{
			Name: allowKey, Type: "CIDR list", Aliases: []string{"limit-whitelist"}, OnInvalid: feature.DenyRoute,
			Doc: "Clients from these networks are not limited.",
		},
	},
	Settings: []feature.Key{
		{Name: reqStatusKey, Type: "number", Default: "503", Doc: "The status that limit-rps and limit-rpm answer with, 400 to 599."},
		{Name: connStatusKey, Type: "number", Default: "503", Doc: "The status that limit-connections answers with, 400 to 599."},
	},
	Apply: apply,
}

// apply adds a filter for the rates and one for the connections, in the order in which nginx asks them.
func apply(in *feature.Reader, out *feature.Intent) {
	rps, rpm := in.Int(rpsKey, 0, maxLimit), in.Int(rpmKey, 0, maxLimit)
	connections := in.Int(connectionsKey, 0, maxLimit)
	exempt, _ := in.Prefixes(allowKey)
	if rps+rpm > 0 {
		multiplier := in.Int(multiplierKey, 0, maxMultiplier)
		out.AddFilter(Requests{
			PerSecond: rps, PerMinute: rpm, Multiplier: multiplier, Exempt: exempt, Status: in.Int(reqStatusKey, 400, 599),
		})
	}
	if connections > 0 {
		out.AddFilter(Connections{Limit: connections, Exempt: exempt, Status: in.Int(connStatusKey, 400, 599)})
	}
}

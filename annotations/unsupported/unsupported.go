package unsupported

import (
	"regexp"
	"slices"

	"github.com/yettproxy/yett/annotations/feature"
)

// Family declares the keys.
var Family = feature.Family{
	Name:     "unsupported",
	Doc:      "What ingress-nginx has and Yett does not. Everything here is accepted and reported.",
	Keys:     slices.Concat(firewall, fastcgi, telemetry, nginxOnly),
	Settings: slices.Concat(telemetrySettings, logSettings, otherSettings, tuning()),
	Apply:    func(in *feature.Reader, _ *feature.Intent) { applyFirewall(in) },
}

const (
	firewallOn    = "enable-modsecurity"
	firewallRules = "modsecurity-snippet"
)

// firewall are the keys of ModSecurity. Switched on alone it only writes down what it would refuse, so its absence
// opens nothing; with an engine that refuses, it does.
var firewall = []feature.Key{
	{
		Name: firewallOn, Type: "bool", Default: "false", Global: firewallOn,
		Doc: "Passes requests through the ModSecurity firewall.",
		Unsupported: "there is no web application firewall here: the Ingress is served without, unless modsecurity-snippet " +
			"makes it refuse requests",
	},
	{
		Name: "enable-owasp-core-rules", Type: "bool", Default: "false", Global: "enable-owasp-modsecurity-crs",
		Doc: "Loads the OWASP core rules.", Unsupported: "there is no web application firewall here: the Ingress is served without",
	},
	{
		Name: "modsecurity-transaction-id", Type: "text with variables", Risk: feature.High,
		Doc: "The name of a request in the firewall's log.", Unsupported: "there is no web application firewall here",
	},
	{
		Name: firewallRules, Type: "ModSecurity rules", Risk: feature.Critical, OnInvalid: feature.DenyRoute,
		Doc: "Rules of the firewall.",
		Note: `There is no web application firewall here. Rules that make it refuse requests ("SecRuleEngine On") in an Ingress with ` +
			"enable-modsecurity deny the Ingress (503); others are reported.",
	},
}

// engineOn finds the directive that makes ModSecurity refuse requests rather than write them down.
var engineOn = regexp.MustCompile(`(?i)\bSecRuleEngine\s+"?On\b`)

// applyFirewall denies an Ingress that relies on ModSecurity to refuse requests.
func applyFirewall(in *feature.Reader) {
	rules := in.String(firewallRules)
	if rules == "" {
		return
	}
	if in.Bool(firewallOn) && engineOn.MatchString(rules) {
		in.Refuse(firewallRules, "there is no web application firewall here, and these rules refuse requests: the paths answer 503")
		return
	}
	in.Remark(firewallRules, "there is no web application firewall here: the rules do nothing")
}

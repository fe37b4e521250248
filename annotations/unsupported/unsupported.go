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
	Keys:     slices.Concat(clientCertificates, firewall, traffic, telemetry, nginxOnly),
	Settings: slices.Concat(telemetrySettings, streamSettings, logSettings, otherSettings, tuning()),
	Apply: func(in *feature.Reader, out *feature.Intent) {
		applyClientCertificates(in, out)
		applyFirewall(in)
	},
}

const (
	tlsSecret = "auth-tls-secret"
	tlsVerify = "auth-tls-verify-client"
)

// inert is what is said of keys that go with auth-tls-secret.
const inert = "client certificates are not there yet, see auth-tls-secret"

// clientCertificates are the keys about certificates of clients.
var clientCertificates = []feature.Key{
	{
		Name: tlsSecret, Type: "namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
		Doc: "The CAs that certificates of clients are checked against, for the whole host.",
		Note: "Not there yet: all paths of the hosts of the Ingress answer 403, as ingress-nginx does when the Secret is missing. " +
			"With auth-tls-verify-client: off they are served.",
	},
	{
		Name: tlsVerify, Type: "on, off, optional or optional_no_ca", Default: "on", Risk: feature.Medium,
		Doc:  "How certificates of clients are checked.",
		Note: "Not there yet, but off is understood: the host is served then.",
	},
	{Name: "auth-tls-verify-depth", Type: "number", Default: "1", Doc: "The longest chain of CAs.", Unsupported: inert},
	{Name: "auth-tls-error-page", Type: "URL", Risk: feature.High, Doc: "Where clients without a good certificate are sent.", Unsupported: inert},
	{
		Name: "auth-tls-pass-certificate-to-upstream", Type: "bool", Default: "false",
		Doc: "Sends the certificate upstream in ssl-client-cert.", Unsupported: inert,
	},
	{
		Name: "auth-tls-match-cn", Type: "CN= and a regular expression", Risk: feature.High,
		Doc: "Answers 403 unless the subject of the certificate matches.", Unsupported: inert,
	},
}

// applyClientCertificates denies the whole host of an Ingress that asks for certificates of clients. That holds for
// "optional" too: endpoints would take an ssl-client-verify that a client wrote for ours.
func applyClientCertificates(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(tlsSecret) {
		return
	}
	if in.Enum(tlsVerify, "on", "off", "optional", "optional_no_ca") == "off" {
		in.Remark(tlsSecret, "auth-tls-verify-client is off: no certificate is asked for")
		return
	}
	const reason = "client certificates are not there yet: the whole host answers 403"
	in.Block(tlsSecret, reason)
	out.Deny, out.DenyReason = 403, tlsSecret+": "+reason
	out.Host.Deny = 403
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

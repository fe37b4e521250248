package clientauth

import (
	"encoding/pem"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
)

const (
	secret    = "auth-tls-secret"
	verify    = "auth-tls-verify-client"
	depth     = "auth-tls-verify-depth"
	errorPage = "auth-tls-error-page"
	pass      = "auth-tls-pass-certificate-to-upstream"
	matchCN   = "auth-tls-match-cn"
)

// Family is certificates of clients.
var Family = feature.Family{
	Name: "clientauth",
	Doc:  "Certificates that hosts ask of clients. Nothing of it counts without auth-tls-secret. It holds for all paths of the hosts of the Ingress.",
	Keys: []feature.Key{
		{
			Name: secret, Type: "namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc: "The CAs (ca.crt) that certificates of clients are checked against, and their revocation lists (ca.crl). Upstreams are told the " +
				"result in ssl-client-verify, ssl-client-subject-dn and ssl-client-issuer-dn, which clients cannot send.",
			Note: "The namespace may be left out. Without a usable Secret the whole host answers 403. Requests in cleartext that nothing " +
				"sends to https answer 403 too, with verify-client on or match-cn; in ingress-nginx they are served unchecked. The CAs of the " +
				"Ingress that comes first count for the host; the paths of another Ingress that asks for more than that answer 403.",
		},
		{
			Name: verify, Type: "on, off, optional or optional_no_ca", Default: "on", Risk: feature.Medium,
			Doc: "Whether clients must show a certificate (on) or may (optional). A bad one answers 400; with optional_no_ca one that no CA " +
				"vouches for passes, and ssl-client-verify says FAILED.",
		},
		{
			Name: depth, Type: "number", Default: "1",
			Doc: "How many intermediate certificates there may be between the certificate of a client and a CA.",
		},
		{
			Name: errorPage, Type: "URL", Risk: feature.High,
			Doc:  "Where clients without a good certificate are sent with 302 instead of answering 400.",
			Note: "Only http and https URLs, with variables; a path or a named location, which nginx serves in place, is reported and 400 is answered.",
		},
		{
			Name: pass, Type: "bool", Default: "false",
			Doc: "Sends the certificate upstream in ssl-client-cert, as percent-encoded PEM.",
		},
		{
			Name: matchCN, Type: "CN= and a regular expression", Risk: feature.High, OnInvalid: feature.DenyRoute,
			Doc: "Answers 403 unless the subject of the certificate matches.",
			Note: "It must match from the beginning of a CN of the subject (CN=…), not anywhere, so that another attribute which holds the text " +
				"of a CN cannot pass for one. 1024 characters at most.",
		},
	},
	Apply: apply,
}

// apply reads the family's keys. Whatever cannot be honoured closes the whole host: the paths of other Ingresses are guarded
// by it, too.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(secret) {
		for _, key := range []string{verify, depth, errorPage, pass, matchCN} {
			if in.HasAnnotation(key) {
				in.Remark(key, "ignored, as in ingress-nginx: no auth-tls-* counts without auth-tls-secret")
			}
		}
		return
	}
	a := ir.ClientAuth{
		Mode: mode(in.Enum(verify, "on", "off", "optional", "optional_no_ca")), Depth: max(in.Int(depth, 0, 100), 1),
		ErrorPage: page(in), PassCertificate: in.Bool(pass),
	}
	ok := readSecret(in, &a)
	if !readCN(in, &a) || !ok {
		out.Deny, out.DenyReason = 403, secret+": certificates of clients cannot be checked: the whole host answers 403"
		out.Host.Deny = 403
		return
	}
	out.Host.ClientAuth = a
}

// mode returns the mode of its spelling.
func mode(text string) ir.VerifyMode {
	switch text {
	case "off":
		return ir.VerifyOff
	case "optional":
		return ir.VerifyOptional
	case "optional_no_ca":
		return ir.VerifyOptionalNoCA
	}
	return ir.VerifyOn // also for what cannot be understood
}

// readSecret reads the CAs.
func readSecret(in *feature.Reader, a *ir.ClientAuth) bool {
	data, _, ok := in.Secret(secret)
	if !ok {
		return false
	}
	a.CA, a.CRL = string(data["ca.crt"]), string(data["ca.crl"])
	switch {
	case a.CA == "":
		in.Refuse(secret, "the Secret holds no ca.crt to check certificates against: the whole host answers 403")
	case !isPEM(a.CA, "CERTIFICATE"):
		in.Refuse(secret, "ca.crt in the Secret is not a certificate in PEM: the whole host answers 403")
	case a.CRL != "" && !isPEM(a.CRL, "X509 CRL"):
		in.Refuse(secret, "ca.crl in the Secret is not a revocation list in PEM: the whole host answers 403")
	default:
		return true
	}
	return false
}

// isPEM reports whether text holds a PEM block of a kind. The block itself is read once, by proxy/clientcert, and not in every
// rebuild.
func isPEM(text, kind string) bool {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		if block.Type == kind {
			return true
		}
	}
}

// maxCN is the longest auth-tls-match-cn.
const maxCN = 1024

// readCN reads auth-tls-match-cn.
func readCN(in *feature.Reader, a *ir.ClientAuth) bool {
	if !in.HasAnnotation(matchCN) {
		return true
	}
	a.MatchCN = in.String(matchCN)
	switch {
	case !strings.HasPrefix(a.MatchCN, "CN="):
		in.Refuse(matchCN, "it does not begin with CN=: write such as CN=(alice|bob)$")
	case len(a.MatchCN) > maxCN:
		in.Refuse(matchCN, "longer than %d characters", maxCN)
	default:
		_, err := pattern.Compile(a.MatchCN, false)
		if err == nil {
			return true
		}
		in.Refuse(matchCN, "%v", err)
	}
	return false
}

// page reads auth-tls-error-page.
func page(in *feature.Reader) string {
	return in.Matching(errorPage, func(v string) bool {
		if !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://") || strings.ContainsAny(v, " \t\n\r\"'<>\\^`{|}") {
			return false
		}
		_, err := variable.Compile(v)
		return err == nil
	}, "a URL such as https://example.com/no-certificate: without one 400 is answered")
}

package proxyssl

import (
	"crypto/tls"
	"encoding/pem"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

const (
	secret      = "proxy-ssl-secret"
	verify      = "proxy-ssl-verify"
	verifyDepth = "proxy-ssl-verify-depth"
	name        = "proxy-ssl-name"
	serverName  = "proxy-ssl-server-name"
	ciphers     = "proxy-ssl-ciphers"
	protocols   = "proxy-ssl-protocols"
)

// internalName is what nginx checks and sends where no proxy-ssl-name is given: its own name for all endpoints.
const internalName = "upstream_balancer"

// Family is TLS towards endpoints.
var Family = feature.Family{
	Name: "proxyssl",
	Doc:  "TLS towards endpoints, with backend-protocol HTTPS. Nothing of it counts without proxy-ssl-secret.",
	Keys: []feature.Key{
		{
			Name: secret, Type: "namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc:  "The client certificate (tls.crt, tls.key) shown to endpoints, and the CAs (ca.crt) that theirs are checked against.",
			Note: "The namespace may be left out.",
		},
		{
			Name: verify, Type: "on or off", Default: "off",
			Doc:  "Whether the certificates of endpoints are checked.",
			Note: "Without ca.crt in the Secret there is nothing to check against: the Ingress answers 503.",
		},
		{
			Name: verifyDepth, Type: "number", Default: "1",
			Doc: "How many intermediate certificates there may be between the certificate of an endpoint and a CA.",
		},
		{
			Name: name, Type: "host name", Risk: feature.High,
			Doc: "The name that the certificate must be for, and that is sent if proxy-ssl-server-name is on. As in nginx it " +
				"is upstream_balancer where none is given, which no certificate is for.",
			Note: "Variables and regular expressions are not taken.",
		},
		{
			Name: serverName, Type: "on or off", Default: "off",
			Doc: "Whether the name is sent to the endpoint (SNI).",
		},
		{
			Name: ciphers, Type: "OpenSSL cipher list", Default: "DEFAULT", Risk: feature.Medium,
			Doc:  "The ciphers offered to endpoints up to TLS 1.2.",
			Note: "Ciphers that Go does not have are left out; those of TLS 1.3 cannot be chosen.",
		},
		{
			Name: protocols, Type: "list of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", Default: "TLSv1.2",
			Doc:  "The versions of TLS offered to endpoints.",
			Note: "All versions between the lowest and the highest are offered. SSLv2 and SSLv3 are left out.",
		},
	},
	Apply: apply,
}

// apply reads the family's keys.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(secret) {
		for _, key := range []string{verify, verifyDepth, name, serverName, ciphers, protocols} {
			if in.HasAnnotation(key) {
				in.Remark(key, "ignored, as in ingress-nginx: no proxy-ssl-* counts without proxy-ssl-secret")
			}
		}
		return
	}
	data, _, ok := in.Secret(secret)
	if !ok {
		return
	}
	t := ir.UpstreamTLS{
		CA: string(data["ca.crt"]), Certificate: string(data["tls.crt"]), Key: string(data["tls.key"]),
		Verify: in.OnOff(verify), Depth: in.Int(verifyDepth, 0, 100), SendName: in.OnOff(serverName),
		Name:    in.Matching(name, isName, "a host name: letters, digits, - . _ ~ / :"),
		Ciphers: in.Matching(ciphers, isCipherList, "an OpenSSL cipher list such as ECDHE-RSA-AES128-GCM-SHA256"),
	}
	if t.Depth == 0 {
		t.Depth = 1
	}
	t.MinVersion, t.MaxVersion = versions(in)
	if !check(in, &t) {
		return
	}
	if t.Name == "" && (t.Verify || t.SendName) {
		t.Name = internalName
		in.Remark(secret, "without proxy-ssl-name the name is %s, as in nginx: write proxy-ssl-name", internalName)
	}
	out.Policy.TLS = t
}

// check reports whether the Secret holds what it must, and denies the Ingress if not.
func check(in *feature.Reader, t *ir.UpstreamTLS) bool {
	switch {
	case (t.Certificate == "") != (t.Key == ""):
		in.Lack(secret, "the Secret holds only one of tls.crt and tls.key: it must hold both or none")
	case t.Certificate == "" && t.CA == "":
		in.Lack(secret, "the Secret holds neither tls.crt and tls.key nor ca.crt")
	case t.Certificate != "" && !isPEM(t.Certificate, "CERTIFICATE"):
		in.Lack(secret, "tls.crt in the Secret is not a certificate in PEM")
	case t.Key != "" && !isPEM(t.Key, "PRIVATE KEY"):
		in.Lack(secret, "tls.key in the Secret is not a private key in PEM")
	case t.CA != "" && !isPEM(t.CA, "CERTIFICATE"):
		in.Lack(secret, "ca.crt in the Secret is not a certificate in PEM")
	case t.Verify && t.CA == "":
		in.Lack(secret, "proxy-ssl-verify is on, but the Secret holds no ca.crt to check against")
	default:
		return true
	}
	return false
}

// isPEM reports whether text holds a PEM block whose type ends in kind. It does not parse the block, which would cost
// more than all the rest of a rebuild: the forwarder does that once, and a route whose block is broken answers 503.
func isPEM(text, kind string) bool {
	rest := []byte(text)
	for {
		block, more := pem.Decode(rest)
		if block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
		rest = more
	}
}

// isName reports whether a value can be a host name.
func isName(v string) bool { return len(v) <= 253 && feature.IsBasic(v) }

// isCipherList reports whether a value has only the characters of cipher lists.
func isCipherList(v string) bool {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
		case c == '+', c == ':', c == '_', c == '-', c == '!', c == '@', c == '=', c == ',':
		default:
			return false
		}
	}
	return true
}

// versions returns the lowest and the highest version of proxy-ssl-protocols.
func versions(in *feature.Reader) (low, high uint16) {
	text := in.Matching(protocols, func(v string) bool { _, _, ok := feature.ParseVersions(v); return ok },
		"versions such as TLSv1.2 TLSv1.3")
	low, high, ok := feature.ParseVersions(text)
	if !ok {
		return tls.VersionTLS12, tls.VersionTLS12
	}
	return low, high
}

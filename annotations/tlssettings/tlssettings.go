package tlssettings

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

const (
	protocols = "ssl-protocols"
	ciphers   = "ssl-ciphers"
	// In nginx the first keeps sessions at the server, the second at clients.
	sessionCache   = "ssl-session-cache"
	sessionTickets = "ssl-session-tickets"
)

// ciphersDefault is ingress-nginx's list.
const ciphersDefault = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" +
	"DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"

// goTLS says why keys about OpenSSL's insides do nothing.
const goTLS = "TLS is Go's, which takes care of this by itself"

// Family is TLS towards clients.
var Family = feature.Family{
	Name: "tlssettings",
	Doc:  "TLS towards clients.",
	Keys: []feature.Key{{
		Name: ciphers, Type: "OpenSSL cipher list", Default: ciphersDefault, Global: ciphers,
		Doc: "The ciphers up to TLS 1.2, for the hosts of the Ingress or for all.",
		Note: "Ciphers that Go does not have (DHE, CCM) are left out, and Go chooses the order. The Ingress that comes first decides for a " +
			"host, among those in its namespace.",
	}},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		if in.HasAnnotation(ciphers) {
			out.Host.Ciphers = cipherList(in)
		}
	},
	Settings: []feature.Key{
		{
			Name: protocols, Type: "list of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", Default: "TLSv1.2 TLSv1.3",
			Doc:  "The versions of TLS that are spoken.",
			Note: "All versions between the lowest and the highest are spoken. SSLv2 and SSLv3 are left out.",
		},
		{
			Name: "ssl-reject-handshake", Type: "bool", Default: "false",
			Doc: "Refuses handshakes for names that no host has, instead of showing the default certificate.",
		},
		{
			Name: sessionCache, Type: "bool", Default: "true", Doc: "Whether clients can take up sessions again.",
			Note: "There is no cache: sessions are kept by clients, in tickets, if this or ssl-session-tickets is true.",
		},
		{Name: "ssl-session-cache-size", Type: "size", Default: "10m", Doc: "In nginx, the size of that cache.", NoEffect: goTLS},
		{Name: sessionTickets, Type: "bool", Default: "false", Doc: "Whether clients can take up sessions again.", Note: "See ssl-session-cache."},
		{
			Name: "ssl-session-ticket-key", Type: "base64", Doc: "In nginx, the key of session tickets.",
			NoEffect: "Go makes keys for session tickets by itself and changes them daily",
		},
		{Name: "ssl-session-timeout", Type: "time", Default: "10m", Doc: "In nginx, how long a session can be taken up again.", NoEffect: goTLS},
		{Name: "ssl-buffer-size", Type: "size", Default: "4k", Doc: "In nginx, the size of TLS records.", NoEffect: goTLS},
		{
			Name: "ssl-ecdh-curve", Type: "list of curves", Default: "auto", Doc: "The curves of the key exchange.",
			Unsupported: "not there yet: Go chooses among its curves, which are all safe",
		},
		{
			Name: "ssl-dh-param", Type: "namespace/name of a Secret", Doc: "In nginx, the parameters of DHE key exchange.",
			NoEffect: "Go has no DHE ciphers; ECDHE needs no parameters",
		},
		{
			Name: "ssl-early-data", Type: "bool", Default: "false", Doc: "Accepts TLS 1.3 early data.",
			Unsupported: "not there yet: early data are not accepted, clients send them again after the handshake",
		},
		{
			Name: "enable-ocsp", Type: "bool", Default: "false", Doc: "Staples OCSP answers to certificates.",
			Unsupported: "not there yet: no OCSP answers are stapled, clients ask for them themselves",
		},
	},
	Configure: func(in *feature.Reader, out *ir.Settings) {
		versions := in.Matching(protocols, func(v string) bool { _, _, ok := feature.ParseVersions(v); return ok },
			"versions such as TLSv1.2 TLSv1.3")
		out.TLS.MinVersion, out.TLS.MaxVersion, _ = feature.ParseVersions(versions)
		out.TLS.Ciphers = cipherList(in)
		out.TLS.NoResumption = !in.Bool(sessionCache) && !in.Bool(sessionTickets)
		out.TLS.RejectUnknown = in.Bool("ssl-reject-handshake")
	},
}

// cipherList returns the ciphers, "" for the default.
func cipherList(in *feature.Reader) string {
	if list := in.Matching(ciphers, isCipherList, "an OpenSSL cipher list, names separated by colons"); list != ciphersDefault {
		return list
	}
	return ""
}

// isCipherList reports whether a value has only the characters of cipher lists.
func isCipherList(v string) bool {
	return strings.Trim(v, "+:_-!@=, ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

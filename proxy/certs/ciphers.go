package certs

import (
	"crypto/tls"
	"strings"

	"github.com/yettproxy/yett/proxy/variable"
)

// ParseCiphers turns an OpenSSL cipher list into cipher suites for tls.Config, which uses them up to
// TLS 1.2; those of TLS 1.3 cannot be chosen and are passed over. Names may be OpenSSL's or IANA's. It
// returns what it does not know or crypto/tls does not have, such as DHE suites. The list is nil, for the
// library's own, if it is "", "DEFAULT", or nothing else is left.
func ParseCiphers(list string) (suites []uint16, unknown []string) {
	names := make(map[string]uint16)
	for _, all := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range all {
			names[s.Name] = s.ID
			if name := variable.CipherName(s.ID); name != "" {
				names[name] = s.ID
			}
		}
	}
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, \t\n", r) }) {
		id, ok := names[name]
		switch {
		case name == "DEFAULT":
		case !ok:
			unknown = append(unknown, name)
		case id == tls.TLS_AES_128_GCM_SHA256 || id == tls.TLS_AES_256_GCM_SHA384 || id == tls.TLS_CHACHA20_POLY1305_SHA256:
		default:
			suites = append(suites, id)
		}
	}
	return suites, unknown
}

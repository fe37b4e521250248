package feature

import (
	"crypto/tls"
	"strings"
)

// ParseVersions reads a list of TLS versions as nginx writes it ("TLSv1.2 TLSv1.3") and returns the lowest and the
// highest one as crypto/tls numbers them. SSLv2 and SSLv3 are passed over. It returns false if a word is no version,
// or if none is left.
func ParseVersions(list string) (low, high uint16, ok bool) {
	for word := range strings.FieldsSeq(list) {
		var v uint16
		switch word {
		case "SSLv2", "SSLv3":
			continue
		case "TLSv1":
			v = tls.VersionTLS10
		case "TLSv1.1":
			v = tls.VersionTLS11
		case "TLSv1.2":
			v = tls.VersionTLS12
		case "TLSv1.3":
			v = tls.VersionTLS13
		default:
			return 0, 0, false
		}
		if low == 0 || v < low {
			low = v
		}
		high = max(high, v)
	}
	return low, high, low != 0
}

package variable

import (
	"crypto/sha1"
	"crypto/tls"

	"github.com/yettproxy/yett/proxy/filter"
)

// appendTLS appends what the handshake found out.
func appendTLS(dst []byte, x *filter.Exchange, c code, e Escape) ([]byte, bool) {
	if x.Conn == nil || x.Conn.TLS == nil {
		return dst, false
	}
	state := x.Conn.TLS
	switch c {
	case tlsProtocol:
		s := versionName(state.Version)
		return append(dst, s...), s != ""
	case tlsCipher:
		s := CipherName(state.CipherSuite)
		return append(dst, s...), s != ""
	case tlsServerName:
		return escape(dst, state.ServerName, e), state.ServerName != ""
	case tlsReused:
		if state.DidResume {
			return append(dst, 'r'), true
		}
		return append(dst, '.'), true
	case tlsALPN:
		return escape(dst, state.NegotiatedProtocol, e), state.NegotiatedProtocol != ""
	case clientVerify:
		if x.Certificate == nil {
			return append(dst, "NONE"...), true
		}
		return append(dst, x.Certificate.Verify...), true
	}
	if x.Certificate == nil {
		return dst, false
	}
	return appendClientCert(dst, x.Certificate, c, e)
}

// appendClientCert appends something about the client's certificate. Serial number and fingerprint allocate.
func appendClientCert(dst []byte, cert *filter.ClientCertificate, c code, e Escape) ([]byte, bool) {
	switch c {
	case clientSubject:
		return escape(dst, cert.Subject, e), true
	case clientIssuer:
		return escape(dst, cert.Issuer, e), true
	case clientSerial:
		b := cert.Leaf.SerialNumber.Bytes()
		if len(b) == 0 {
			b = []byte{0}
		}
		return appendHex(dst, b, upperHex), true
	case clientFingerprint:
		sum := sha1.Sum(cert.Leaf.Raw)
		return appendHex(dst, sum[:], lowerHex), true
	case clientEscapedCert:
		return append(dst, cert.Escaped...), true
	}
	return dst, false
}

func appendHex(dst, b []byte, digits string) []byte {
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// versionName returns a protocol version as OpenSSL spells it.
func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "TLSv1.3"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS10:
		return "TLSv1"
	}
	return ""
}

// CipherName returns a cipher suite as OpenSSL spells it, or "" for one that crypto/tls does not have.
func CipherName(id uint16) string {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256:
		return "TLS_AES_128_GCM_SHA256"
	case tls.TLS_AES_256_GCM_SHA384:
		return "TLS_AES_256_GCM_SHA384"
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return "TLS_CHACHA20_POLY1305_SHA256"
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
		return "ECDHE-ECDSA-AES128-GCM-SHA256"
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		return "ECDHE-RSA-AES128-GCM-SHA256"
	case tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
		return "ECDHE-ECDSA-AES256-GCM-SHA384"
	case tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		return "ECDHE-RSA-AES256-GCM-SHA384"
	case tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return "ECDHE-ECDSA-CHACHA20-POLY1305"
	case tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return "ECDHE-RSA-CHACHA20-POLY1305"
	}
	return oldCipherName(id)
}

// oldCipherName names the suites that are used only if somebody asks for them.
func oldCipherName(id uint16) string {
	switch id {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256:
		return "ECDHE-ECDSA-AES128-SHA256"
	case tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256:
		return "ECDHE-RSA-AES128-SHA256"
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:
		return "ECDHE-ECDSA-AES128-SHA"
	case tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:
		return "ECDHE-RSA-AES128-SHA"
	case tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:
		return "ECDHE-ECDSA-AES256-SHA"
	case tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:
		return "ECDHE-RSA-AES256-SHA"
	case tls.TLS_RSA_WITH_AES_128_GCM_SHA256:
		return "AES128-GCM-SHA256"
	case tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
		return "AES256-GCM-SHA384"
	case tls.TLS_RSA_WITH_AES_128_CBC_SHA256:
		return "AES128-SHA256"
	case tls.TLS_RSA_WITH_AES_128_CBC_SHA:
		return "AES128-SHA"
	case tls.TLS_RSA_WITH_AES_256_CBC_SHA:
		return "AES256-SHA"
	case tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA:
		return "ECDHE-RSA-DES-CBC3-SHA"
	case tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA:
		return "DES-CBC3-SHA"
	}
	return ""
}

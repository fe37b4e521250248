package filter

import (
	"crypto/x509"
	"time"
)

// ClientCertificate is what the guard of a host found out about the certificate of a client. It is immutable.
type ClientCertificate struct {
	// Guard is who found it out: nothing here counts for another one.
	Guard any
	// Until is when it must be found out anew.
	Until time.Time
	// Leaf is the certificate.
	Leaf *x509.Certificate
	// Verify is SUCCESS, or FAILED: and OpenSSL's reason ($ssl_client_verify).
	Verify string
	// Subject and Issuer are its names as OpenSSL writes them by RFC 2253 ($ssl_client_s_dn, $ssl_client_i_dn).
	Subject, Issuer string
	// Escaped is the certificate as PEM, percent-encoded ($ssl_client_escaped_cert).
	Escaped string
	// Refused says that the guard lets nobody in with it. Named says that its subject is one that the guard asks for.
	Refused, Named bool
}

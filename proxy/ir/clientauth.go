package ir

import "fmt"

// VerifyMode is how certificates of clients are checked (auth-tls-verify-client), in the order of strictness.
type VerifyMode uint8

// The modes. The zero value is that of hosts that nobody guards.
const (
	VerifyNone VerifyMode = iota
	// VerifyOff asks for none and tells upstreams so.
	VerifyOff
	// VerifyOptionalNoCA asks for one and lets it pass, whoever issued it.
	VerifyOptionalNoCA
	// VerifyOptional asks for one and refuses bad ones.
	VerifyOptional
	// VerifyOn refuses clients without a good one.
	VerifyOn
)

// String returns the annotation's spelling.
func (m VerifyMode) String() string {
	return [...]string{"none", "off", "optional_no_ca", "optional", "on"}[m]
}

// ClientAuth is how a host asks clients for certificates (auth-tls-*). It is comparable; the zero value asks for none and
// tells upstreams nothing.
type ClientAuth struct {
	Mode VerifyMode
	// CA are the CAs that certificates are checked against, CRL their revocation lists or "", as PEM.
	CA, CRL string
	// Depth is how many certificates may stand between that of the client and a CA that signed itself.
	Depth int
	// MatchCN is a regular expression that begins with "CN=" and must be found in the subject; "" for none.
	MatchCN string
	// ErrorPage is where clients without a good certificate are sent, a template of variables; "" answers 400.
	ErrorPage string
	// PassCertificate sends the certificate upstream.
	PassCertificate bool
}

// Covers reports whether a host that is guarded by a lets nobody in whom one guarded by b would not.
func (a *ClientAuth) Covers(b *ClientAuth) bool {
	switch {
	case b.Mode <= VerifyOff:
		return true
	case b.Mode == VerifyOptionalNoCA && b.MatchCN == "":
		return a.Mode >= b.Mode // nobody is kept out, but somebody must say who the client is
	}
	return a.Mode >= b.Mode && a.CA == b.CA && a.CRL == b.CRL && a.Depth <= b.Depth && (b.MatchCN == "" || a.MatchCN == b.MatchCN)
}

// String describes it in one line, without the certificates.
func (a ClientAuth) String() string {
	s := fmt.Sprintf("%s depth %d", a.Mode, a.Depth)
	if a.CRL != "" {
		s += " with revocation list"
	}
	if a.MatchCN != "" {
		s += " match " + a.MatchCN
	}
	if a.ErrorPage != "" {
		s += " error-page " + a.ErrorPage
	}
	if a.PassCertificate {
		s += " passed on"
	}
	return s
}

package clientcert

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// Guard is an ir.ClientAuth ready for requests.
type Guard struct {
	spec   ir.ClientAuth
	bundle *bundle
	cn     *pattern.Pattern
	page   *variable.Template
}

// Compile makes a guard ready. An error says what is wrong in words for the user; the host must then be closed.
func Compile(spec *ir.ClientAuth) (*Guard, error) {
	g := &Guard{spec: *spec}
	var err error
	if g.bundle, err = newBundle(spec.CA, spec.CRL); err != nil {
		return nil, fmt.Errorf("compile client certificate guard: %w", err)
	}
	if spec.MatchCN != "" {
		// Where it begins is settled by anchored below: it must not be found within the value of another attribute.
		if g.cn, err = pattern.Compile(`\A(?:`+spec.MatchCN+`)`, false); err != nil {
			return nil, fmt.Errorf("compile auth-tls-match-cn: %w", err)
		}
	}
	if spec.ErrorPage != "" {
		if g.page, err = variable.Compile(spec.ErrorPage); err != nil {
			return nil, fmt.Errorf("compile auth-tls-error-page: %w", err)
		}
	}
	return g, nil
}

// NeedsTLS reports whether a request in cleartext, which cannot bring a certificate, must not be served.
func (g *Guard) NeedsTLS() bool { return g.spec.Mode == ir.VerifyOn || g.cn != nil }

// The pages of nginx for its statuses 495 and 496, which it sends as 400.
const (
	pageBad = "<html>\r\n<head><title>400 The SSL certificate error</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n" +
		"<center>The SSL certificate error</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	pageNone = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n" +
		"<center>No required SSL certificate was sent</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)

// Admit decides about a request for the guarded host. If it may go on, the upstream is told about the certificate; if not,
// the answer is in the exchange. A request in cleartext goes on, as redirects to https come first: see NeedsTLS.
func (g *Guard) Admit(x *filter.Exchange) bool {
	state := x.Conn.TLS
	if state == nil {
		return true
	}
	// The handshake was for another host, so what the client showed was not meant for this one (RFC 9110 section 15.5.20).
	if state.ServerName != "" && !wire.EqualFold(state.ServerName, x.Request.Host) {
		x.Reply(421)
		return false
	}
	if g.spec.Mode != ir.VerifyOff && len(state.PeerCertificates) > 0 {
		x.Certificate = g.check(x, state.PeerCertificates)
	}
	c := x.Certificate
	switch {
	case c != nil && c.Refused:
		g.refuse(x, pageBad)
		return false
	case c == nil && g.spec.Mode == ir.VerifyOn:
		g.refuse(x, pageNone)
		return false
	case g.cn != nil && (c == nil || !c.Named):
		x.ReplyText(403, "text/html", "client certificate unauthorized")
		return false
	}
	g.tell(x)
	return true
}

// refuse answers that the certificate is missing or bad.
func (g *Guard) refuse(x *filter.Exchange, page string) {
	if g.page != nil {
		x.RedirectTo(302, g.page.FieldText(x))
	} else {
		x.ReplyText(400, "text/html", page)
	}
	x.CloseAfter = true // the next connection can bring another one
}

// tell tells the upstream. Fields of these names that clients send never pass.
func (g *Guard) tell(x *filter.Exchange) {
	c := x.Certificate
	if c == nil {
		x.Override("ssl-client-verify", "NONE")
		return
	}
	if g.spec.PassCertificate {
		x.Override("ssl-client-cert", c.Escaped)
	}
	x.Override("ssl-client-verify", c.Verify)
	x.Override("ssl-client-subject-dn", c.Subject)
	x.Override("ssl-client-issuer-dn", c.Issuer)
}

// retry is how long a refusal is remembered by the connection.
const retry = time.Second

// check returns what is known about the certificate that the connection brought.
func (g *Guard) check(x *filter.Exchange, sent []*x509.Certificate) *filter.ClientCertificate {
	known := x.Conn.Certificate
	if known != nil {
		if c := known.Load(); c != nil && c.Guard == g && x.Start.Before(c.Until) {
			return c
		}
	}
	c := g.examine(sent, x.Start)
	if known != nil {
		known.Store(c)
	}
	return c
}

const (
	// maxName is the longest name, and maxCertificate the largest certificate in DER, that upstreams are told, in bytes.
	maxName        = 4 << 10
	maxCertificate = 16 << 10
)

// examine finds out about a certificate.
func (g *Guard) examine(sent []*x509.Certificate, now time.Time) *filter.ClientCertificate {
	leaf := sent[0]
	c := &filter.ClientCertificate{Guard: g, Leaf: leaf, Verify: "SUCCESS"}
	subject, err := parseName(leaf.RawSubject)
	issuer, errIssuer := parseName(leaf.RawIssuer)
	reason, until := "", time.Time{}
	if err != nil || errIssuer != nil || len(subject.text) > maxName || len(issuer.text) > maxName || len(leaf.Raw) > maxCertificate {
		reason = reasonInvalid
	} else {
		c.Subject, c.Issuer = subject.text, issuer.text
		text := pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: leaf.Raw})
		c.Escaped = string(variable.AppendURIComponent(nil, string(text)))
		reason, until = g.bundle.verify(sent, g.spec.Depth, now)
	}
	if c.Until = until; reason != "" {
		c.Verify, c.Until = "FAILED:"+reason, now.Add(retry)
		c.Refused = g.spec.Mode != ir.VerifyOptionalNoCA || !unknownIssuer(reason)
	}
	c.Named = g.named(&subject)
	return c
}

// named reports whether auth-tls-match-cn is found in a subject. nginx looks for it anywhere; here it must begin with a CN,
// which the value of no other attribute can pass for.
func (g *Guard) named(subject *name) bool {
	if g.cn == nil {
		return false
	}
	for _, at := range subject.common {
		if found, err := g.cn.Find(subject.text[at:], nil); found && err == nil {
			return true
		}
	}
	return false
}

package extauth

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// request makes the request to the service: the client's fields without its body, and what the proxy knows. The transport
// may still read it when the answer is there, so all texts are copies.
func (g *guard) request(ctx context.Context, x *filter.Exchange) (*http.Request, error) {
	u, err := remote.Target(string(g.url.Append(nil, x)), &x.Arena)
	if err != nil {
		return nil, err
	}
	h := make(http.Header, x.Request.Fields.Len()+12)
	forwarded := copyFields(h, &x.Request.Fields)
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{strings.Clone(value)}
		}
	}
	original := strings.Clone(x.Request.Target)
	set("X-Original-URL", x.Scheme+"://"+x.Request.Authority+original)
	set("X-Original-Method", x.Request.Method)
	set("X-Sent-From", "nginx-ingress-controller")
	set("X-Real-IP", x.ClientText)
	set("X-Forwarded-For", x.ForwardedFor)
	set("X-Request-ID", x.RequestID)
	if forwarded.host {
		set("X-Forwarded-Host", x.ForwardedHost)
	}
	if forwarded.port {
		set("X-Forwarded-Port", x.ForwardedPort)
	}
	set("X-Auth-Request-Redirect", original)
	if g.redirect != nil {
		set("X-Auth-Request-Redirect", fieldText(g.redirect, x))
	}
	for _, name := range clientCertificate {
		if v, ok := x.Overrides.Find(name); ok {
			set(name, v)
		}
	}
	method := http.MethodGet
	if g.spec.Method != "" {
		method = g.spec.Method
		set("X-Original-URI", original)
		set("X-Scheme", x.Scheme)
	}
	host := u.Host
	for _, s := range g.set {
		value := fieldText(s.value, x)
		if s.name == "Host" {
			host = cmp.Or(value, host)
			continue
		}
		remove(h, s.name) // an empty value leaves it at that, as in nginx
		set(s.name, value)
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // else net/http would write its own
	}
	req := &http.Request{
		Method: method, URL: u, Host: host, Header: h, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx), nil
}

// clientCertificate are the fields in which the guard of the host tells about the client's certificate, as in ingress-nginx.
var clientCertificate = []string{"ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert"}

// remove removes a field whatever its spelling: those of the proxy keep nginx's, which net/http would not write.
func remove(h http.Header, name string) {
	for key := range h {
		if wire.EqualFold(key, name) {
			delete(h, key)
		}
	}
}

// fieldText fills in a text for a field: without control characters, in memory of its own.
func fieldText(t *variable.Template, x *filter.Exchange) string {
	return string(t.AppendEscaped(nil, x, variable.EscapeField))
}

// seen says which fields the client sent that the proxy answers with values of its own, if at all.
type seen struct{ host, port bool }

// copyFields copies the client's fields that are not the proxy's to set.
func copyFields(h http.Header, fields *wire.Fields) (s seen) {
	for _, f := range fields.All() {
		switch f.ID {
		case wire.XForwardedHost:
			s.host = true
		case wire.XForwardedPort:
			s.port = true
		}
		if !copied(f) {
			continue
		}
		name := remote.Name(f)
		h[name] = append(h[name], strings.Clone(f.Value))
	}
	return s
}

// copied reports whether the service sees a field of the client: none that requests of the proxy's own must not carry, no conditions on
// what the upstream has, and nothing that could talk the service's framework into another method.
func copied(f wire.Field) bool {
	if !remote.Passes(f) {
		return false
	}
	f = remote.Plain(f)
	for _, name := range hidden {
		if wire.EqualFold(f.Name, name) {
			return false
		}
	}
	return !remote.HasPrefix(f.Name, "X-Envoy-")
}

// hidden are fields without an ID that the service does not see.
var hidden = []string{
	"X-Sent-From", "X-Auth-Request-Redirect", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
}

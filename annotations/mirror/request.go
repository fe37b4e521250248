package mirror

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// request makes the head of a copy. It outlives the exchange, so all texts are copies.
func (m *mirror) request(x *filter.Exchange) (*http.Request, error) {
	u, err := remote.Target(string(m.target.Append(nil, x)), &x.Arena)
	if err != nil {
		return nil, err
	}
	u.Host = strings.Clone(u.Host)
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	if m.named {
		if text := string(m.host.AppendEscaped(nil, x, variable.EscapeField)); text != "" {
			host = text
		}
	}
	return &http.Request{
		Method: strings.Clone(x.Request.Method), URL: u, Host: host, Header: fields(x),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// fields returns the fields of a copy: what the client sent, less what is about its connection and what only a proxy may say,
// plus what this proxy says, as the Service gets it.
func fields(x *filter.Exchange) http.Header {
	h := make(http.Header, x.Request.Fields.Len()+10)
	for _, f := range x.Request.Fields.All() {
		if !passes(f) || overridden(x, f) {
			continue
		}
		name := nameOf(f)
		h[name] = append(h[name], strings.Clone(f.Value))
	}
	for _, f := range x.Request.Fields.All() {
		if f.ID == wire.Connection {
			removeNamed(h, f.Value)
		}
	}
	set := func(name, value string) {
		if value != "" {
			h[http.CanonicalHeaderKey(name)] = []string{strings.Clone(value)}
		}
	}
	set("X-Request-ID", x.RequestID)
	set("X-Real-IP", x.ClientText)
	set("X-Forwarded-For", x.ForwardedFor)
	set("X-Forwarded-Host", x.ForwardedHost)
	set("X-Forwarded-Port", x.ForwardedPort)
	set("X-Forwarded-Proto", x.Scheme)
	set("X-Forwarded-Scheme", x.Scheme)
	set("X-Scheme", x.Scheme)
	set("X-Original-URI", x.Request.Target)
	for _, f := range x.Overrides.All() {
		if f.ID == wire.Host || f.ID.HopByHop() {
			continue
		}
		name := nameOf(f)
		delete(h, name)
		set(name, f.Value)
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // else net/http would write its own
	}
	return h
}

// nameOf returns the name of a field as net/http spells it, in memory of its own.
func nameOf(f wire.Field) string {
	if f.ID == wire.Other {
		return textproto.CanonicalMIMEHeaderKey(strings.Clone(f.Name))
	}
	return textproto.CanonicalMIMEHeaderKey(f.ID.String())
}

// removeNamed removes the fields that a Connection field names, but no credentials, as the Service gets those, too.
func removeNamed(h http.Header, connection string) {
	for name, rest := wire.NextToken(connection); name != ""; name, rest = wire.NextToken(rest) {
		if id := wire.Lookup(name); id != wire.Authorization && id != wire.Cookie {
			h.Del(name)
		}
	}
}

// passes reports whether a field of the client may be in a copy at all. "_" stands for "-": many services cannot tell.
func passes(f wire.Field) bool {
	f = plain(f)
	switch f.ID {
	case wire.Connection, wire.ContentLength, wire.Expect, wire.Host, wire.HTTP2Settings, wire.KeepAlive, wire.ProxyAuthorization,
		wire.ProxyConnection, wire.TE, wire.Trailer, wire.TransferEncoding, wire.Upgrade,
		wire.Forwarded, wire.Proxy, wire.XAccelRedirect, wire.XEnvoyOriginalPath, wire.XOriginalURI, wire.XOriginalURL,
		wire.XRealIP, wire.XRequestID, wire.XRewriteURL, wire.XScheme:
		return false
	}
	for _, prefix := range proxyPrefixes {
		if len(f.Name) >= len(prefix) && wire.EqualFold(f.Name[:len(prefix)], prefix) {
			return false
		}
	}
	return true
}

// proxyPrefixes begin names of fields that only proxies may send.
var proxyPrefixes = []string{"X-Forwarded-", "X-Original-", "ssl-client-"}

// overridden reports whether the proxy says something else to the Service, or nothing, where the client has this field.
func overridden(x *filter.Exchange, f wire.Field) bool {
	f = plain(f)
	if f.ID != wire.Other {
		return x.Overrides.Has(f.ID)
	}
	_, set := x.Overrides.Find(f.Name)
	return set
}

// plain returns a field under the name that services may take it for.
func plain(f wire.Field) wire.Field {
	if f.ID == wire.Other && strings.IndexByte(f.Name, '_') >= 0 {
		f.Name = strings.ReplaceAll(f.Name, "_", "-")
		f.ID = wire.Lookup(f.Name)
	}
	return f
}

package mirror

import (
	"net/http"
	"net/netip"
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
		if !remote.Passes(f) || overridden(x, f) {
			continue
		}
		name := remote.Name(f)
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
		name := remote.Name(f)
		delete(h, name)
		set(name, f.Value)
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // else net/http would write its own
	}
	return h
}

// removeNamed removes the fields that a Connection field names, but no credentials, as the Service gets those, too.
func removeNamed(h http.Header, connection string) {
	for name, rest := wire.NextToken(connection); name != ""; name, rest = wire.NextToken(rest) {
		if id := wire.Lookup(name); id != wire.Authorization && id != wire.Cookie {
			h.Del(name)
		}
	}
}

// overridden reports whether the proxy says something else to the Service, or nothing, where the client has this field.
func overridden(x *filter.Exchange, f wire.Field) bool {
	f = remote.Plain(f)
	if f.ID != wire.Other {
		return x.Overrides.Has(f.ID)
	}
	_, set := x.Overrides.Find(f.Name)
	return set
}

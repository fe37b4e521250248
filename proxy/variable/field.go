package variable

import (
	"encoding/base64"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// appendField appends the value of a field, a cookie or an argument.
func (o *op) appendField(dst []byte, x *filter.Exchange, e Escape) ([]byte, bool) {
	switch o.code {
	case requestField:
		separator := ", "
		if o.field.id == wire.Cookie {
			separator = "; "
		}
		return appendJoined(dst, &x.Request.Fields, o.field, separator, e)
	case upstreamField:
		if x.Local || x.NumAttempts == 0 {
			return dst, false
		}
		fallthrough
	case responseField:
		if o.field.id == wire.ContentLength {
			if x.Response.Status == 0 || x.Response.Length < 0 {
				return dst, false
			}
			return appendInt(dst, x.Response.Length), true
		}
		return appendJoined(dst, &x.Response.Fields, o.field, ", ", e)
	case cookie:
		s, found := cookieValue(&x.Request.Fields, wire.Cookie, o.text)
		return escape(dst, s, e), found
	case upstreamCookie:
		if x.Local || x.NumAttempts == 0 {
			return dst, false
		}
		s, found := cookieValue(&x.Response.Fields, wire.SetCookie, o.text)
		return escape(dst, s, e), found
	case argument:
		s, found := argumentValue(x.Request.Query, o.text)
		return escape(dst, s, e), found
	}
	return dst, false
}

// appendJoined appends the values of all fields of a name, joined (nginx 1.23 and later).
func appendJoined(dst []byte, fields *wire.Fields, name fieldName, separator string, e Escape) ([]byte, bool) {
	found := false
	for i := range fields.Len() {
		f := fields.At(i)
		if f.ID != name.id || name.id == wire.Other && !sameName(f.Name, name.name) {
			continue
		}
		if found {
			dst = append(dst, separator...)
		}
		dst = escape(dst, f.Value, e)
		found = true
	}
	return dst, found
}

// sameName reports whether a field is the one that a variable means, in which "_" stands for "-" too.
func sameName(sent, wanted string) bool {
	if len(sent) != len(wanted) {
		return false
	}
	for i := 0; i < len(sent); i++ {
		c := sent[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c == '_':
			c = '-'
		}
		if c != wanted[i] {
			return false
		}
	}
	return true
}

// cookieValue returns the first cookie of a name in the fields with an ID, taken apart as nginx does: the
// case of the name does not matter, a comma begins a pair as a semicolon does but does not end a value,
// and spaces behind a value belong to it. In Set-Cookie only the first pair counts.
func cookieValue(fields *wire.Fields, id wire.ID, name string) (string, bool) {
	for i := range fields.Len() {
		f := fields.At(i)
		if f.ID != id {
			continue
		}
		for rest := f.Value; rest != ""; rest = nextPair(rest) {
			if value, ok := pairValue(rest, name); ok {
				return value, true
			}
			if id == wire.SetCookie {
				break
			}
		}
	}
	return "", false
}

// pairValue returns the value of the pair that s begins with, if it has the name.
func pairValue(s, name string) (string, bool) {
	if len(s) < len(name) || !wire.EqualFold(s[:len(name)], name) {
		return "", false
	}
	value, ok := strings.CutPrefix(strings.TrimLeft(s[len(name):], " "), "=")
	if !ok {
		return "", false
	}
	value, _, _ = strings.Cut(value, ";")
	return strings.TrimLeft(value, " "), true
}

// nextPair returns what is behind the pair that s begins with.
func nextPair(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == ';' || s[i] == ',' {
			return strings.TrimLeft(s[i+1:], " ")
		}
	}
	return ""
}

// trim cuts spaces and tabs.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// argumentValue returns the first argument of a name as it stands in the query, undecoded. As in nginx,
// the case of the name does not matter, and an argument without "=" is not there.
func argumentValue(query, name string) (string, bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, value, ok := strings.Cut(pair, "="); ok && wire.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// appendComposed appends what is made of several parts.
func appendComposed(dst []byte, x *filter.Exchange, c code, e Escape) ([]byte, bool) {
	switch c {
	case requestLine:
		r := &x.Request
		if r.Method == "" {
			return dst, false
		}
		dst = append(escape(dst, r.Method, e), ' ')
		if r.Scheme != "" && r.Major == 1 { // as it was sent: an absolute-form target
			dst = escape(append(escape(dst, r.Scheme, e), "://"...), r.Authority, e)
		}
		dst = append(escape(dst, r.Target, e), ' ')
		return append(dst, protocolOf(r)...), true
	case remoteUser:
		if x.User != "" {
			return escape(dst, x.User, e), true
		}
		return appendBasicUser(dst, x.Request.Fields.Value(wire.Authorization), e)
	case upstreamName:
		if x.Route == nil || x.Route.Service == "" {
			return append(dst, "upstream-default-backend"...), true
		}
		dst = append(escape(dst, x.Route.Namespace, e), '-')
		dst = append(escape(dst, x.Route.Service, e), '-')
		return escape(dst, x.Route.ServicePort, e), true
	case binaryAddr:
		if !x.Client.IsValid() {
			return dst, false
		}
		if a := x.Client.Unmap(); a.Is4() {
			b := a.As4()
			return escape(dst, wire.View(b[:]), e), true
		}
		b := x.Client.As16()
		return escape(dst, wire.View(b[:]), e), true
	case addForwardedFor:
		dst, found := appendJoined(dst, &x.Request.Fields, fieldName{id: wire.XForwardedFor}, ", ", e)
		if found {
			dst = append(dst, ", "...)
		}
		return escape(dst, x.ClientText, e), true
	case escapedTarget:
		return AppendURIComponent(dst, x.Request.Target), true
	}
	return dst, false
}

// basicLimit is how much of the credentials is decoded in search of the name, in bytes of base64.
const basicLimit = 512

// appendBasicUser appends the name that the client claims by Basic authentication, checked or not, as
// nginx does.
func appendBasicUser(dst []byte, authorization string, e Escape) ([]byte, bool) {
	const scheme = "basic "
	if len(authorization) < len(scheme) || !wire.EqualFold(authorization[:len(scheme)], scheme) {
		return dst, false
	}
	encoded := trim(authorization[len(scheme):])
	if len(encoded) > basicLimit {
		encoded = encoded[:basicLimit]
	}
	var decoded [basicLimit / 4 * 3]byte
	n, _ := base64.StdEncoding.Decode(decoded[:], wire.Bytes(encoded))
	user, _, ok := strings.Cut(wire.View(decoded[:n]), ":")
	if !ok || user == "" {
		return dst, false
	}
	return escape(dst, user, e), true
}

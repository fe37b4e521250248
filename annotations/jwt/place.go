package jwt

import (
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Header is a field that may carry a token.
type Header struct {
	Name string
	// Scheme stands before the token, with a space between, in any case; "" for a token that is the whole value.
	Scheme string
}

// Places are where a token may be. Names of parameters and cookies are compared byte by byte.
type Places struct {
	Headers         []Header
	Params, Cookies []string
}

// String lists the places.
func (p *Places) String() string {
	var parts []string
	for _, h := range p.Headers {
		parts = append(parts, strings.TrimSpace("field "+h.Name+" "+h.Scheme))
	}
	for _, name := range p.Params {
		parts = append(parts, "parameter "+name)
	}
	for _, name := range p.Cookies {
		parts = append(parts, "cookie "+name)
	}
	return strings.Join(parts, ", ")
}

// find returns the token of a request, valid as long as the exchange, and how many there are. More than one is none: whoever reads another one than
// we do could be fooled.
func (p *Places) find(x *filter.Exchange) (token string, count int) {
	fields := &x.Request.Fields
	for i := range p.Headers {
		t, n := p.Headers[i].find(fields)
		if count += n; n > 0 {
			token = t
		}
	}
	for _, name := range p.Params {
		for query := x.Request.Query; query != ""; {
			var pair string
			if pair, query, _ = strings.Cut(query, "&"); isPair(pair, name) {
				count++
				_, token, _ = strings.Cut(pair, "=")
			}
		}
	}
	for _, name := range p.Cookies {
		for i := range fields.Len() {
			for rest := cookies(fields.At(i)); rest != ""; {
				var pair string
				if pair, rest = nextCookie(rest); isPair(pair, name) {
					count++
					_, token, _ = strings.Cut(pair, "=")
				}
			}
		}
	}
	return token, count
}

// find returns the token in fields of this name. A further field of the name counts as another token, whatever it holds.
func (h *Header) find(fields *wire.Fields) (token string, count int) {
	id, found := wire.Lookup(h.Name), false
	for i := range fields.Len() {
		f := fields.At(i)
		if f.ID != id || id == wire.Other && !wire.EqualFold(f.Name, h.Name) {
			continue
		}
		count++
		if t, ok := h.cut(f.Value); ok {
			token, found = t, true
		}
	}
	if !found {
		return "", 0
	}
	return token, count
}

// cut returns what stands behind the scheme. A scheme with nothing behind it has an empty token.
func (h *Header) cut(value string) (token string, ok bool) {
	n := len(h.Scheme)
	switch {
	case n == 0:
		return value, true
	case len(value) < n || !wire.EqualFold(value[:n], h.Scheme):
		return "", false
	case len(value) == n:
		return "", true
	}
	return strings.TrimLeft(value[n:], " "), value[n] == ' '
}

// isPair reports whether a pair of name and value has a name. A name without a value will do: the token is empty then.
func isPair(pair, name string) bool {
	return len(pair) >= len(name) && pair[:len(name)] == name && (len(pair) == len(name) || pair[len(name)] == '=')
}

// cookies returns the value of a field if it is Cookie, else "".
func cookies(f *wire.Field) string {
	if f.ID != wire.Cookie {
		return ""
	}
	return f.Value
}

// nextCookie splits off the first cookie of a list (RFC 6265 section 5.4), without the spaces around it.
func nextCookie(list string) (pair, rest string) {
	pair, rest, _ = strings.Cut(list, ";")
	return strings.Trim(pair, " \t"), rest
}

// hide keeps tokens in fields and cookies from the Service.
func (p *Places) hide(x *filter.Exchange) {
	for i := range p.Headers {
		if _, n := p.Headers[i].find(&x.Request.Fields); n > 0 {
			x.Override(p.Headers[i].Name, "")
		}
	}
	if len(p.Cookies) > 0 {
		p.hideCookies(x)
	}
}

// hideCookies composes a Cookie field without tokens, if there are any to hide.
func (p *Places) hideCookies(x *filter.Exchange) {
	fields, hidden := &x.Request.Fields, false
	b := x.Arena.Begin()
	for i := range fields.Len() {
		for rest := cookies(fields.At(i)); rest != ""; {
			var pair string
			if pair, rest = nextCookie(rest); hasName(pair, p.Cookies) {
				hidden = true
				continue
			}
			if len(b) > 0 {
				b = append(b, "; "...)
			}
			b = append(b, pair...)
		}
	}
	if hidden {
		x.Override(wire.Cookie.String(), x.Arena.End(b))
	}
}

// hideParams takes tokens out of the query for the Service, which is to be called when nobody composes the target any more.
func (p *Places) hideParams(x *filter.Exchange) {
	target := x.Target
	if target == "" {
		target = x.Request.Target
	}
	path, query, _ := strings.Cut(target, "?")
	hidden, first := false, true
	b := append(x.Arena.Begin(), path...)
	for query != "" {
		var pair string
		if pair, query, _ = strings.Cut(query, "&"); hasName(pair, p.Params) {
			hidden = true
			continue
		}
		if first {
			b, first = append(b, '?'), false
		} else {
			b = append(b, '&')
		}
		b = append(b, pair...)
	}
	if hidden {
		x.Target = x.Arena.End(b)
	}
}

// hasName reports whether a pair of name and value has one of some names.
func hasName(pair string, names []string) bool {
	for _, name := range names {
		if isPair(pair, name) {
			return true
		}
	}
	return false
}

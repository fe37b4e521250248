package remote

import (
	"net/textproto"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// Plain returns a field under the name that services may take it for: many cannot tell "_" from "-".
func Plain(f wire.Field) wire.Field {
	if f.ID == wire.Other && strings.IndexByte(f.Name, '_') >= 0 {
		f.Name = strings.ReplaceAll(f.Name, "_", "-")
		f.ID = wire.Lookup(f.Name)
	}
	return f
}

// Passes reports whether a request of the proxy's own may carry a field of the client, under the name that Plain gives it: not what
// frames the body or belongs to the connection, and nothing that could pass for what the proxy says.
func Passes(f wire.Field) bool {
	f = Plain(f)
	switch f.ID {
	case wire.Connection, wire.ContentLength, wire.Expect, wire.Host, wire.HTTP2Settings, wire.KeepAlive, wire.ProxyAuthorization,
		wire.ProxyConnection, wire.TE, wire.Trailer, wire.TransferEncoding, wire.Upgrade,
		wire.Forwarded, wire.Proxy, wire.XAccelRedirect, wire.XEnvoyOriginalPath, wire.XOriginalURI, wire.XOriginalURL,
		wire.XRealIP, wire.XRequestID, wire.XRewriteURL, wire.XScheme:
		return false
	}
	return !HasPrefix(f.Name, "X-Forwarded-") && !HasPrefix(f.Name, "X-Original-") && !HasPrefix(f.Name, "ssl-client-")
}

// HasPrefix reports whether a name begins with prefix, in any case.
func HasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && wire.EqualFold(name[:len(prefix)], prefix)
}

// Name returns the name of a field as net/http spells it, in memory of its own.
func Name(f wire.Field) string {
	if f.ID == wire.Other {
		return textproto.CanonicalMIMEHeaderKey(strings.Clone(f.Name))
	}
	return textproto.CanonicalMIMEHeaderKey(f.ID.String())
}

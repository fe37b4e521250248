package wire

// ID names a field that the proxy itself has to do with, so that looking it up is a comparison of two
// bytes. Every other field has the ID Other and is found by its name.
type ID uint8

// The known fields.
const (
	Other ID = iota
	Accept
	AcceptEncoding
	AccessControlRequestMethod
	Authorization
	CacheControl
	Connection
	ContentLength
	ContentType
	Cookie
	Date
	Expect
	Host
	HTTP2Settings
	KeepAlive
	Location
	MaxForwards
	Origin
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	Referer
	RetryAfter
	Server
	SetCookie
	TE
	Trailer
	TransferEncoding
	Upgrade
	UserAgent
	Vary
	WWWAuthenticate
	XAccelBuffering
	XAccelRedirect
	XForwardedFor
	XForwardedHost
	XForwardedPort
	XForwardedPrefix
	XForwardedProto
	XForwardedScheme
	XOriginalForwardedFor
	XOriginalForwardedHost
	XOriginalURI
	XOriginalURL
	XRealIP
	XRequestID
	XScheme
	StrictTransportSecurity
	Forwarded
	XRewriteURL
	XEnvoyOriginalPath
	Proxy

	numIDs // how many IDs there are; must stay last
)

// names holds the spelling used when the proxy itself writes a known field.
var names = [numIDs]string{
	Accept: "Accept", AcceptEncoding: "Accept-Encoding", AccessControlRequestMethod: "Access-Control-Request-Method",
	Authorization: "Authorization", CacheControl: "Cache-Control", Connection: "Connection",
	ContentLength: "Content-Length", ContentType: "Content-Type", Cookie: "Cookie", Date: "Date", Expect: "Expect",
	Host: "Host", HTTP2Settings: "HTTP2-Settings", KeepAlive: "Keep-Alive", Location: "Location",
	MaxForwards: "Max-Forwards", Origin: "Origin", ProxyAuthenticate: "Proxy-Authenticate",
	ProxyAuthorization: "Proxy-Authorization", ProxyConnection: "Proxy-Connection", Referer: "Referer",
	RetryAfter: "Retry-After", Server: "Server", SetCookie: "Set-Cookie", TE: "TE", Trailer: "Trailer",
	TransferEncoding: "Transfer-Encoding", Upgrade: "Upgrade", UserAgent: "User-Agent", Vary: "Vary",
	WWWAuthenticate: "WWW-Authenticate", XAccelBuffering: "X-Accel-Buffering", XAccelRedirect: "X-Accel-Redirect",
	XForwardedFor: "X-Forwarded-For", XForwardedHost: "X-Forwarded-Host", XForwardedPort: "X-Forwarded-Port",
	XForwardedPrefix: "X-Forwarded-Prefix", XForwardedProto: "X-Forwarded-Proto", XForwardedScheme: "X-Forwarded-Scheme",
	XOriginalForwardedFor: "X-Original-Forwarded-For", XOriginalForwardedHost: "X-Original-Forwarded-Host",
	XOriginalURI: "X-Original-URI", XOriginalURL: "X-Original-URL", XRealIP: "X-Real-IP", XRequestID: "X-Request-ID",
	XScheme: "X-Scheme", StrictTransportSecurity: "Strict-Transport-Security", Forwarded: "Forwarded",
	XRewriteURL: "X-Rewrite-URL", XEnvoyOriginalPath: "X-Envoy-Original-Path", Proxy: "Proxy",
}

// longestName is the length of the longest known name, in bytes, or more.
const longestName = 32

// lookup is a hash table with a chain for each slot: first holds where a chain begins, next how it goes
// on. Hash sees length, first, last and a byte in between, which keeps nearly all chains at one.
var lookup = func() (t struct {
	first [256]ID
	next  [numIDs]ID
}) {
	for id := numIDs - 1; id > Other; id-- {
		h := hashName(names[id])
		t.next[id], t.first[h] = t.first[h], id
	}
	return t
}()

// hashName hashes a name that is not empty, without regard to case.
func hashName(s string) uint8 {
	n := len(s)
	return uint8(n)*hashLen + (s[0]|0x20)*hashFirst + (s[n*3>>2]|0x20)*hashInner + (s[n-1]|0x20)*hashLast
}

// The factors of hashName, found by trying.
const (
	hashLen, hashFirst, hashInner, hashLast = 246, 53, 66, 229
)

// Lookup returns the ID of the field called name, in any case, or Other.
func Lookup(name string) ID {
	if name == "" || len(name) > longestName {
		return Other
	}
	for id := lookup.first[hashName(name)]; id != Other; id = lookup.next[id] {
		if names[id] == name || EqualFold(names[id], name) {
			return id
		}
	}
	return Other
}

// String returns the name of a known field as the proxy writes it, and "" for Other.
func (id ID) String() string { return names[id] }

// EqualFold reports whether a and b are the same ASCII text apart from case. Field names, methods of
// lists and tokens are ASCII, so Unicode folding (strings.EqualFold: "K" equals the Kelvin sign) would
// be wrong here.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

package wire

// MaxNamed is how many fields a client can have taken out by naming them in Connection. Nobody names more than a few; the
// limit keeps hostile lists from costing the square of their length. Engines refuse a request that names more: forwarding what it
// names would break RFC 9110 section 7.6.1.
const MaxNamed = 16

// NextToken cuts the first element off a comma-separated list (RFC 9110 section 5.6.1): without the white
// space around it, empty elements skipped. It returns "" at the end of the list. Elements are not checked
// to be tokens.
func NextToken(list string) (element, rest string) {
	i := 0
	for i < len(list) && (list[i] == ',' || list[i] == ' ' || list[i] == '\t') {
		i++
	}
	start := i
	for i < len(list) && list[i] != ',' {
		i++
	}
	end := i
	for end > start && (list[end-1] == ' ' || list[end-1] == '\t') {
		end--
	}
	return list[start:end], list[i:]
}

// HasToken reports whether a comma-separated list has an element equal to token, in any case.
func HasToken(list, token string) bool {
	for t, rest := NextToken(list); t != ""; t, rest = NextToken(rest) {
		if EqualFold(t, token) {
			return true
		}
	}
	return false
}

// HasToken reports whether any field with a known ID lists token, in any case.
func (f *Fields) HasToken(id ID, token string) bool {
	for i := range f.list {
		if f.list[i].ID == id && HasToken(f.list[i].Value, token) {
			return true
		}
	}
	return false
}

// maxLengthDigits is how many digits a Content-Length may have. Leading zeros are allowed, but no more
// than any number of bytes could need.
const maxLengthDigits = 19

// ParseLength parses the value of a Content-Length field: digits and nothing else (RFC 9110 section 8.6).
func ParseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > maxLengthDigits {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, n >= 0
}

// ParseHops parses the value of a Max-Forwards field (RFC 9110 section 7.6.2); -1 for what is no number.
func ParseHops(s string) int {
	n, ok := ParseLength(s)
	if !ok {
		return -1
	}
	return int(min(n, 1<<20))
}

// Sets of fields, a bit for each ID.
const (
	// ConnectionSpecific are the fields that HTTP/2 and HTTP/3 do not have (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
	ConnectionSpecific uint64 = 1<<Connection | 1<<KeepAlive | 1<<ProxyConnection | 1<<TransferEncoding | 1<<Upgrade
	// Framing are the fields that an engine writes itself, from what it knows about body and connection. Whoever else sets them is
	// not listened to.
	Framing = ConnectionSpecific | 1<<ContentLength
	// HTTP1Only is what HTTP/2 and HTTP/3 leave out of a head beside that, or write in their own way.
	HTTP1Only = Framing | 1<<HTTP2Settings | 1<<TE
	// UpstreamOnly are the fields of an upstream's response that are for the proxy, or for nobody, but not for clients.
	UpstreamOnly uint64 = 1<<TE | 1<<ProxyAuthenticate | 1<<ProxyAuthorization | 1<<HTTP2Settings | 1<<XAccelBuffering | 1<<XAccelRedirect
)

// hopByHop holds the fields that are about one connection and not about the message (RFC 9110 section
// 7.6.1), a bit for each ID.
const hopByHop = ConnectionSpecific | 1<<ProxyAuthenticate | 1<<ProxyAuthorization | 1<<TE | 1<<HTTP2Settings

// HopByHop reports whether fields with this ID are about one connection only and never forwarded. Trailer
// is not among them, and neither are the fields that a Connection field names.
func (id ID) HopByHop() bool { return hopByHop>>id&1 != 0 }

// trailerPrefixes and trailerNames are fields that the proxy has no ID for but that must not be smuggled
// in behind a body.
var (
	trailerPrefixes = [...]string{"X-Forwarded-", "X-Original-", "X-Accel-", "X-Envoy-", "If-", "Content-", "Proxy-", "Access-Control-", "SSL-Client-"}
	trailerNames    = [...]string{"Age", "Expires", "Pragma", "Range", "Set-Cookie2", "Warning", "Via", "Allow"}
)

// TrailerAllowed reports whether a field called name, with its ID, may be a trailer. What frames, routes,
// authenticates or controls a message must not be (RFC 9110 section 6.5.1), since the checks that it would
// have met in the head are over; nor may any other field that the proxy itself knows.
func TrailerAllowed(id ID, name string) bool {
	if id != Other {
		return false
	}
	for _, p := range trailerPrefixes {
		if len(name) >= len(p) && EqualFold(name[:len(p)], p) {
			return false
		}
	}
	for _, n := range trailerNames {
		if EqualFold(n, name) {
			return false
		}
	}
	return true
}

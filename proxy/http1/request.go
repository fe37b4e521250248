package http1

import (
	"bytes"
	"net/http"

	"github.com/yettproxy/yett/proxy/wire"
)

// refusal is why a request is not served: the status to answer, and the reason in a few words for the
// log. The zero value means that it is.
type refusal struct {
	status int
	reason string
}

// maxEmptyLines is how many empty lines are skipped before a request line. RFC 9112 section 2.2 asks for
// one at least: old clients send one behind a body.
const maxEmptyLines = 4

// requestFields are the fields that requestHead looks at, a bit for each ID.
const requestFields = 1<<wire.Host | 1<<wire.ContentLength | 1<<wire.TransferEncoding | 1<<wire.Connection |
	1<<wire.Upgrade | 1<<wire.Expect | 1<<wire.MaxForwards

// requestHead parses the head of a request as it comes in.
type requestHead struct {
	lines
	r      *wire.Request
	a      *wire.Arena
	limits *wire.Limits
	https  bool

	lineDone bool
	blank    int // empty lines skipped

	hosts, lengths, encodings, upgrades    int
	host, encoding                         string
	length                                 int64
	close, keepAlive, connUpgrade          bool
	webSocket, expectContinue, expectOther bool
	maxForwards                            int // -1 for none
	named                                  int // fields named in Connection
}

// reset prepares the parser for a head that begins at the start of a buffer.
func (h *requestHead) reset(r *wire.Request, a *wire.Arena, limits *wire.Limits, https bool) {
	*h = requestHead{r: r, a: a, limits: limits, https: https, maxForwards: -1}
	h.lines = lines{
		maxLine: limits.LineBytes, maxCount: limits.FieldCount, underscores: limits.UnderscoresInNames,
		taker: h, taken: requestFields,
	}
}

// parse goes on with a head of which b has come so far. It is done when the head is complete, which then
// ends at pos, or refused.
func (h *requestHead) parse(b []byte) (done bool, no refusal) {
	if !h.lineDone {
		if done, no = h.requestLine(b); !done {
			return no.status != 0, no
		}
	}
	switch h.lines.scan(b, &h.r.Fields) {
	case complete:
		if h.pos > h.limits.HeadBytes {
			return true, refusal{http.StatusRequestHeaderFieldsTooLarge, "head too large"}
		}
		h.r.HeadBytes = h.pos
		return true, h.finish()
	case malformed:
		return true, refusal{http.StatusBadRequest, "malformed field line"}
	case tooLarge:
		return true, refusal{http.StatusRequestHeaderFieldsTooLarge, "too many or too long fields"}
	}
	if len(b) >= h.limits.HeadBytes {
		return true, refusal{http.StatusRequestHeaderFieldsTooLarge, "head too large"}
	}
	return false, refusal{}
}

// requestLine parses the request line. It is not done as long as the line is not complete.
func (h *requestHead) requestLine(b []byte) (done bool, no refusal) {
	bad := refusal{http.StatusBadRequest, "malformed request line"}
	i := h.pos
	for i < len(b) && (b[i] == '\r' || b[i] == '\n') {
		if b[i] == '\n' || i+1 < len(b) && b[i+1] != '\n' || h.blank == maxEmptyLines {
			return false, bad
		}
		if i+1 == len(b) {
			return false, refusal{}
		}
		i += 2
		h.blank++
		h.pos = i
	}
	n := bytes.IndexByte(b[i:], '\n')
	if n > h.limits.LineBytes+1 || n < 0 && len(b)-i > h.limits.LineBytes {
		return false, refusal{http.StatusRequestURITooLong, "request line too long"}
	}
	if n < 0 {
		if e := nextControl(b, i); e < len(b) && (b[e] != '\r' || e+1 < len(b)) {
			return false, bad
		}
		return false, refusal{}
	}
	line := view(b, i, i+n)
	const shortest, version = len("G / HTTP/1.1\r"), len(" HTTP/1.1\r")
	if len(line) < shortest || line[n-1] != '\r' {
		return false, bad
	}
	method := 0
	for wire.ClassOf(line[method])&wire.TokenByte != 0 {
		method++
	}
	rest := len(line) - version
	if method == 0 || line[method] != ' ' || method >= rest || line[rest:rest+6] != " HTTP/" || line[rest+7] != '.' ||
		!isDigit(line[rest+6]) || !isDigit(line[rest+8]) {
		return false, bad
	}
	if line[rest+6] != '1' {
		return false, refusal{http.StatusHTTPVersionNotSupported, "version not supported"}
	}
	h.r.Major, h.r.Minor = 1, min(line[rest+8]-'0', 1)
	h.r.Method = line[:method]
	if status := h.r.SetTarget(line[method+1:rest], h.a); status != 0 {
		if status == http.StatusMethodNotAllowed {
			return false, refusal{status, "method not allowed"}
		}
		return false, refusal{status, "malformed request target"}
	}
	h.lineDone = true
	h.pos = i + n + 1
	return true, refusal{}
}

// isDigit reports whether c is a decimal digit.
func isDigit(c byte) bool { return c-'0' <= 9 }

// take implements taker. All fields stay in the list: it is what the client sent.
func (h *requestHead) take(f wire.Field) (keep, ok bool) {
	switch f.ID {
	case wire.Host:
		h.hosts++
		h.host = f.Value
		return true, h.hosts == 1 // RFC 9112 section 3.2
	case wire.ContentLength:
		h.lengths++
		h.length, ok = wire.ParseLength(f.Value)
		return ok && h.lengths == 1, ok && h.lengths == 1
	case wire.TransferEncoding:
		h.encodings++
		h.encoding = f.Value
		return true, h.encodings == 1
	case wire.Connection:
		for t, rest := wire.NextToken(f.Value); t != ""; t, rest = wire.NextToken(rest) {
			switch {
			case wire.EqualFold(t, "close"):
				h.close = true
			case wire.EqualFold(t, "keep-alive"):
				h.keepAlive = true
			case wire.EqualFold(t, "upgrade"):
				h.connUpgrade = true
			default:
				h.named++
			}
		}
		return true, h.named <= wire.MaxNamed
	case wire.Upgrade:
		h.upgrades++
		h.webSocket = wire.EqualFold(f.Value, "websocket")
	case wire.Expect:
		continues := wire.EqualFold(f.Value, "100-continue")
		h.expectContinue = h.expectContinue || continues
		h.expectOther = h.expectOther || !continues
	case wire.MaxForwards:
		h.maxForwards = wire.ParseHops(f.Value)
	}
	return true, true
}

// finish decides about a head as a whole, once all its fields are known.
func (h *requestHead) finish() refusal {
	if no := h.setHost(); no.status != 0 {
		return no
	}
	if no := h.setLength(); no.status != 0 {
		return no
	}
	r := h.r
	r.KeepAlive = !h.close && (r.Minor > 0 || h.keepAlive)
	if r.Minor == 0 {
		return refusal{} // Expect and Upgrade mean nothing in HTTP/1.0
	}
	if h.expectOther {
		return refusal{http.StatusExpectationFailed, "unknown expectation"}
	}
	r.ExpectContinue = h.expectContinue && r.Length != 0
	if h.webSocket && h.upgrades == 1 && h.connUpgrade && r.Method == "GET" {
		// A body would be indistinguishable from the first bytes of the tunnel for whoever does not read it.
		if r.Length != 0 {
			return refusal{http.StatusBadRequest, "upgrade with a body"}
		}
		r.Upgrade = true
	}
	return refusal{}
}

// setHost decides which host the request is for.
func (h *requestHead) setHost() refusal {
	r := h.r
	if h.hosts == 0 && r.Minor > 0 {
		return refusal{http.StatusBadRequest, "no host"}
	}
	host, ok := wire.ParseHost(h.host, h.a)
	if !ok {
		return refusal{http.StatusBadRequest, "malformed host"}
	}
	switch {
	case r.Scheme == "":
		r.Host, r.Authority = host, h.host
	case (r.Scheme == "https") != h.https:
		return refusal{http.StatusMisdirectedRequest, "scheme of another listener"}
	}
	return refusal{}
}

// setLength decides how the body is framed (RFC 9112 section 6). What two readers could take differently
// is refused, never repaired.
func (h *requestHead) setLength() refusal {
	if h.encodings == 0 {
		h.r.Length = h.length
		return refusal{}
	}
	switch {
	case h.r.Minor == 0:
		return refusal{http.StatusBadRequest, "transfer encoding in HTTP/1.0"}
	case h.lengths > 0:
		return refusal{http.StatusBadRequest, "both transfer encoding and length"}
	case wire.EqualFold(h.encoding, "chunked"):
		h.r.Length = wire.Unknown
		return refusal{}
	}
	last := ""
	for t, rest := wire.NextToken(h.encoding); t != ""; t, rest = wire.NextToken(rest) {
		if !wire.IsToken(t) {
			return refusal{http.StatusBadRequest, "malformed transfer encoding"}
		}
		last = t
	}
	if wire.EqualFold(last, "chunked") {
		return refusal{http.StatusNotImplemented, "unknown transfer encoding"}
	}
	return refusal{http.StatusBadRequest, "malformed transfer encoding"}
}

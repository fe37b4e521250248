package http2

import (
	"net/http"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// refusal is why a request is not served: the status to answer, and the reason in a few words for the
// log. The zero value means that it is.
type refusal struct {
	status int
	reason string
}

// The pseudo-header fields that a request may have (RFC 9113 section 8.3.1), as bits.
const (
	pseudoMethod = 1 << iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol // RFC 8441 section 4
)

// fieldOverhead is what each field counts beside its text (RFC 7541 section 4.1): so a head of thousands of references
// to one short field is not small.
const fieldOverhead = 32

// headParser makes a request of the fields that a head, or trailers, consists of. There is one for each connection, since
// heads never overlap.
//
// What is malformed as HTTP/2 (bad) resets the stream; what HTTP/1.1 would answer with a status (no) is answered with the
// same one here. Strings belong to the arena of the exchange, or to the table of the decoder; those of trailers to the heap, since
// the exchange is under way.
type headParser struct {
	headBlock
	c        *conn
	s        *stream // whose request it is, or nil
	trailers bool
	refused  bool // for want of room
	limits   *wire.Limits
	size     int // decoded, with overhead
	count    int
	bad      string
	no       refusal
	list     wire.Fields // trailers

	seen                          uint8
	regular                       bool
	path, authority, scheme, host string
	protocol                      string
	hosts, lengths, hops          int
	declared                      int64
	cookieAt                      int
	crumbs                        []string
	expectContinue, expectOther   bool
}

// begin prepares for a head.
func (h *headParser) begin(id uint32) {
	*h = headParser{c: h.c, headBlock: headBlock{stream: id}, list: h.list, crumbs: h.crumbs[:0], limits: h.c.limits, declared: -1, hops: -1, cookieAt: -1}
	h.list.Reset()
	if cap(h.crumbs) > 64 {
		h.crumbs = nil
	}
}

// beginRequest prepares for the head of a request.
func (h *headParser) beginRequest(s *stream, limits *wire.Limits) {
	h.begin(s.id)
	h.s, h.limits = s, limits
	h.c.dec.silent, h.c.dec.arena = false, &s.x.Arena
}

// beginTrailers prepares for trailers, which nobody may want.
func (h *headParser) beginTrailers(id uint32, wanted bool) {
	h.begin(id)
	h.trailers = true
	h.c.dec.silent = !wanted
}

// beginNothing prepares for a head that nobody wants.
func (h *headParser) beginNothing(id uint32) {
	h.begin(id)
	h.c.dec.silent = true
}

// malformed says that the head is none.
func (h *headParser) malformed(reason string) {
	if h.bad == "" {
		h.bad = reason
	}
}

// refuse says what to answer instead of serving the request.
func (h *headParser) refuse(status int, reason string) {
	if h.no.status == 0 {
		h.no = refusal{status, reason}
	}
}

// take takes a field from the decoder.
func (h *headParser) take(f *wire.Field) {
	h.size += len(f.Name) + len(f.Value) + fieldOverhead
	if h.size > h.limits.HeadBytes {
		h.refuse(http.StatusRequestHeaderFieldsTooLarge, "head too large")
	}
	if h.bad != "" || h.no.status == http.StatusRequestHeaderFieldsTooLarge {
		h.c.dec.silent = true
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		h.pseudo(f.Name, f.Value)
		return
	}
	h.regular = true
	if !validName(f.Name) || !wire.TrimmedValue(f.Value) {
		h.malformed("malformed field")
		return
	}
	if f.ID == wire.Cookie && !h.trailers {
		h.cookie(f.Value)
		return
	}
	h.count++
	switch {
	case h.count > h.limits.FieldCount:
		h.refuse(http.StatusRequestHeaderFieldsTooLarge, "too many fields")
		return
	case len(f.Name)+len(f.Value)+len(": ") > h.limits.LineBytes:
		h.refuse(http.StatusRequestHeaderFieldsTooLarge, "field too long")
		return
	}
	h.note(f)
	if wire.CheckName(f.Name, h.limits.UnderscoresInNames) != wire.KeepField {
		return
	}
	if h.trailers {
		h.list.Append(*f)
	} else {
		h.s.x.Request.Fields.Append(*f)
	}
}

// validName reports whether a field may be called so: a token without upper-case letters.
func validName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; wire.ClassOf(c)&wire.TokenByte == 0 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return name != ""
}

// pseudo takes a pseudo-header field.
func (h *headParser) pseudo(name, value string) {
	bit := uint8(0)
	switch name {
	case ":method":
		bit = pseudoMethod
	case ":scheme":
		bit, h.scheme = pseudoScheme, value
	case ":authority":
		bit, h.authority = pseudoAuthority, value
	case ":path":
		bit, h.path = pseudoPath, value
	case ":protocol":
		bit, h.protocol = pseudoProtocol, value
	}
	if bit == 0 || h.seen&bit != 0 || h.regular || h.trailers || !wire.ValidValue(value) {
		h.malformed("malformed pseudo-header field")
		return
	}
	h.seen |= bit
	if bit == pseudoMethod {
		h.s.x.Request.Method = value
	}
}

// note looks at a field that may say something about the message.
func (h *headParser) note(f *wire.Field) {
	if wire.ConnectionSpecific>>f.ID&1 != 0 {
		h.malformed("connection-specific field") // RFC 9113 section 8.2.2
		return
	}
	switch f.ID {
	case wire.TE:
		if f.Value != "trailers" {
			h.malformed("te other than trailers")
		}
	case wire.Host:
		h.hosts++
		h.host = f.Value
	case wire.ContentLength:
		if h.trailers {
			break
		}
		n, ok := wire.ParseLength(f.Value)
		if h.lengths++; !ok || h.lengths > 1 {
			h.malformed("malformed content-length")
		}
		h.declared = n
	case wire.Expect:
		continues := wire.EqualFold(f.Value, "100-continue")
		h.expectContinue = h.expectContinue || continues
		h.expectOther = h.expectOther || !continues
	case wire.MaxForwards:
		h.hops = wire.ParseHops(f.Value)
	}
}

// cookie takes a cookie, or one of the crumbs that clients make of them (RFC 9113 section 8.2.3). All become one field in
// the place of the first.
func (h *headParser) cookie(value string) {
	if h.cookieAt < 0 {
		h.cookieAt = h.s.x.Request.Fields.Len()
		h.s.x.Request.Fields.AddKnown(wire.Cookie, value)
		h.count++
		return
	}
	h.crumbs = append(h.crumbs, value)
}

package http2

import (
	"net/http"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// unwanted are the fields that are taken out of the head of a response, a bit for each ID.
const unwanted = wire.UpstreamOnly | 1<<wire.ContentLength

// responseParser makes a response head, or trailers, of the fields that the decoder finds. There is one for each
// connection, since heads never overlap. Strings belong to the heap, or to the table of the decoder: they outlive everything.
type responseParser struct {
	headBlock
	dec      *decoder
	trailers bool
	size     int // decoded, with overhead
	text     int // as HTTP/1.1 would write it, about
	bad      bool
	large    bool
	regular  bool // a field that is no pseudo-header field has come
	length   int64
	response wire.Response // trailers are its fields
}

// begin prepares for a head, or for trailers.
func (h *responseParser) begin(id uint32, trailers bool) {
	r := h.response
	r.Reset()
	*h = responseParser{headBlock: headBlock{stream: id}, dec: h.dec, trailers: trailers, length: wire.Unknown, response: r}
}

// take takes a field from the decoder.
func (h *responseParser) take(f *wire.Field) {
	n := len(f.Name) + len(f.Value)
	h.size += n + fieldOverhead
	h.text += n + len(": \r\n")
	h.large = h.size > clientHead
	if h.large || h.bad {
		h.dec.silent = true
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		h.pseudo(f.Name, f.Value)
		return
	}
	h.regular = true
	if !validName(f.Name) || !wire.ValidValue(f.Value) || wire.ConnectionSpecific>>f.ID&1 != 0 {
		h.bad = true
		return
	}
	if f.ID == wire.ContentLength && !h.trailers {
		length, ok := wire.ParseLength(f.Value)
		h.bad = !ok || h.length >= 0 && h.length != length
		h.length = length
	}
	if unwanted>>f.ID&1 == 0 && (!h.trailers || wire.TrailerAllowed(f.ID, f.Name)) {
		h.response.Fields.Append(*f)
	}
}

// pseudo takes a pseudo-header field. There is only one (RFC 9113 section 8.3.2).
func (h *responseParser) pseudo(name, value string) {
	r := &h.response
	if name != ":status" || h.regular || h.trailers || r.Status != 0 || len(value) != 3 {
		h.bad = true
		return
	}
	for _, c := range wire.Bytes(value) {
		h.bad = h.bad || c < '0' || c > '9'
		r.Status = r.Status*10 + int(c-'0')
	}
	h.bad = h.bad || r.Status < 100 || r.Status == http.StatusSwitchingProtocols
}

package http3

import (
	"net/http"
	"slices"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

// refusal is why a request is not served: the status to answer, and the reason in a few words. The zero value means that
// it is.
type refusal struct {
	status int
	reason string
}

// fieldOverhead is what each field counts beside its text (RFC 9114 section 4.2.2).
const fieldOverhead = 32

// parse makes a wire.Request of what quic-go has parsed. It has checked that pseudo-header fields come once, first and known;
// that names are lower-case tokens; that there is one Content-Length, one host and no connection-specific field.
func (s *stream) parse(r *http.Request, limits *wire.Limits) (no refusal) {
	q := &s.x.Request
	q.Method, q.Major, q.Minor, q.KeepAlive = r.Method, 3, 0, true
	if no = s.fields(r.Header, limits); no.status != 0 {
		return no
	}
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + 3*fieldOverhead
	if q.HeadBytes += size; q.HeadBytes > limits.HeadBytes {
		return refusal{http.StatusRequestHeaderFieldsTooLarge, "head too large"}
	}
	if len(r.Method)+len(r.RequestURI)+len("  HTTP/1.1") > limits.LineBytes {
		return refusal{http.StatusRequestURITooLong, "request target too long"}
	}
	if status := q.SetTarget(r.RequestURI, &s.x.Arena); status != 0 {
		if status == http.StatusMethodNotAllowed {
			return refusal{status, "method not allowed"}
		}
		return refusal{status, "malformed request target"}
	}
	host, ok := wire.ParseHost(r.Host, &s.x.Arena)
	if !ok || r.Host == "" {
		return refusal{http.StatusBadRequest, "malformed host"}
	}
	q.Host, q.Authority = host, r.Host
	if !q.Fields.Has(wire.Host) {
		q.Fields.AddKnown(wire.Host, r.Host) // as nginx does, for $http_host
	}
	q.Length = wire.Unknown
	if r.ContentLength >= 0 {
		q.Length = r.ContentLength
	}
	if s.expectOther {
		return refusal{http.StatusExpectationFailed, "unknown expectation"}
	}
	return refusal{}
}

// fields takes over the fields, sorted by name: in which order different names came nobody knows any more.
func (s *stream) fields(header http.Header, limits *wire.Limits) refusal {
	q := &s.x.Request
	s.names = s.names[:0]
	for name := range header {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	count := 0
	for _, key := range s.names {
		name := strings.ToLower(key)
		id := wire.Lookup(name)
		for _, value := range header[key] {
			q.HeadBytes += len(name) + len(value) + fieldOverhead
			if count++; count > limits.FieldCount {
				return refusal{http.StatusRequestHeaderFieldsTooLarge, "too many fields"}
			}
			if len(name)+len(value)+len(": ") > limits.LineBytes {
				return refusal{http.StatusRequestHeaderFieldsTooLarge, "field too long"}
			}
			if !wire.TrimmedValue(value) {
				return refusal{http.StatusBadRequest, "malformed field"}
			}
			if wire.CheckName(name, limits.UnderscoresInNames) != wire.KeepField {
				continue
			}
			s.take(id, value)
			q.Fields.Append(wire.Field{Name: name, Value: value, ID: id})
		}
	}
	return refusal{}
}

// take looks at a field that says something about the message.
func (s *stream) take(id wire.ID, value string) {
	switch id {
	case wire.Expect:
		if wire.EqualFold(value, "100-continue") {
			s.x.Request.ExpectContinue = true
		} else {
			s.expectOther = true
		}
	case wire.MaxForwards:
		s.hops = wire.ParseHops(value)
	}
}

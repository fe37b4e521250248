package http2

import (
	"strconv"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// Heads are encoded without the dynamic table of HPACK and without Huffman codes: static names and literal
// values, as nginx and HAProxy do it. The surprise is that this is not only less work: it has no state, so streams encode their
// heads at the same time and without a lock, and no string outlives its exchange in a table.

// staticNames are the indices of known names in HPACK's static table (RFC 7541 appendix A).
var staticNames = [64]uint8{
	wire.Accept: 19, wire.AcceptEncoding: 16, wire.Authorization: 23, wire.CacheControl: 24, wire.ContentLength: 28,
	wire.ContentType: 31, wire.Cookie: 32, wire.Date: 33, wire.Expect: 35, wire.Host: 38, wire.Location: 46,
	wire.MaxForwards: 47, wire.ProxyAuthenticate: 48, wire.ProxyAuthorization: 49, wire.Referer: 51, wire.RetryAfter: 53,
	wire.Server: 54, wire.SetCookie: 55, wire.StrictTransportSecurity: 56, wire.UserAgent: 58, wire.Vary: 59,
	wire.WWWAuthenticate: 61,
}

// appendStatus appends the :status of a response.
func appendStatus(b []byte, status int) []byte {
	switch status {
	case 200:
		return append(b, 0x88)
	case 204:
		return append(b, 0x89)
	case 206:
		return append(b, 0x8a)
	case 304:
		return append(b, 0x8b)
	case 400:
		return append(b, 0x8c)
	case 404:
		return append(b, 0x8d)
	case 500:
		return append(b, 0x8e)
	}
	return append(b, 0x08, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// appendLength appends the length of a string literal.
func appendLength(b []byte, n int) []byte {
	if n < 0x7f {
		return append(b, byte(n))
	}
	b = append(b, 0x7f)
	for n -= 0x7f; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// appendName appends the beginning of a literal that is not indexed: its name.
func appendName(b []byte, id wire.ID, name string) []byte {
	if i := staticNames[id]; i != 0 {
		return append(b, 0x0f, i-0x0f)
	}
	b = appendLength(append(b, 0), len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c <= 0x20 || c == 0x7f:
			c = '-'
		}
		b = append(b, c)
	}
	return b
}

// appendField appends a field. Control characters become spaces: an HTTP/1.1 hop behind the client would take
// them for lines.
func appendField(b []byte, f *wire.Field) []byte {
	b = appendName(b, f.ID, f.Name)
	value := f.Value
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for n := len(value); n > 0 && (value[n-1] == ' ' || value[n-1] == '\t'); n-- {
		value = value[:n-1]
	}
	b = appendLength(b, len(value))
	start := len(b)
	b = append(b, value...)
	if !wire.ValidValue(value) {
		wire.BlankControls(b[start:])
	}
	return b
}

// appendFields appends fields, less those whose bit is in skip and those without a name.
func appendFields(b []byte, fields []wire.Field, skip uint64) []byte {
	for i := range fields {
		if f := &fields[i]; skip>>f.ID&1 == 0 && f.Name != "" && f.Name[0] != ':' {
			b = appendField(b, f)
		}
	}
	return b
}

// appendHead appends the head of a response, with its length unless that is negative.
func appendHead(b []byte, r *wire.Response, length int64) []byte {
	b = appendFields(appendStatus(b, r.Status), r.Fields.All(), wire.HTTP1Only)
	if length < 0 {
		return b
	}
	b = append(b, 0x0f, 28-0x0f)
	at := len(b)
	b = strconv.AppendInt(append(b, 0), length, 10)
	b[at] = byte(len(b) - at - 1)
	return b
}

// appendDate appends the Date field for a moment.
func appendDate(b []byte, d *wire.Dates, now time.Time) []byte {
	return d.Append(append(b, 0x0f, 33-0x0f, byte(wire.DateLength)), now)
}

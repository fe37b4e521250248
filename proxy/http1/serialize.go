package http1

import (
	"net/http"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// appendFields appends field lines, less those in skip. A control character in a name or value becomes a
// space: it would begin a line of somebody else's making.
func appendFields(b []byte, fields []wire.Field, skip uint64) []byte {
	for i := range fields {
		f := &fields[i]
		if skip>>f.ID&1 != 0 {
			continue
		}
		start := len(b)
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		if at := nextControl(b, start); at < len(b) {
			wire.BlankControls(b[at:])
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// appendResponse appends status line and fields of a response, less those that frame it, and tells
// whether there is a Date among them.
func appendResponse(b []byte, r *wire.Response) (out []byte, dated bool) {
	b = append(b, "HTTP/1.1 "...)
	b = append(b, byte('0'+r.Status/100%10), byte('0'+r.Status/10%10), byte('0'+r.Status%10), ' ')
	start := len(b)
	if r.Reason != "" {
		b = append(b, r.Reason...)
		if at := nextControl(b, start); at < len(b) {
			wire.BlankControls(b[at:])
		}
	} else {
		b = append(b, http.StatusText(r.Status)...)
	}
	b = append(b, "\r\n"...)
	return appendFields(b, r.Fields.All(), wire.Framing), r.Fields.Has(wire.Date)
}

// appendDate appends the Date field for a moment.
func appendDate(b []byte, d *wire.Dates, now time.Time) []byte {
	return append(d.Append(append(b, "Date: "...), now), "\r\n"...)
}

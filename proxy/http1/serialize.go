package http1

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// framing are the fields that the engine writes itself, from what it knows about body and connection, a
// bit for each ID. Whoever else sets them is not listened to.
const framing = 1<<wire.Connection | 1<<wire.KeepAlive | 1<<wire.ProxyConnection | 1<<wire.ContentLength |
	1<<wire.TransferEncoding | 1<<wire.Upgrade

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
			blankControls(b[at:])
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// blankControls turns control characters other than TAB into spaces.
func blankControls(b []byte) {
	for i, c := range b {
		if c != '\t' && (c < 0x20 || c == 0x7f) {
			b[i] = ' '
		}
	}
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
			blankControls(b[at:])
		}
	} else {
		b = append(b, http.StatusText(r.Status)...)
	}
	b = append(b, "\r\n"...)
	return appendFields(b, r.Fields.All(), framing), r.Fields.Has(wire.Date)
}

// dates keeps the Date field of the current second, so that it is put into words once a second.
type dates struct {
	line atomic.Pointer[dateLine]
}

type dateLine struct {
	second int64
	text   []byte
}

// append appends the Date field for a moment.
func (d *dates) append(b []byte, now time.Time) []byte {
	second := now.Unix()
	line := d.line.Load()
	if line == nil || line.second != second {
		text := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
		line = &dateLine{second, append(text, "\r\n"...)}
		d.line.Store(line)
	}
	return append(b, line.text...)
}

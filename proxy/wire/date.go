package wire

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Dates keeps the value of the Date field of the current second, so that it is put into words once a second. It is safe for
// concurrent use. The zero value is ready.
type Dates struct {
	last atomic.Pointer[date]
}

// date is a second in words.
type date struct {
	second int64
	text   []byte
}

// DateLength is how many bytes Append appends.
const DateLength = len(http.TimeFormat)

// Append appends the value of Date for a moment (RFC 9110 section 5.6.7).
func (d *Dates) Append(b []byte, now time.Time) []byte {
	second := now.Unix()
	last := d.last.Load()
	if last == nil || last.second != second {
		last = &date{second, now.UTC().AppendFormat(nil, http.TimeFormat)}
		d.last.Store(last)
	}
	return append(b, last.text...)
}

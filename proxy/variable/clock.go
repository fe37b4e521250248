package variable

import (
	"sync/atomic"
	"time"
)

// Writing a date costs more than a whole log line should, and it is the same for all lines of a second.
// So a template keeps the text of the last second behind an atomic pointer; whoever meets a new second
// makes the new text. Two cores that log around the turn of a second may make it a few times over, which
// is harmless.

// second is one second of local time as text.
type second struct {
	unix  int64
	local string // 22/Nov/2026:12:49:00 +0000
	iso   string // 2026-11-22T12:49:00+00:00
}

// clock caches the text of the current second.
type clock struct{ last atomic.Pointer[second] }

// text returns the text of the second that t is in.
func (c *clock) text(t time.Time) *second {
	unix := t.Unix()
	if s := c.last.Load(); s != nil && s.unix == unix {
		return s
	}
	s := newSecond(t)
	c.last.Store(s)
	return s
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// newSecond writes the text of the second that t is in, in the local time zone.
func newSecond(t time.Time) *second {
	t = t.Local()
	year, month, day := t.Date()
	hour, minute, sec := t.Clock()
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	zoneHour, zoneMinute := offset/3600, offset/60%60

	local := make([]byte, 0, 26)
	local = append2(local, day)
	local = append(append(append(local, '/'), months[3*(month-1):3*month]...), '/')
	local = append(append2(append2(local, year/100), year%100), ':')
	local = append(append2(local, hour), ':')
	local = append(append2(local, minute), ':')
	local = append(append2(local, sec), ' ', sign)
	local = append2(append2(local, zoneHour), zoneMinute)

	iso := make([]byte, 0, 25)
	iso = append(append2(append2(iso, year/100), year%100), '-')
	iso = append(append2(iso, int(month)), '-')
	iso = append(append2(iso, day), 'T')
	iso = append(append2(iso, hour), ':')
	iso = append(append2(iso, minute), ':')
	iso = append(append2(iso, sec), sign)
	iso = append2(append(append2(iso, zoneHour), ':'), zoneMinute)
	return &second{unix: t.Unix(), local: string(local), iso: string(iso)}
}

// append2 appends the two digits of n.
func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10%10), byte('0'+n%10))
}

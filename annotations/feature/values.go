package feature

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String returns the text of a key, or its default.
func (r *Reader) String(name string) string {
	k := r.key(name)
	if v, source := r.text(k); source != nowhere {
		return v
	}
	return k.Default
}

// Matching returns the text of a key if every byte of it is allowed, else notes a problem and returns
// the default. want describes what is allowed.
func (r *Reader) Matching(name string, allowed func(string) bool, want string) string {
	k := r.key(name)
	v, source := r.text(k)
	if source == nowhere {
		return k.Default
	}
	if !allowed(v) {
		r.Refuse(name, "want %s", want)
		return k.Default
	}
	return v
}

// Bool returns a key as strconv.ParseBool reads it.
func (r *Reader) Bool(name string) bool {
	k := r.key(name)
	def, _ := strconv.ParseBool(k.Default)
	v, source := r.text(k)
	if source == nowhere {
		return def
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.Refuse(name, "not a bool: write true or false")
		return def
	}
	return b
}

// OnOff returns a key whose values are "on" and "off".
func (r *Reader) OnOff(name string) bool { return r.Enum(name, "on", "off") == "on" }

// Int returns a key as a number between low and high.
func (r *Reader) Int(name string, low, high int) int {
	k := r.key(name)
	def, _ := strconv.Atoi(k.Default)
	v, source := r.text(k)
	if source == nowhere {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.Refuse(name, "not a number between %d and %d: write one without unit, such as %q", low, high, k.Default)
		return def
	}
	return n
}

// maxSeconds bounds durations, so that no multiplication overflows: ten years.
const maxSeconds = 10 * 365 * 24 * 3600

// Seconds returns a key as a duration: a whole number of seconds, with or without an "s" behind it.
func (r *Reader) Seconds(name string) time.Duration {
	k := r.key(name)
	def, _ := strconv.Atoi(strings.TrimSuffix(k.Default, "s"))
	n := def
	if v, source := r.text(k); source != nowhere {
		var err error
		n, err = strconv.Atoi(strings.TrimSuffix(v, "s"))
		if err != nil || n < 0 || n > maxSeconds {
			r.Refuse(name, "not a number of seconds: write a whole number such as %q", k.Default)
			n = def
		}
	}
	return time.Duration(n) * time.Second
}

// Duration returns a key as nginx writes times: a number of seconds, or numbers with units, such as "1h30m".
func (r *Reader) Duration(name string) time.Duration {
	k := r.key(name)
	def, _ := ParseTime(k.Default)
	v, source := r.text(k)
	if source == nowhere {
		return def
	}
	d, err := ParseTime(v)
	if err != nil {
		r.Refuse(name, "%v", err)
		return def
	}
	return d
}

// ParseTime reads a time as nginx writes it: numbers with the units ms, s, m, h, d, w, M (30 days) and y
// (365 days) one after the other; a number without unit counts seconds. Ten years are the most.
func ParseTime(v string) (time.Duration, error) {
	bad := fmt.Errorf("not a time: write numbers with units, such as %q or %q", "60s", "1h30m")
	if v == "" {
		return 0, bad
	}
	var total time.Duration
	for v != "" {
		n := 0
		for n < len(v) && v[n] >= '0' && v[n] <= '9' {
			n++
		}
		count, err := strconv.ParseInt(v[:n], 10, 64)
		if err != nil {
			return 0, bad
		}
		m := n
		for m < len(v) && (v[m] < '0' || v[m] > '9') {
			m++
		}
		unit, ok := timeUnit(strings.TrimSpace(v[n:m]))
		if !ok || count > int64(maxSeconds*time.Second/unit) {
			return 0, bad
		}
		if total += time.Duration(count) * unit; total > maxSeconds*time.Second {
			return 0, bad
		}
		v = v[m:]
	}
	return total, nil
}

// timeUnit returns the length of a unit of nginx's times.
func timeUnit(name string) (time.Duration, bool) {
	const day = 24 * time.Hour
	switch name {
	case "ms":
		return time.Millisecond, true
	case "s", "":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return day, true
	case "w":
		return 7 * day, true
	case "M":
		return 30 * day, true
	case "y":
		return 365 * day, true
	}
	return 0, false
}

// Size returns a key as a number of bytes: digits with an optional b, k, m or g, as nginx writes sizes.
func (r *Reader) Size(name string) int64 {
	k := r.key(name)
	def, _ := ParseSize(k.Default)
	v, source := r.text(k)
	if source == nowhere {
		return def
	}
	n, err := ParseSize(v)
	if err != nil {
		r.Refuse(name, "%v", err)
		return def
	}
	return n
}

// ParseSize reads a size as nginx writes it: digits with an optional b, k, m or g in either case.
func ParseSize(v string) (int64, error) {
	digits, shift := v, 0
	if n := len(v); n > 0 {
		switch v[n-1] | 0x20 {
		case 'b':
			digits = v[:n-1]
		case 'k':
			digits, shift = v[:n-1], 10
		case 'm':
			digits, shift = v[:n-1], 20
		case 'g':
			digits, shift = v[:n-1], 30
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64-shift)
	if err != nil || digits[0] < '0' || digits[0] > '9' {
		return 0, fmt.Errorf("not a size: write digits with an optional k, m or g, such as %q", "8m")
	}
	return n << shift, nil
}

// Enum returns a key that has one of the allowed values, in any case; it is returned as spelled in allowed.
func (r *Reader) Enum(name string, allowed ...string) string {
	k := r.key(name)
	v, source := r.text(k)
	if source == nowhere {
		return k.Default
	}
	for _, a := range allowed {
		if strings.EqualFold(v, a) {
			return a
		}
	}
	r.Refuse(name, "unknown value: write one of %s", strings.Join(allowed, ", "))
	return k.Default
}

// List returns a key as a list separated by commas, without empty parts.
func (r *Reader) List(name string) []string {
	return SplitList(r.String(name))
}

// SplitList splits text at commas and drops white space and empty parts.
func SplitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

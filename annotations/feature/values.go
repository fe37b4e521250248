package feature

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var (
	errTime = errors.New(`not a time: write numbers with units, such as "60s" or "1h30m"`)
	errSize = errors.New(`not a size: write digits with an optional k, m or g, such as "8m"`)
)

// unset reports whether neither the Ingress nor the ConfigMap sets a key. Getters ask it first: most keys are not set
// in most Ingresses, and a closure for lookup costs memory.
func (r *Reader) unset(k *declaration) bool {
	_, source := r.text(k)
	return source == nowhere
}

// lookup returns the value of a key as read understands it: the annotation's, else that of the ConfigMap, else the
// default. A value for which read returns a reason is reported and the next layer counts, as in ingress-nginx.
func lookup[T any](r *Reader, k *declaration, read func(string) (value T, reason string)) T {
	v, source := r.text(k)
	for source != nowhere {
		value, reason := read(v)
		if reason == "" {
			return value
		}
		if source == fromConfigMap {
			r.report(k, Problem{Value: v, Reason: reason, Denied: k.OnInvalid == DenyRoute, Global: true})
			break
		}
		r.report(k, Problem{Value: v, Reason: reason, Denied: k.OnInvalid == DenyRoute, Reject: true})
		v, source = r.global(k)
	}
	value, _ := read(k.Default)
	return value
}

// String returns the text of a key, or its default.
func (r *Reader) String(name string) string {
	k := r.key(name)
	if v, source := r.text(k); source != nowhere {
		return v
	}
	return k.Default
}

// Matching returns the text of a key if all of it is allowed, else notes a problem and returns what holds without it.
// want describes what is allowed.
func (r *Reader) Matching(name string, allowed func(string) bool, want string) string {
	k := r.key(name)
	if r.unset(k) {
		return k.Default
	}
	return lookup(r, k, func(v string) (string, string) {
		if !allowed(v) {
			return v, "want " + want
		}
		return v, ""
	})
}

// Bool returns a key as strconv.ParseBool reads it.
func (r *Reader) Bool(name string) bool {
	return lookup(r, r.key(name), func(v string) (bool, string) {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, "not a bool: write true or false"
		}
		return b, ""
	})
}

// OnOff returns a key whose values are "on" and "off".
func (r *Reader) OnOff(name string) bool { return r.Enum(name, "on", "off") == "on" }

// Int returns a key as a number between low and high.
func (r *Reader) Int(name string, low, high int) int {
	k := r.key(name)
	if r.unset(k) {
		n, _ := strconv.Atoi(k.Default)
		return n
	}
	return lookup(r, k, func(v string) (int, string) {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return n, fmt.Sprintf("not a number between %d and %d: write one without unit, such as %q", low, high, r.example(name))
		}
		return n, ""
	})
}

// example returns a value that a message can show.
func (r *Reader) example(name string) string {
	if def := r.key(name).Default; def != "" {
		return def
	}
	return "1"
}

// maxSeconds bounds durations, so that no multiplication overflows: ten years.
const maxSeconds = 10 * 365 * 24 * 3600

// Seconds returns a key as a duration: a whole number of seconds, with or without an "s" behind it.
func (r *Reader) Seconds(name string) time.Duration { return r.seconds(name, 0) }

// PositiveSeconds is Seconds without 0, for limits that would make every request fail at once.
func (r *Reader) PositiveSeconds(name string) time.Duration { return r.seconds(name, 1) }

// seconds returns a key as a whole number of seconds that is at least low.
func (r *Reader) seconds(name string, low int) time.Duration {
	k := r.key(name)
	if r.unset(k) {
		n, _ := strconv.Atoi(strings.TrimSuffix(k.Default, "s"))
		return time.Duration(n) * time.Second
	}
	return lookup(r, k, func(v string) (time.Duration, string) {
		n, err := strconv.Atoi(strings.TrimSuffix(v, "s"))
		if err != nil || n < low || n > maxSeconds {
			return 0, fmt.Sprintf("not a number of seconds: write a whole number from %d, such as %q", low, r.example(name))
		}
		return time.Duration(n) * time.Second, ""
	})
}

// Duration returns a key as nginx writes times: a number of seconds, or numbers with units, such as "1h30m".
func (r *Reader) Duration(name string) time.Duration {
	return lookup(r, r.key(name), func(v string) (time.Duration, string) {
		d, err := ParseTime(v)
		if err != nil {
			return 0, err.Error()
		}
		return d, ""
	})
}

// Size returns a key as a number of bytes: digits with an optional b, k, m or g, as nginx writes sizes.
func (r *Reader) Size(name string) int64 { return r.SizeBetween(name, 0, 1<<62) }

// SizeBetween is Size for a key whose values must lie between low and high.
func (r *Reader) SizeBetween(name string, low, high int64) int64 {
	k := r.key(name)
	if r.unset(k) {
		n, _ := ParseSize(k.Default)
		return n
	}
	return lookup(r, k, func(v string) (int64, string) {
		n, err := ParseSize(v)
		if err != nil {
			return 0, err.Error()
		}
		if n < low || n > high {
			return 0, fmt.Sprintf("not a size between %d and %d bytes: write such as %q", low, high, r.example(name))
		}
		return n, ""
	})
}

// Enum returns a key that has one of the allowed values, in any case; it is returned as spelled in allowed.
func (r *Reader) Enum(name string, allowed ...string) string {
	k := r.key(name)
	if r.unset(k) {
		return k.Default
	}
	return lookup(r, k, func(v string) (string, string) {
		for _, a := range allowed {
			if strings.EqualFold(v, a) {
				return a, ""
			}
		}
		return v, "unknown value: write one of " + strings.Join(allowed, ", ")
	})
}

// ParseTime reads a time as nginx writes it: numbers with the units ms, s, m, h, d, w, M (30 days) and y
// (365 days) one after the other; a number without unit counts seconds. Ten years are the most.
func ParseTime(v string) (time.Duration, error) {
	if v == "" {
		return 0, errTime
	}
	var total time.Duration
	for v != "" {
		n := 0
		for n < len(v) && v[n] >= '0' && v[n] <= '9' {
			n++
		}
		count, err := strconv.ParseInt(v[:n], 10, 64)
		if err != nil {
			return 0, errTime
		}
		m := n
		for m < len(v) && (v[m] < '0' || v[m] > '9') {
			m++
		}
		unit, ok := timeUnit(strings.TrimSpace(v[n:m]))
		if !ok || count > int64(maxSeconds*time.Second/unit) {
			return 0, errTime
		}
		if total += time.Duration(count) * unit; total > maxSeconds*time.Second {
			return 0, errTime
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
		return 0, errSize
	}
	return n << shift, nil
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

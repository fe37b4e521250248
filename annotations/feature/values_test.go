package feature

import (
	"crypto/tls"
	"testing"
	"time"
)

// one returns a reader of one key with a value, and the key's declaration.
func one(value, def string) *Reader {
	return NewReader(source(map[string]string{"k": value}, nil), []Key{{Name: "k", Default: def}})
}

// refused returns how many problems a reader has.
func refused(r *Reader) int {
	p, _ := r.Problems()
	return len(p)
}

func TestBool(t *testing.T) {
	for value, want := range map[string]bool{
		"true": true, "1": true, "t": true, "TRUE": true, "True": true, "false": false, "0": false, "F": false, "": true,
	} {
		if r := one(value, "true"); r.Bool("k") != want || refused(r) != 0 {
			t.Errorf("%q: not %v, or refused", value, want)
		}
	}
	for _, value := range []string{"yes", "on", "tRUE", "enabled"} {
		if r := one(value, "true"); !r.Bool("k") || refused(r) != 1 {
			t.Errorf("%q is not refused in favour of the default", value)
		}
	}
}

func TestInt(t *testing.T) {
	for value, want := range map[string]int{"1": 1, "10": 10, "007": 7, "": 5} {
		if r := one(value, "5"); r.Int("k", 1, 10) != want || refused(r) != 0 {
			t.Errorf("%q: not %d, or refused", value, want)
		}
	}
	for _, value := range []string{"0", "11", "-1", "1.5", "1s", "9999999999999999999999"} {
		if r := one(value, "5"); r.Int("k", 1, 10) != 5 || refused(r) != 1 {
			t.Errorf("%q is not refused in favour of the default", value)
		}
	}
}

func TestSeconds(t *testing.T) {
	for value, want := range map[string]time.Duration{"0": 0, "60": time.Minute, "60s": time.Minute, "": 5 * time.Second} {
		if r := one(value, "5"); r.Seconds("k") != want || refused(r) != 0 {
			t.Errorf("%q: not %v, or refused", value, want)
		}
	}
	for _, value := range []string{"-1", "1m", "1ms", "0.5", "9223372036854775807", "315360001"} {
		if r := one(value, "5"); r.Seconds("k") != 5*time.Second || refused(r) != 1 {
			t.Errorf("%q is not refused in favour of the default", value)
		}
	}
	if r := one("0", "5"); r.PositiveSeconds("k") != 5*time.Second || refused(r) != 1 {
		t.Error("0 is positive")
	}
}

func TestTimes(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"240": 240 * time.Second, "240s": 240 * time.Second, "1h30m": 90 * time.Minute, "1h 30m": 90 * time.Minute, "500ms": 500 * time.Millisecond,
		"1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "1M": 30 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "0": 0, "2m5": 125 * time.Second,
	} {
		if got, err := ParseTime(value); got != want || err != nil {
			t.Errorf("%q: %v, %v; want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"", "s", "1x", "-1s", "1.5s", "11y", "9223372036854775807", "99999999999999999999s", "9y9y", "five"} {
		if got, err := ParseTime(value); err == nil || got != 0 {
			t.Errorf("%q is read as %v", value, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for value, want := range map[string]int64{
		"0": 0, "1000": 1000, "1000b": 1000, "8k": 8 << 10, "8K": 8 << 10, "1m": 1 << 20, "2G": 2 << 30, "8589934591g": 8589934591 << 30,
	} {
		if got, err := ParseSize(value); got != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"", "k", "-1", "+1", "1kb", "1t", "1.5m", "m1", "8589934592g", "9223372036854775808"} {
		if got, err := ParseSize(value); err == nil || got != 0 {
			t.Errorf("%q is read as %d", value, got)
		}
	}
	if r := one("2m", "4k"); r.SizeBetween("k", 1, 1<<20) != 4<<10 || refused(r) != 1 {
		t.Error("a size beyond the bound is not refused in favour of the default")
	}
}

func TestEnum(t *testing.T) {
	for value, want := range map[string]string{"": "b", "A": "a", "a": "a", "B": "b"} {
		if r := one(value, "b"); r.Enum("k", "a", "b") != want || refused(r) != 0 {
			t.Errorf("%q: not %q, or refused", value, want)
		}
	}
	if r := one("c", "b"); r.Enum("k", "a", "b") != "b" || refused(r) != 1 {
		t.Error("an unknown value is not refused in favour of the default")
	}
	if r := one("off", "on"); r.OnOff("k") {
		t.Error("off is on")
	}
}

func TestVersions(t *testing.T) {
	for list, want := range map[string][2]uint16{
		"TLSv1.2 TLSv1.3": {tls.VersionTLS12, tls.VersionTLS13}, "TLSv1.3": {tls.VersionTLS13, tls.VersionTLS13},
		"TLSv1.1  TLSv1": {tls.VersionTLS10, tls.VersionTLS11}, "SSLv3 TLSv1.2": {tls.VersionTLS12, tls.VersionTLS12},
	} {
		if low, high, ok := ParseVersions(list); low != want[0] || high != want[1] || !ok {
			t.Errorf("%q: %x, %x, %v", list, low, high, ok)
		}
	}
	for _, list := range []string{"", "SSLv3", "tlsv1.2", "TLSv1.2,TLSv1.3", "1.2"} {
		if _, _, ok := ParseVersions(list); ok {
			t.Errorf("%q is read", list)
		}
	}
}

func TestCharacterClasses(t *testing.T) {
	const basic = "azAZ09-._~/:"
	for name, tt := range map[string]struct {
		is   func(string) bool
		more string
	}{
		"basic": {IsBasic, ""}, "basic and space": {IsBasicSpace, " "}, "extended": {IsExtended, ", "}, "URL": {IsURL, ",?&="},
		"URL with variables": {IsURLVariable, ",?&= $"}, "regexp": {IsRegexp, `^$[](){}*+?|&=\`}, "capture": {IsCapture, "$"},
	} {
		for c := range 256 {
			text := "a" + string([]byte{byte(c)})
			want := false
			for _, allowed := range []byte(basic + tt.more) {
				want = want || int(allowed) == c
			}
			letter := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
			if got := tt.is(text); got != (want || letter) {
				t.Errorf("%s: byte %q is %v", name, text, got)
			}
		}
	}
	if !IsVariable("${arg_a}-$b_1") || IsVariable("a b") || IsVariable("a;b") || IsVariable("ü") {
		t.Error("variables")
	}
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "8m", "1h30m", "10.0.0.0/8", "TLSv1.2", "a/b", "true", "-1", "99999999999999999999g", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseSize(text); err == nil && n < 0 {
			t.Errorf("size %q is %d", text, n)
		}
		if d, err := ParseTime(text); err == nil && (d < 0 || d > maxSeconds*time.Second) {
			t.Errorf("time %q is %v", text, d)
		}
		if p, err := ParsePrefix(text); err == nil && (!p.IsValid() || p != p.Masked() || p.Addr().Is4In6()) {
			t.Errorf("network %q is %v", text, p)
		}
		ParseVersions(text)
		src := source(map[string]string{"k": text}, nil)
		src.Objects = objects{}
		r := NewReader(src, []Key{{Name: "k", Default: "5"}})
		if n := r.Int("k", 1, 10); n < 1 || n > 10 {
			t.Errorf("number %q is %d", text, n)
		}
		r.Bool("k")
		r.Secret("k")
		r.Prefixes("k")
		for _, p := range r.problems {
			if len(p.Value) > maxShown+len("…") {
				t.Errorf("a problem repeats %d bytes", len(p.Value))
			}
		}
	})
}

package grpc

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestIs(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc;charset=x": true, "Application/GRPC+json": true,
		"": false, "application/grp": false, "application/grpc-web": false, "application/grpc-web+proto": false, "application/grpcx": false,
		"application\x0fgrpc": false, "text/html": false,
	} {
		if got := Is(contentType); got != want {
			t.Errorf("Is(%q) = %v", contentType, got)
		}
	}
}

func TestParseTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "90M": 90 * time.Minute, "5S": 5 * time.Second, "250m": 250 * time.Millisecond,
		"10u": 10 * time.Microsecond, "99999999n": 99999999, "0S": 0, "99999999H": math.MaxInt64,
	} {
		if got, ok := ParseTimeout(text); !ok || got != want {
			t.Errorf("ParseTimeout(%q) = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "S", "5", "-5S", "5s", "5 S", "999999999S", "1.5S", "5SS", "١S"} {
		if got, ok := ParseTimeout(text); ok {
			t.Errorf("ParseTimeout(%q) = %v", text, got)
		}
	}
}

func TestFromHTTP(t *testing.T) {
	for status, want := range map[int]Code{
		400: 13, 401: 16, 403: 7, 404: 12, 408: 4, 413: 8, 429: 14, 431: 8, 500: 2, 502: 14, 503: 14, 504: 4, 308: 2, 302: 2,
	} {
		if got := FromHTTP(status); got != want {
			t.Errorf("%d is %v, want %v", status, got, want)
		}
	}
	if Unavailable.String() != "14" {
		t.Error(Unavailable.String())
	}
}

func TestAppendMessage(t *testing.T) {
	if got := string(AppendMessage(nil, "https://a.test/x%20y z\r\né~")); got != "https://a.test/x%2520y z%0D%0A%C3%A9~" {
		t.Errorf("%q", got)
	}
}

// FuzzParseTimeout sends anything. What is taken must be in the grammar, and the same time as package time reads.
func FuzzParseTimeout(f *testing.F) {
	for _, seed := range []string{"1H", "250m", "99999999n", "99999999H", "", "5s", "+1S"} {
		f.Add(seed)
	}
	units := map[string]string{"H": "h", "M": "m", "S": "s", "m": "ms", "u": "us", "n": "ns"}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := ParseTimeout(text)
		if !ok {
			return
		}
		digits, unit := text[:len(text)-1], text[len(text)-1:]
		if strings.Trim(digits, "0123456789") != "" || len(digits) > 8 || units[unit] == "" {
			t.Fatalf("took %q", text)
		}
		if want, err := time.ParseDuration(digits + units[unit]); err == nil && got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	})
}

// FuzzAppendMessage encodes anything. What comes out must be printable, and mean what went in.
func FuzzAppendMessage(f *testing.F) {
	for _, seed := range []string{"", "plain", "100 %", "a%20b", "\r\nSet-Cookie: x", "é – ü", "\x00\x7f\xff", "%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const before = "502 Bad Gateway: "
		got := string(AppendMessage([]byte(before), text))
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q is encoded as %q", text, got)
			}
		}
		if back, err := url.PathUnescape(strings.TrimPrefix(got, before)); err != nil || back != text {
			t.Errorf("%q is encoded as %q, which is %q, %v", text, got, back, err)
		}
	})
}

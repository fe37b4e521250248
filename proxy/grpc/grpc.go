package grpc

import (
	"math"
	"strconv"
	"time"
)

// Names of fields, as they stand in the heads and trailers of HTTP/2.
const (
	// TimeoutField is how long the client waits: see ParseTimeout.
	TimeoutField = "grpc-timeout"
	// StatusField and MessageField say how a call went.
	StatusField, MessageField = "grpc-status", "grpc-message"
	// ContentType is the type of what the proxy answers by itself.
	ContentType = "application/grpc"
)

// Is reports whether a Content-Type is gRPC's: "application/grpc", alone or with "+proto" or parameters. gRPC-Web is
// something else: it goes over HTTP/1.1, too, and has its status in the body.
func Is(contentType string) bool {
	const n = len(ContentType)
	if len(contentType) < n {
		return false
	}
	for i := range n { // ASCII letters and a slash: upper case differs in one bit, and no other byte becomes a letter by it
		if c := contentType[i]; c != ContentType[i] && (c|0x20 != ContentType[i] || ContentType[i] < 'a') {
			return false
		}
	}
	return len(contentType) == n || contentType[n] == '+' || contentType[n] == ';'
}

// maxDigits is how many digits a timeout may have (gRPC over HTTP/2, "TimeoutValue").
const maxDigits = 8

// ParseTimeout parses a grpc-timeout: at most eight digits and a unit, H, M, S, m, u or n. What would not fit into a
// Duration becomes the longest one.
func ParseTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > maxDigits+1 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) - 1 {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	unit := time.Duration(0)
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

// Code is a status of gRPC.
type Code uint8

// The codes that proxies answer with.
const (
	Unknown           Code = 2
	DeadlineExceeded  Code = 4
	PermissionDenied  Code = 7
	ResourceExhausted Code = 8
	Unimplemented     Code = 12
	Internal          Code = 13
	Unavailable       Code = 14
	Unauthenticated   Code = 16
)

// String returns the number, as grpc-status has it.
func (c Code) String() string { return strconv.Itoa(int(c)) } // small numbers do not allocate

// FromHTTP returns the code for a status that the proxy would answer with. It is gRPC's own table
// (http-grpc-status-mapping), except that the proxy knows more than a client that sees a bare status: 504 is a
// deadline, and what is too large has exhausted a resource.
func FromHTTP(status int) Code {
	switch status {
	case 400:
		return Internal
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404, 405:
		return Unimplemented
	case 408, 504:
		return DeadlineExceeded
	case 413, 431:
		return ResourceExhausted
	case 429, 502, 503:
		return Unavailable
	}
	return Unknown
}

// AppendMessage appends text as it stands in grpc-message: percent-encoded but for printable ASCII.
func AppendMessage(b []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

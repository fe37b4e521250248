package http3_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/yettproxy/yett/proxy/filter"
)

// frame returns a frame of HTTP/3.
func frame(kind uint64, payload []byte) []byte {
	b := quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload)))
	return append(b, payload...)
}

// The kinds of frames (RFC 9114 section 7.2).
const (
	data    = 0
	headers = 1
)

// head returns a HEADERS frame; fields are "name=value", and those of a good GET come first unless they are said otherwise.
func head(fields ...string) []byte {
	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	for _, f := range fields {
		at := strings.IndexByte(f[1:], '=') + 1
		if err := e.WriteField(qpack.HeaderField{Name: f[:at], Value: f[at+1:]}); err != nil {
			panic(err)
		}
	}
	return frame(headers, b.Bytes())
}

// get returns the head of a GET with other fields behind.
func get(more ...string) []byte {
	return head(append([]string{":method=GET", ":scheme=https", ":authority=a.test", ":path=/"}, more...)...)
}

// readStatus reads the head of an answer.
func readStatus(s io.Reader) (status string, code quic.StreamErrorCode) {
	all, err := io.ReadAll(s)
	var reset *quic.StreamError
	if errors.As(err, &reset) {
		return "reset", reset.ErrorCode
	}
	if err != nil {
		return err.Error(), 0
	}
	r := bytes.NewReader(all)
	if kind, err := quicvarint.Read(r); err != nil || kind != headers {
		return "no head", 0
	}
	length, err := quicvarint.Read(r)
	if err != nil {
		return "no head", 0
	}
	block := make([]byte, length)
	if _, err := io.ReadFull(r, block); err != nil {
		return "cut", 0
	}
	field, err := qpack.NewDecoder().Decode(block)()
	if err != nil {
		return err.Error(), 0
	}
	return field.Value, 0
}

// TestRefusesWhatIsMalformed is section 3.8 of the conformance list, with the cases of HTTP/2 (P-01 to P-26) as far as they
// can be sent. The handler must not see any of them.
func TestRefusesWhatIsMalformed(t *testing.T) {
	served := make(chan string, 100)
	r := newRig(t, func(x *filter.Exchange) { served <- x.Request.Target; echo(x) }, nil)
	const reset = "reset"
	long := strings.Repeat("x", 9000)
	for name, tt := range map[string]struct {
		frames [][]byte
		want   string
	}{
		"a good request":                        {[][]byte{get()}, "200"},
		"P-01 no path":                          {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test")}, reset},
		"P-01 no method":                        {[][]byte{head(":scheme=https", ":authority=a.test", ":path=/")}, reset},
		"P-02 a path without slash":             {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=admin")}, reset},
		"P-03 GET *":                            {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=*")}, reset},
		"P-04 an absolute path":                 {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=http://b.test/")}, reset},
		"P-05 a space in the path":              {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/a b")}, "400 or reset"},
		"P-05 a version in the path":            {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/a HTTP/1.1")}, "400 or reset"},
		"P-06 a line in the path":               {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/\r\nX: y")}, reset},
		"P-06 user information":                 {[][]byte{head(":method=GET", ":scheme=https", ":authority=u@a.test", ":path=/")}, reset},
		"P-07 a fragment":                       {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/a#b")}, "400"},
		"P-08 a method of two words":            {[][]byte{head(":method=GET /evil HTTP/1.1", ":scheme=https", ":authority=a.test", ":path=/")}, reset},
		"P-10 no host":                          {[][]byte{head(":method=GET", ":scheme=https", ":path=/")}, reset},
		"P-11 only host":                        {[][]byte{head(":method=GET", ":scheme=https", ":path=/", "host=a.test")}, "200"},
		"P-12 two hosts that differ":            {[][]byte{get("host=b.test")}, reset},
		"P-13 an authority that is none":        {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test/x", ":path=/")}, "400"},
		"P-13 two authorities":                  {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test,b.test", ":path=/")}, "400"},
		"P-14 a path twice":                     {[][]byte{get(":path=/x")}, reset},
		"P-14 :status":                          {[][]byte{get(":status=200")}, reset},
		"P-14 late":                             {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", "a=b", ":path=/")}, reset},
		"P-15 two host fields":                  {[][]byte{head(":method=GET", ":scheme=https", ":path=/", "host=a.test", "host=a.test")}, reset},
		"P-16 an upper-case name":               {[][]byte{get("X-A=b")}, reset},
		"P-16 a space in a name":                {[][]byte{get("x a=b")}, reset},
		"P-16 a line in a value":                {[][]byte{get("x-a=b\nc")}, reset},
		"P-16 NUL in a value":                   {[][]byte{get("x-a=b\x00c")}, reset},
		"P-17 white space around a value":       {[][]byte{get("x-a= b")}, "400"},
		"P-18 connection":                       {[][]byte{get("connection=close")}, reset},
		"P-18 transfer-encoding":                {[][]byte{get("transfer-encoding=chunked")}, reset},
		"P-18 upgrade":                          {[][]byte{get("upgrade=websocket")}, reset},
		"P-19 te other than trailers":           {[][]byte{get("te=gzip")}, reset},
		"P-19 te: trailers":                     {[][]byte{get("te=trailers")}, "200"},
		"P-20 a body shorter than it says":      {[][]byte{get("content-length=10"), frame(data, []byte("ab"))}, reset},
		"P-21 a body longer than it says":       {[][]byte{get("content-length=1"), frame(data, []byte("ab"))}, reset},
		"P-22, Q-01 a length and no body":       {[][]byte{get("content-length=5")}, reset},
		"Q-02 a length and an empty frame":      {[][]byte{get("content-length=5"), frame(data, nil)}, reset},
		"P-23 two lengths":                      {[][]byte{get("content-length=2", "content-length=3"), frame(data, []byte("ab"))}, reset},
		"P-23 a length that is none":            {[][]byte{get("content-length=+2"), frame(data, []byte("ab"))}, reset},
		"P-26 a pseudo-header in trailers":      {[][]byte{get(), frame(data, []byte("ab")), head(":path=/")}, reset},
		"P-27, Q-06 CONNECT":                    {[][]byte{head(":method=CONNECT", ":authority=a.test:80"), frame(data, []byte("GET /smug HTTP/1.1\r\nHost: x\r\n\r\n"))}, "405"},
		"P-28 WebSockets are not offered":       {[][]byte{head(":method=CONNECT", ":protocol=websocket", ":scheme=https", ":authority=a.test", ":path=/")}, "405"},
		"P-29 TRACE":                            {[][]byte{head(":method=TRACE", ":scheme=https", ":authority=a.test", ":path=/")}, "405"},
		"P-30 a field that is too long":         {[][]byte{get("x-a=" + long)}, "431"},
		"a target that is too long":             {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/"+long)}, "414"},
		"Q-03 a head beyond what is read":       {[][]byte{get("x-a="+strings.Repeat(long, 4), "x-b="+strings.Repeat(long, 4))}, "431"},
		"Q-03 many references to one field":     {[][]byte{get(slices.Repeat([]string{"accept-encoding=gzip, deflate, br"}, 2000)...)}, "431"},
		"too many fields":                       {[][]byte{get(slices.Repeat([]string{"a=b"}, 101)...)}, "431"},
		"a path above the root":                 {[][]byte{head(":method=GET", ":scheme=https", ":authority=a.test", ":path=/../x")}, "400"},
		"an expectation that nobody knows":      {[][]byte{get("expect=magic")}, "417"},
		"a first frame that is no head":         {[][]byte{frame(data, []byte("ab"))}, "closed"},
		"DATA behind trailers":                  {[][]byte{get(), frame(data, []byte("ab")), head("x-t=1"), frame(data, []byte("cd"))}, reset},
		"a head that ends within a field block": {[][]byte{frame(headers, []byte{0, 0, 0x51})[:4]}, reset},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			got, code := r.raw(tt.frames...)
			switch {
			case tt.want == "closed" && strings.Contains(got, "H3_FRAME_UNEXPECTED"), tt.want == "closed" && strings.Contains(got, "0x105"):
			case tt.want == "400 or reset" && (got == "400" || got == reset):
			case got != tt.want:
				t.Errorf("%s (%#x), want %s", got, uint64(code), tt.want)
			}
			if tt.want != "200" && len(served) > 0 && len(tt.frames) == 1 && !strings.HasPrefix(name, "P-22") { // its body is found to be missing when it is read
				t.Errorf("the handler saw %s", <-served)
			}
			for len(served) > 0 {
				<-served
			}
		})
	}
}

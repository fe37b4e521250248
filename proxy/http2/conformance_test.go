package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

const malformed = "RST PROTOCOL_ERROR"

// with returns the fields of an ordinary request with one of them changed, or dropped for "-".
func with(name, value string, more ...string) []string {
	var out []string
	for list := get("/p"); len(list) > 0; list = list[2:] {
		switch {
		case list[0] != name:
			out = append(out, list[0], list[1])
		case value != "-":
			out = append(out, name, value)
		}
	}
	return append(out, more...)
}

// TestWhatRequestsMayLookLike holds the rows of the wire table whose request is one head. forwarded says how many requests
// the handler is to see.
func TestWhatRequestsMayLookLike(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		id     string
		fields []string
		want   string
	}{
		{"P-01 no path", with(":path", "-"), malformed},
		{"P-01 empty path", with(":path", ""), malformed},
		{"P-01 no method", with(":method", "-"), malformed},
		{"P-01 no scheme", with(":scheme", "-"), malformed},
		{"P-02 path without slash", with(":path", "admin"), malformed},
		{"P-03 asterisk with GET", with(":path", "*"), "400"},
		{"P-04 absolute form", with(":path", "http://b.test/y"), malformed},
		{"P-05 space in the path", with(":path", "/a b"), "400"},
		{"P-05 version in the path", with(":path", "/a HTTP/1.1"), "400"},
		{"P-06 CR LF in the path", with(":path", "/a\r\nx: y"), malformed},
		{"P-06 LF in the authority", with(":authority", "a.test\nx"), malformed},
		{"P-06 user information", with(":authority", "me@a.test"), malformed},
		{"P-07 fragment", with(":path", "/a#b"), "400"},
		{"P-08 method with spaces", with(":method", "GET /evil HTTP/1.1"), malformed},
		{"P-09 scheme that is none", with(":scheme", "http://x/?"), malformed},
		{"P-09 https on cleartext", with(":scheme", "https"), "200"},
		{"P-10 no host at all", with(":authority", "-"), "400"},
		{"P-11 only host", with(":authority", "-", "host", "b.test"), "200"},
		{"P-12 two hosts that differ", with("", "", "host", "b.test"), "400"},
		{"P-12 two hosts that agree", with("", "", "host", "A.test"), "200"},
		{"P-13 path in the authority", with(":authority", "a.test/x"), "400"},
		{"P-13 list in the authority", with(":authority", "a.test,b.test"), "400"},
		{"P-14 duplicate", with("", "", ":path", "/q"), malformed},
		{"P-14 duplicate method", append([]string{":method", "GET"}, get("/p")...), malformed},
		{"P-14 unknown", append([]string{":proto", "x"}, get("/p")...), malformed},
		{"P-14 late", append([]string{"x-a", "b"}, get("/p")...), malformed},
		{"P-14 status", append([]string{":status", "200"}, get("/p")...), malformed},
		{"P-15 host twice", with(":authority", "-", "host", "a.test", "host", "a.test"), "400"},
		{"P-16 upper case", with("", "", "X-A", "b"), malformed},
		{"P-16 space in a name", with("", "", "x a", "b"), malformed},
		{"P-16 colon in a name", with("", "", "x:a", "b"), malformed},
		{"P-16 empty name", with("", "", "", "b"), malformed},
		{"P-16 CR", with("", "", "x-a", "b\rc"), malformed},
		{"P-16 LF", with("", "", "x-a", "b\nc"), malformed},
		{"P-16 NUL", with("", "", "x-a", "b\x00c"), malformed},
		{"P-17 leading space", with("", "", "x-a", " 1"), malformed},
		{"P-17 trailing tab", with("", "", "x-a", "1\t"), malformed},
		{"P-18 connection", with("", "", "connection", "close"), malformed},
		{"P-18 keep-alive", with("", "", "keep-alive", "1"), malformed},
		{"P-18 proxy-connection", with("", "", "proxy-connection", "close"), malformed},
		{"P-18 transfer-encoding", with("", "", "transfer-encoding", "chunked"), malformed},
		{"P-18 upgrade", with("", "", "upgrade", "websocket"), malformed},
		{"P-19 te gzip", with("", "", "te", "gzip"), malformed},
		{"P-19 te trailers", with("", "", "te", "trailers"), "200"},
		{"P-22 length without a body", with("", "", "content-length", "5"), malformed},
		{"P-23 two lengths", with("", "", "content-length", "2", "content-length", "3"), malformed},
		{"P-23 signed length", with("", "", "content-length", "+2"), malformed},
		{"P-23 zero without a body", with("", "", "content-length", "0"), "200"},
		{"P-25 underscores", with("", "", "x_forwarded_for", "6.6.6.6"), "200"},
		{"P-27 CONNECT", []string{":method", "CONNECT", ":authority", "a.test:80"}, "405"},
		{"P-29 TRACE", with(":method", "TRACE"), "405"},
		{"P-30 head of 20 KB", with("", "", filler(4, 5000)...), "200"},
		{"P-30 head over the limit", with("", "", filler(8, 5000)...), "431"},
		{"P-30 field over the limit", with("", "", filler(1, 9000)...), "431"},
		{"F-09 too many fields", with("", "", filler(101, 1)...), "431"},
		{"path over the limit", with(":path", "/"+strings.Repeat("a", 9000)), "414"},
		{"path above the root", with(":path", "/../a"), "400"},
		{"NUL in the path", with(":path", "/a%00"), "400"},
		{"unknown expectation", with("", "", "expect", "tea"), "417"},
		{"OPTIONS of the proxy", []string{":method", "OPTIONS", ":scheme", "http", ":authority", "a.test", ":path", "*"}, "200"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			c := r.dial()
			c.tb = t
			before := r.hits.Load()
			c.fragments(1, 16000, tt.fields...)
			a := c.response(1)
			if got := a.String(); got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			if tt.want == "431" && len(a.body) > 0 {
				t.Errorf("431 with a body of %d bytes", len(a.body))
			}
			forwarded := r.hits.Load() - before
			if served := tt.want == "200" && !strings.HasPrefix(tt.id, "OPTIONS"); served != (forwarded == 1) || forwarded > 1 {
				t.Errorf("the handler saw %d requests", forwarded)
			}
			c.alive(3)
		})
	}
	all := r.requests()
	for _, s := range all {
		if _, ok := s.get("x_forwarded_for"); ok {
			t.Error("P-25: x_forwarded_for came through")
		}
		if s.host != "a.test" && s.host != "b.test" {
			t.Errorf("host is %q", s.host)
		}
	}
}

// filler returns n fields with values of size bytes.
func filler(n, size int) (out []string) {
	for range n {
		out = append(out, "x-filler", strings.Repeat("v", size))
	}
	return out
}

// fragments sends a request without a body in frames of a size.
func (c *client) fragments(id uint32, size int, pairs ...string) {
	block := c.block(pairs...)
	n := min(size, len(block))
	c.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: true, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(size, len(block))
		c.fr.WriteContinuation(id, n == len(block), block[:n])
	}
}

// TestWhatBodiesMayLookLike holds the rows whose request has a body.
func TestWhatBodiesMayLookLike(t *testing.T) {
	for _, tt := range []struct {
		id   string
		send func(c *client)
		want string
		body string
	}{
		{"a body", func(c *client) {
			c.headers(1, false, post("/p", "content-length", "5")...)
			c.fr.WriteData(1, true, []byte("hello"))
		}, "200", "hello"},
		{"a body without a length, in two frames and an empty one", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.fr.WriteData(1, false, []byte("hel"))
			c.fr.WriteDataPadded(1, false, []byte("lo"), make([]byte, 200))
			c.fr.WriteData(1, true, nil)
		}, "200", "hello"},
		{"P-20 body too short", func(c *client) {
			c.headers(1, false, post("/p", "content-length", "10")...)
			c.fr.WriteData(1, true, []byte("ab"))
		}, malformed, ""},
		{"P-21 body too long", func(c *client) {
			c.headers(1, false, post("/p", "content-length", "1")...)
			c.fr.WriteData(1, true, []byte("ab"))
		}, malformed, ""},
		{"P-23 two equal lengths", func(c *client) {
			c.headers(1, false, post("/p", "content-length", "2", "content-length", "2")...)
			c.fr.WriteData(1, true, []byte("ab"))
		}, malformed, ""},
		{"P-26 pseudo-header field in trailers", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.headers(1, true, ":path", "/x")
		}, malformed, ""},
		{"P-26 trailers that are dropped", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.fr.WriteData(1, false, []byte("x"))
			c.headers(1, true, "content-length", "7", "x-forwarded-for", "6.6.6.6", "x-sum", "1")
		}, "200", "x"},
		{"trailers without the end", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.headers(1, false, "x-sum", "1")
		}, malformed, ""},
		{"DATA after the end", func(c *client) {
			c.headers(1, true, get("/slow")...)
			c.fr.WriteData(1, true, []byte("x"))
		}, "RST STREAM_CLOSED", ""},
		{"WINDOW_UPDATE of 0", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.fr.WriteWindowUpdate(1, 0)
		}, malformed, ""},
		{"window too large", func(c *client) {
			c.headers(1, false, post("/p")...)
			c.fr.WriteWindowUpdate(1, 1<<31-1)
		}, "RST FLOW_CONTROL_ERROR", ""},
		{"P-27 CONNECT with a smuggled request", func(c *client) {
			c.headers(1, false, ":method", "CONNECT", ":authority", "a.test:80")
			c.fr.WriteData(1, true, []byte("GET /smug HTTP/1.1\r\nHost: x\r\n\r\n"))
		}, "405", ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			r := newRig(t)
			release := make(chan struct{})
			r.serve = func(x *filter.Exchange) {
				if x.Request.Target == "/slow" {
					<-release
				}
				s := r.record(x)
				if s.err != nil {
					x.Stream.Abort()
					return
				}
				x.ReplyText(200, "text/plain", "ok")
				write(x)
			}
			c := r.dial()
			tt.send(c)
			a := c.response(1)
			close(release)
			if got, _, _ := strings.Cut(a.String(), " RST NO_ERROR"); got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			c.alive(3)
			for _, s := range r.requests() {
				switch {
				case s.target == "/p" && tt.want != "200" && s.err == nil:
					t.Errorf("the body %q was taken for complete", s.body)
				case s.target == "/p" && tt.want == "200" && (s.body != tt.body || s.err != nil):
					t.Errorf("body is %q (%v), want %q", s.body, s.err, tt.body)
				case strings.HasPrefix(tt.id, "P-26 trailers that") && s.target == "/p" && (len(s.trailers) != 1 || s.trailers[0].Name != "x-sum"):
					t.Errorf("trailers are %v", s.trailers)
				case strings.HasPrefix(tt.id, "P-27") && s.target != "/alive":
					t.Errorf("the handler saw %+v", s)
				}
			}
		})
	}
}

// TestP24CookieCrumbsBecomeOneField is about clients that compress cookies apart from each other.
func TestP24CookieCrumbsBecomeOneField(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.headers(1, true, get("/", "cookie", "a=1", "x-between", "y", "cookie", "b=2", "cookie", "c=3")...)
	if got := c.response(1).String(); got != "200" {
		t.Fatal(got)
	}
	n := 0
	for _, f := range r.requests()[0].fields {
		if f.ID == wire.Cookie {
			n++
			if f.Value != "a=1; b=2; c=3" {
				t.Errorf("cookie is %q", f.Value)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d cookie fields, want 1", n)
	}
}

// TestWhatEndsAConnection holds violations of the protocol that no stream is to blame for.
func TestWhatEndsAConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		send func(c *client)
		want string
	}{
		"P-32 even stream":            {func(c *client) { c.headers(2, true, get("/")...) }, "PROTOCOL_ERROR"},
		"P-32 stream 0":               {func(c *client) { c.headers(0, true, get("/")...) }, "PROTOCOL_ERROR"},
		"P-32 reused stream":          {func(c *client) { c.alive(1); c.headers(1, true, get("/")...) }, "STREAM_CLOSED"},
		"P-32 decreasing stream":      {func(c *client) { c.alive(5); c.headers(3, true, get("/")...) }, "PROTOCOL_ERROR"},
		"DATA on an idle stream":      {func(c *client) { c.fr.WriteData(7, true, []byte("x")) }, "PROTOCOL_ERROR"},
		"DATA on stream 0":            {func(c *client) { c.fr.WriteData(0, true, []byte("x")) }, "PROTOCOL_ERROR"},
		"RST_STREAM on idle stream":   {func(c *client) { c.fr.WriteRSTStream(7, xhttp2.ErrCodeCancel) }, "PROTOCOL_ERROR"},
		"window of an idle stream":    {func(c *client) { c.fr.WriteWindowUpdate(7, 1) }, "PROTOCOL_ERROR"},
		"window update of 0":          {func(c *client) { c.fr.WriteWindowUpdate(0, 0) }, "PROTOCOL_ERROR"},
		"window beyond the limit":     {func(c *client) { c.fr.WriteWindowUpdate(0, 1<<31-1) }, "FLOW_CONTROL_ERROR"},
		"CONTINUATION of nothing":     {func(c *client) { c.fr.WriteContinuation(1, true, nil) }, "PROTOCOL_ERROR"},
		"a frame within a head":       {func(c *client) { c.open(1); c.fr.WritePing(false, [8]byte{}) }, "PROTOCOL_ERROR"},
		"another head within a head":  {func(c *client) { c.open(1); c.fr.WriteContinuation(3, true, nil) }, "PROTOCOL_ERROR"},
		"PUSH_PROMISE":                {func(c *client) { c.fr.WriteRawFrame(xhttp2.FramePushPromise, 4, 1, make([]byte, 4)) }, "PROTOCOL_ERROR"},
		"SETTINGS on a stream":        {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameSettings, 0, 1, nil) }, "PROTOCOL_ERROR"},
		"SETTINGS of odd size":        {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameSettings, 0, 0, make([]byte, 5)) }, "FRAME_SIZE_ERROR"},
		"SETTINGS ack with a payload": {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameSettings, 1, 0, make([]byte, 6)) }, "FRAME_SIZE_ERROR"},
		"push of 2":                   {func(c *client) { c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingEnablePush, Val: 2}) }, "PROTOCOL_ERROR"},
		"frame size too small":        {func(c *client) { c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 16383}) }, "PROTOCOL_ERROR"},
		"frame size of 0":             {func(c *client) { c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize}) }, "PROTOCOL_ERROR"},
		"first window too large":      {func(c *client) { c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 31}) }, "FLOW_CONTROL_ERROR"},
		"PING on a stream":            {func(c *client) { c.fr.WriteRawFrame(xhttp2.FramePing, 0, 1, make([]byte, 8)) }, "PROTOCOL_ERROR"},
		"PING of 7 bytes":             {func(c *client) { c.fr.WriteRawFrame(xhttp2.FramePing, 0, 0, make([]byte, 7)) }, "FRAME_SIZE_ERROR"},
		"GOAWAY on a stream":          {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameGoAway, 0, 1, make([]byte, 8)) }, "PROTOCOL_ERROR"},
		"PRIORITY of 4 bytes":         {func(c *client) { c.fr.WriteRawFrame(xhttp2.FramePriority, 0, 9, make([]byte, 4)) }, "FRAME_SIZE_ERROR"},
		"RST_STREAM of 3 bytes":       {func(c *client) { c.alive(1); c.fr.WriteRawFrame(xhttp2.FrameRSTStream, 0, 1, make([]byte, 3)) }, "FRAME_SIZE_ERROR"},
		"WINDOW_UPDATE of 3 bytes":    {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameWindowUpdate, 0, 0, make([]byte, 3)) }, "FRAME_SIZE_ERROR"},
		"frame over 16 KiB":           {func(c *client) { c.headers(1, false, post("/")...); c.fr.WriteData(1, true, make([]byte, 16385)) }, "FRAME_SIZE_ERROR"},
		"more padding than payload": {func(c *client) {
			c.headers(1, false, post("/")...)
			c.fr.WriteRawFrame(xhttp2.FrameData, 8, 1, []byte{9, 1})
		}, "PROTOCOL_ERROR"},
		"HPACK index out of table":    {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameHeaders, 5, 1, []byte{0xff, 0xff, 0x01}) }, "COMPRESSION_ERROR"},
		"HPACK cut short":             {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameHeaders, 5, 1, []byte{0x40, 0x05, 'a'}) }, "COMPRESSION_ERROR"},
		"HPACK table too large":       {func(c *client) { c.fr.WriteRawFrame(xhttp2.FrameHeaders, 5, 1, []byte{0x3f, 0xe2, 0x1f}) }, "COMPRESSION_ERROR"},
		"stream that depends on self": {func(c *client) { c.fr.WriteRawFrame(xhttp2.FramePriority, 0, 1, []byte{0, 0, 0, 1, 9}) }, "PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			tt.send(c)
			if got := c.end(); got != "GOAWAY "+tt.want {
				t.Fatalf("got %s, want GOAWAY %s", got, tt.want)
			}
		})
	}
}

// open begins a head and does not end it.
func (c *client) open(id uint32) {
	c.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(get("/")...), EndStream: true})
}

func TestThePrefaceIsRequired(t *testing.T) {
	r := newRig(t)
	c := r.dialRaw()
	c.nc.Write([]byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"))
	if got := c.end(); got != "GOAWAY PROTOCOL_ERROR" {
		t.Errorf("got %s", got)
	}
	c = r.dialRaw()
	c.nc.Write([]byte(xhttp2.ClientPreface))
	c.fr.WritePing(false, [8]byte{})
	if got := c.end(); got != "GOAWAY PROTOCOL_ERROR" {
		t.Errorf("without SETTINGS: got %s", got)
	}
	if n := r.hits.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestUnknownFramesAndSettingsAreIgnored(t *testing.T) {
	r := newRig(t)
	c := r.dial(xhttp2.Setting{ID: 0x7777, Val: 1})
	c.fr.WriteRawFrame(0x77, 0xff, 1, []byte("whatever"))
	c.fr.WritePriority(9, xhttp2.PriorityParam{StreamDep: 3, Weight: 7})
	c.fr.WriteGoAway(0, xhttp2.ErrCodeNo, nil)
	c.fr.WritePing(false, [8]byte{1, 2})
	c.alive(1)
	if c.pongs != 1 || c.acks != 1 {
		t.Errorf("%d pongs, %d acks", c.pongs, c.acks)
	}
	if c.settings[xhttp2.SettingMaxConcurrentStreams] != 128 || c.settings[xhttp2.SettingMaxHeaderListSize] != 32<<10 ||
		c.settings[xhttp2.SettingInitialWindowSize] != streamWindow {
		t.Errorf("settings are %v", c.settings)
	}
}

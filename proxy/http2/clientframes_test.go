package http2

import (
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/wire"
)

// TestWhatUpstreamsMustNotSend sends one response that breaks a rule. The request fails, and what is said to the upstream is
// a reset of the stream (by its code), or the end of the connection.
func TestWhatUpstreamsMustNotSend(t *testing.T) {
	ok := func(u *frames, id uint32, end bool) { u.headers(id, end, ":status", "200") }
	for name, tt := range map[string]struct {
		send   func(u *frames, id uint32)
		want   string
		reset  xhttp2.ErrCode
		goaway int // the code that ends the connection; 0 for none
	}{
		"no :status":               {func(u *frames, id uint32) { u.headers(id, true, "a", "b") }, "malformed", 1, 0},
		"two :status":              {func(u *frames, id uint32) { u.headers(id, true, ":status", "200", ":status", "200") }, "malformed", 1, 0},
		"a status that is none":    {func(u *frames, id uint32) { u.headers(id, true, ":status", "2x0") }, "malformed", 1, 0},
		"status 099":               {func(u *frames, id uint32) { u.headers(id, true, ":status", "099") }, "malformed", 1, 0},
		"status 101":               {func(u *frames, id uint32) { u.headers(id, false, ":status", "101") }, "malformed", 1, 0},
		"an interim end":           {func(u *frames, id uint32) { u.headers(id, true, ":status", "103") }, "malformed", 1, 0},
		"a request's pseudo field": {func(u *frames, id uint32) { u.headers(id, true, ":status", "200", ":path", "/") }, "malformed", 1, 0},
		"a late pseudo field":      {func(u *frames, id uint32) { u.headers(id, true, "a", "b", ":status", "200") }, "malformed", 1, 0},
		"an upper-case name":       {func(u *frames, id uint32) { u.headers(id, true, ":status", "200", "A", "b") }, "malformed", 1, 0},
		"a line break in a value":  {func(u *frames, id uint32) { u.headers(id, true, ":status", "200", "a", "b\r\nc") }, "malformed", 1, 0},
		"transfer-encoding":        {func(u *frames, id uint32) { u.headers(id, true, ":status", "200", "transfer-encoding", "chunked") }, "malformed", 1, 0},
		"two lengths": {func(u *frames, id uint32) {
			u.headers(id, true, ":status", "200", "content-length", "1", "content-length", "2")
		}, "malformed", 1, 0},
		"too short a body": {func(u *frames, id uint32) {
			u.headers(id, false, ":status", "200", "content-length", "5")
			u.WriteData(id, true, []byte("abc"))
		}, "malformed", 1, 0},
		"too long a body": {func(u *frames, id uint32) {
			u.headers(id, false, ":status", "200", "content-length", "1")
			u.WriteData(id, true, []byte("abc"))
		}, "malformed", 1, 0},
		"a body before the head": {func(u *frames, id uint32) { u.WriteData(id, true, []byte("abc")) }, "malformed", 1, 0},
		"trailers without an end": {func(u *frames, id uint32) {
			ok(u, id, false)
			u.headers(id, false, "grpc-status", "0")
		}, "malformed", 1, 0},
		"a pseudo field in trailers": {func(u *frames, id uint32) {
			ok(u, id, false)
			u.headers(id, true, ":status", "200")
		}, "malformed", 1, 0},
		"a head too large": {func(u *frames, id uint32) {
			u.headers(id, false, ":status", "200", "a", strings.Repeat("x", 10_000), "b", strings.Repeat("y", 4_000))
		}, "head too large", 8, 0},
		"more than the window of the stream": {func(u *frames, id uint32) {
			ok(u, id, false)
			for range 5 {
				u.WriteData(id, false, make([]byte, 16<<10))
			}
		}, "malformed", 3, 0},
		"a window update of 0":         {func(u *frames, id uint32) { u.WriteWindowUpdate(id, 0) }, "malformed", 1, 0},
		"a window too large":           {func(u *frames, id uint32) { u.WriteWindowUpdate(id, 1<<31-1) }, "malformed", 3, 0},
		"a reset":                      {func(u *frames, id uint32) { u.WriteRSTStream(id, 2) }, "stream was reset with code 2", 0, 0},
		"a refusal":                    {func(u *frames, id uint32) { u.WriteRSTStream(id, 7) }, "refused", 0, 0},
		"a bomb of fields":             {func(u *frames, id uint32) { bombFields(u, id) }, "head too large", 11, 0},
		"a frame on stream 0":          {func(u *frames, id uint32) { u.WriteData(0, false, nil) }, "malformed", 0, 1},
		"a head that nobody asked for": {func(u *frames, id uint32) { ok(u, id+2, true) }, "malformed", 0, 1},
		"a stream of its own":          {func(u *frames, id uint32) { ok(u, 2, true) }, "malformed", 0, 1},
		"a push": {func(u *frames, id uint32) {
			u.WriteRawFrame(5, 4, id, append([]byte{0, 0, 0, 2}, u.block(":path", "/")...))
		}, "malformed", 0, 1},
		"something between heads": {func(u *frames, id uint32) {
			u.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: u.block(":status", "200")})
			u.WritePing(false, [8]byte{})
		}, "malformed", 0, 1},
		"rubbish for HPACK":   {func(u *frames, id uint32) { u.WriteRawFrame(1, 4, id, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) }, "malformed", 0, 9},
		"a frame too large":   {func(u *frames, id uint32) { u.WriteRawFrame(0, 0, id, make([]byte, 17<<10)) }, "malformed", 0, 6},
		"a flood of PING":     {func(u *frames, id uint32) { swamp(u, func() error { return u.WritePing(false, [8]byte{}) }) }, "malformed", 0, 11},
		"a flood of SETTINGS": {func(u *frames, id uint32) { swamp(u, func() error { return u.WriteSettings() }) }, "malformed", 0, 11},
		"a flood of empty DATA": {func(u *frames, id uint32) {
			ok(u, id, false)
			swamp(u, func() error { return u.WriteData(id, false, nil) })
		}, "malformed", 0, 11},
		"endless CONTINUATION": {func(u *frames, id uint32) {
			u.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: u.block(":status", "200")})
			swamp(u, func() error { return u.WriteContinuation(id, false, u.block("a", strings.Repeat("b", 500))) })
		}, "malformed", 0, 11},
		"the end of the connection": {func(u *frames, id uint32) { u.Close() }, "unexpected EOF", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			c := byHand(t, func(u *frames) {
				defer close(done)
				u.WriteSettings()
				tt.send(u, u.request())
				switch {
				case tt.goaway != 0:
					// That the connection ends is what counts: the last frame may be lost with it.
					if code := u.gone(); code != tt.goaway && code != -1 {
						t.Errorf("the connection ended with %d, want %d", code, tt.goaway)
					}
				case tt.reset != 0:
					if code := u.reset(); code != tt.reset {
						t.Errorf("reset with %v, want %v", code, tt.reset)
					}
				}
			})
			greet(t, c)
			s := place(t, c)
			_ = s.WriteRequest(call("GET", "/", 0))
			if err := s.FinishWithRead(nil); err != nil {
				t.Fatal(err)
			}
			if tt.reset == xhttp2.ErrCodeFlowControl {
				<-done // whoever takes what comes is granted more
			}
			var a reply
			var r wire.Response
			if a.err = s.ReadResponse(&r, nil, "GET", 8<<10); a.err == nil {
				_, a.err, _ = s.CopyBody(new(sink))
			}
			check(t, a, tt.want)
			_ = s.Close()
			<-done // a connection without requests is closed, and the last frame may be lost with it
			s.Release()
		})
	}
}

// bombFields sends a head of thousands of references to one field.
func bombFields(u *frames, id uint32) {
	block := u.block(":status", "200", "a", strings.Repeat("b", 2000))
	u.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, EndStream: true, EndHeaders: true, BlockFragment: append(block, []byte(strings.Repeat("\xbe", 5000))...)})
}

// swamp sends frames until the other side has had enough.
func swamp(u *frames, send func() error) {
	for range 20_000 {
		if send() != nil {
			return
		}
	}
}

func TestGoAwayGivesBackWhatWasNotBegun(t *testing.T) {
	c := byHand(t, func(u *frames) {
		u.WriteSettings()
		one, two := u.request(), u.request()
		u.WriteGoAway(one, 0, nil)
		u.headers(one, false, ":status", "200")
		u.WriteData(one, true, []byte("served"))
		if code := u.gone(); code != -1 || two != one+2 {
			t.Errorf("ended with %d", code)
		}
	})
	greet(t, c)
	one, two := place(t, c), place(t, c)
	for _, s := range []*ClientStream{one, two} {
		_ = s.WriteRequest(call("POST", "/", wire.Unknown))
		if err := s.FinishWithRead([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	check(t, finish(two), "refused")
	check(t, finish(one), "200 served")
	late := c.Reserve()
	one.Release()
	two.Release()
	if _, open := c.Idle(); open || late {
		t.Error("requests go on after GOAWAY")
	}
}

func TestAClientThatGivesUpResetsItsStreamOnly(t *testing.T) {
	c := byHand(t, func(u *frames) {
		u.WriteSettings()
		one, two := u.request(), u.request()
		if code := u.reset(); code != xhttp2.ErrCodeCancel {
			t.Errorf("reset with %v", code)
		}
		u.headers(one, true, ":status", "200") // comes too late
		u.headers(two, true, ":status", "204")
		u.gone()
	})
	greet(t, c)
	one, two := place(t, c), place(t, c)
	for _, s := range []*ClientStream{one, two} {
		_ = s.WriteRequest(call("GET", "/", 0))
		_ = s.FinishWithRead(nil)
	}
	time.AfterFunc(10*time.Millisecond, func() { one.Close() })
	if a := finish(one); a.err == nil {
		t.Error("a response after Close")
	}
	one.Release()
	check(t, finish(two), "204 ")
	two.Release()
}

func TestInterimResponsesAndTrailersOnly(t *testing.T) {
	c := byHand(t, func(u *frames) {
		u.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 0})
		id := u.request()
		u.headers(id, false, ":status", "103", "link", "x")
		u.headers(id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "x-accel-redirect", "/secret")
		u.gone()
	})
	greet(t, c)
	a := ask(t, c, call("POST", "/", wire.Unknown), "x")
	if a.err != nil || a.length != wire.Unknown || a.fields["grpc-status"] != "5" || a.fields["x-accel-redirect"] != "" || len(a.trailers) != 0 {
		t.Errorf("%+v", a)
	}
}

func TestWhoSpeaksSomethingElseIsNotGreeted(t *testing.T) {
	c := byHand(t, func(u *frames) { u.Conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	if err := c.Greet(t.Context()); err != ErrNotHTTP2 {
		t.Error(err)
	}
	if c.Reserve() {
		t.Error("a place on a connection that does not speak HTTP/2")
	}
}

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawHTTP2 sends one request as it is written, by prior knowledge and on a connection of its own. fields are "name: value", of
// which those that begin with a colon come first. The status is 0 if the stream or the connection was reset.
func (s *stage) rawHTTP2(body string, fields ...string) *reply {
	s.t.Helper()
	c, err := net.Dial("tcp", s.gate.HTTP)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, f := range fields {
		name, value, _ := strings.Cut(f[1:], ": ")
		_ = encoder.WriteField(hpack.HeaderField{Name: f[:1] + name, Value: value})
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = framer.WriteData(1, true, []byte(body))
	}
	r := &reply{Header: map[string][]string{}}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return r
		}
		ended := false
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				if h.Name == ":status" {
					r.Status, _ = strconv.Atoi(h.Value)
				}
				r.Header.Add(h.Name, h.Value)
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			r.Body += string(f.Data())
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return r
		}
		if ended {
			break
		}
	}
	if r.Header.Get("X-Echo") != "" {
		r.Seen = new(seen)
		if err := json.Unmarshal([]byte(r.Body), r.Seen); err != nil {
			s.t.Errorf("echo %q: %v", r.Body, err)
		}
	}
	return r
}

// TestAttackOverHTTP2 is what HTTP/2 adds to the ways past the guards: fields that HTTP/1.1 cannot carry, two names of the
// host, paths without a slash.
func TestAttackOverHTTP2(t *testing.T) {
	s := newStage(t)
	s.echo("open", "guard", "b")
	auth := newAuthServer(t)
	s.add(ing{name: "open", host: "h.test", paths: []string{"/ Prefix open"}, age: 2}.String(),
		ing{name: "guard", host: "h.test", paths: []string{"/admin Prefix guard"}, notes: []string{"denylist-source-range: 127.0.0.1"}}.String(),
		ing{name: "other", host: "other.test", paths: []string{"/ Prefix guard"}, notes: []string{"denylist-source-range: 127.0.0.1"}}.String(),
		ing{name: "user", host: "user.test", paths: []string{"/ Prefix open"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-response-headers: X-User"}}.String())
	s.start()
	request := func(path string, more ...string) []string {
		return append([]string{":method: GET", ":scheme: http", ":authority: h.test", ":path: " + path}, more...)
	}
	if r := s.rawHTTP2("", request("/x")...); r.String() != "open /x" {
		t.Fatalf("a plain request: %s %v", r, r)
	}
	for _, d := range disguises {
		r := s.rawHTTP2("", request(d)...)
		if r.Status != 200 {
			continue
		}
		raw, _, _ := strings.Cut(r.Seen.URI, "?")
		for name, read := range models {
			if p := read(raw); r.Seen.Service != "open" || p == "/admin" || strings.HasPrefix(p, "/admin/") {
				t.Errorf("%q went to %s as %q, which is %q to a backend that reads %s", d, r.Seen.Service, raw, p, name)
			}
		}
	}
	for _, c := range []struct {
		what   string
		fields []string
		want   string // statuses that are fine; 0 is a reset
	}{
		{"another host field", request("/x", "host: other.test"), "0 400 421"},
		{"the same host twice", request("/x", "host: h.test"), "0 200 400"},
		{"two authorities", append(request("/x"), ":authority: other.test"), "0 400"},
		{"no authority, a host field", []string{":method: GET", ":scheme: http", ":path: /", "host: other.test"}, "403"},
		{"neither", []string{":method: GET", ":scheme: http", ":path: /"}, "0 400 404"},
		{"two paths", append(request("/x"), ":path: /admin"), "0 400"},
		{"no path", []string{":method: GET", ":scheme: http", ":authority: h.test"}, "0 400"},
		{"an empty path", request(""), "0 400"},
		{"a path without slash", request("admin"), "0 400"},
		{"a path that is a URL", request("http://other.test/"), "0 400 403"},
		{"a path with a space", request("/x HTTP/1.1"), "0 400"},
		{"a path with a line", request("/x HTTP/1.1\r\nX-Evil: y"), "0 400"},
		{"a path with a NUL", request("/x\x00"), "0 400"},
		{"an authority with user", []string{":method: GET", ":scheme: http", ":authority: u@h.test", ":path: /"}, "0 400"},
		{"an authority with a path", []string{":method: GET", ":scheme: http", ":authority: h.test/admin", ":path: /"}, "0 400"},
		{"an authority with a line", []string{":method: GET", ":scheme: http", ":authority: h.test\r\nX-Evil: y", ":path: /"}, "0 400"},
		{"a method with a line", []string{":method: GET / HTTP/1.1\r\nX-Evil: y\r\n", ":scheme: http", ":authority: h.test", ":path: /"}, "0 400 405"},
		{"a method with a space", []string{":method: GET /admin", ":scheme: http", ":authority: h.test", ":path: /"}, "0 400 405"},
		{"CONNECT", []string{":method: CONNECT", ":authority: other.test:80"}, "0 400 403 405"},
		{"an unknown pseudo field", append(request("/x"), ":x-evil: y"), "0 400"},
		{"a pseudo field behind others", request("/x", "a: b", ":path: /admin"), "0 400"},
		{"a value with a line", request("/x", "a: b\r\nX-Evil: y"), "0 400"},
		{"a value with a line feed", request("/x", "a: b\nX-Evil: y"), "0 400"},
		{"a value with a NUL", request("/x", "a: b\x00"), "0 400"},
		{"a name with a colon", request("/x", "a:b: c"), "0 400"},
		{"a name with a line", request("/x", "a\r\nx-evil: y"), "0 400"},
		{"a name with a space", request("/x", "x-evil : y"), "0 400"},
		{"a name in upper case", request("/x", "X-Evil: y"), "0 400"},
		{"an empty name", request("/x", " : y"), "0 400"},
		{"connection", request("/x", "connection: x-real-ip"), "0 400"},
		{"transfer-encoding", request("/x", "transfer-encoding: chunked"), "0 400"},
		{"upgrade", request("/x", "upgrade: websocket"), "0 400"},
		{"te", request("/x", "te: gzip"), "0 400"},
		{"content-length of nothing", request("/x", "content-length: 5"), "0 400"},
		{"two content-lengths", request("/x", "content-length: 0", "content-length: 1"), "0 400"},
		{"a bad content-length", request("/x", "content-length: +0"), "0 400"},
	} {
		r := s.rawHTTP2("", c.fields...)
		if !strings.Contains(" "+c.want+" ", fmt.Sprintf(" %d ", r.Status)) {
			t.Errorf("%s: %s, want one of %s", c.what, r, c.want)
		}
		if r.Seen != nil && (r.Seen.Header.Get("X-Evil") != "" || r.Seen.Service != "open") {
			t.Errorf("%s: %s saw %v", c.what, r.Seen.Service, r.Seen.Header)
		}
	}
	// A body that is another request, and one that is longer than it says.
	hidden := "GET /admin HTTP/1.1\r\nHost: h.test\r\n\r\n"
	post := func(more ...string) []string {
		return append([]string{":method: POST", ":scheme: http", ":authority: h.test", ":path: /x"}, more...)
	}
	if r := s.rawHTTP2(hidden, post()...); r.Seen == nil || r.Seen.Body != hidden {
		t.Errorf("a body that looks like a request: %s %v", r, r.Seen)
	}
	for _, length := range []string{"0", "5", "1000"} {
		if r := s.rawHTTP2(hidden, post("content-length: "+length)...); r.Status == 200 {
			t.Errorf("a body of %d bytes with content-length %s: %v", len(hidden), length, r.Seen)
		}
	}
	r := s.rawHTTP2("", ":method: GET", ":scheme: https", ":authority: user.test", ":path: /", "x-user: root", "x-real-ip: 6.6.6.6", "x-forwarded-for: 6.6.6.6", "x_user: root", "cookie: a=b", "cookie: c=d")
	if h := r.Seen.Header; h.Get("X-User") != "" || h.Get("X-Real-Ip") != "127.0.0.1" || h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Proto") != "http" || h.Get("Cookie") != "a=b; c=d" || h["X_user"] != nil {
		t.Errorf("identity: %v", h)
	}
}

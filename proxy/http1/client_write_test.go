package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestRequestsOnTheWire(t *testing.T) {
	u := wiretest.NewUpstream(t, nil)
	fields := func(list ...string) (f wire.Fields) {
		for i := 0; i < len(list); i += 2 {
			f.Add(list[i], list[i+1])
		}
		return f
	}
	for name, c := range map[string]struct {
		r      wire.Request
		body   string
		http10 bool
		line   string
		fields string
	}{
		"GET": {
			r:    wire.Request{Method: "GET", Target: "/a?b", Authority: "a.test:80", Fields: fields("X-A", "1", "x-b", "2", "X-A", "3", "X-C", "caf\xe9")},
			line: "GET /a?b HTTP/1.1", fields: "Host=a.test:80|X-A=1|x-b=2|X-A=3|X-C=caf\xe9",
		},
		"framing comes from the length, not from the fields": {
			r:    wire.Request{Method: "POST", Target: "/", Authority: "a", Length: 2, Fields: fields("Content-Length", "9", "Transfer-Encoding", "chunked", "Connection", "close", "Upgrade", "foo", "host", "b")},
			body: "hi", line: "POST / HTTP/1.1", fields: "Host=a|Content-Length=2",
		},
		"POST without a body": {r: wire.Request{Method: "POST", Target: "/", Authority: "a"}, line: "POST / HTTP/1.1", fields: "Host=a|Content-Length=0"},
		"DELETE":              {r: wire.Request{Method: "DELETE", Target: "/", Authority: "a"}, line: "DELETE / HTTP/1.1", fields: "Host=a"},
		"chunks":              {r: wire.Request{Method: "PUT", Target: "/", Authority: "a", Length: -1}, body: "hi", line: "PUT / HTTP/1.1", fields: "Host=a|Transfer-Encoding=chunked"},
		"large body":          {r: wire.Request{Method: "PUT", Target: "/", Authority: "a", Length: 1 << 20}, body: strings.Repeat("x", 1<<20), line: "PUT / HTTP/1.1", fields: "Host=a|Content-Length=1048576"},
		"large chunk":         {r: wire.Request{Method: "PUT", Target: "/", Authority: "a", Length: -1}, body: strings.Repeat("x", 1<<20), line: "PUT / HTTP/1.1", fields: "Host=a|Transfer-Encoding=chunked"},
		"HTTP/1.0":            {r: wire.Request{Method: "GET", Target: "/", Authority: "a"}, http10: true, line: "GET / HTTP/1.0", fields: "Connection=close|Host=a"},
		"no host":             {r: wire.Request{Method: "GET", Target: "/"}, line: "GET / HTTP/1.1", fields: "Host="},
		"controls in values":  {r: wire.Request{Method: "GET", Target: "/", Authority: "a\r\nX: y", Fields: fields("X-A", "1\r\nX-B: 2\x00\t.")}, line: "GET / HTTP/1.1", fields: "Host=a  X: y|X-A=1  X-B: 2 \t."},
		"a large head":        {r: wire.Request{Method: "GET", Target: "/", Authority: "a", Fields: fields("X-A", strings.Repeat("x", 9000))}, line: "GET / HTTP/1.1", fields: "Host=a|X-A=" + strings.Repeat("x", 9000)},
	} {
		for way, finish := range finishers {
			t.Run(name+", "+way, func(t *testing.T) {
				before := len(u.Requests())
				conn := dialUpstream(t, u.Addr)
				if err := conn.WriteRequest(&c.r, c.http10); err != nil {
					t.Fatal(err)
				}
				if conn.Sent() != 0 {
					t.Error("something was sent too early")
				}
				if err := finish(conn, []byte(c.body)); err != nil {
					t.Fatal(err)
				}
				if got := receive(conn, c.r.Method); got.status != 200 || got.err != nil {
					t.Fatalf("got %+v", got)
				}
				if conn.Sent() < int64(len(c.body)) {
					t.Errorf("%d bytes were sent", conn.Sent())
				}
				q := u.Requests()[before]
				var f []string
				for _, x := range q.Fields {
					f = append(f, x.Name+"="+x.Value)
				}
				if q.StartLine != c.line || strings.Join(f, "|") != c.fields || q.Body != c.body || q.Err != nil {
					t.Errorf("upstream saw %q with %.300q and a body of %d bytes, %v", q.StartLine, f, len(q.Body), q.Err)
				}
			})
		}
	}
}

func TestRequestsThatCannotBeWritten(t *testing.T) {
	c := cannedClient("")
	for name, r := range map[string]wire.Request{
		"a space in the target":    {Method: "GET", Target: "/a b"},
		"a line end in the target": {Method: "GET", Target: "/a\r\nX:"},
		"no target":                {Method: "GET"},
		"no method":                {Target: "/"},
		"no token for a method":    {Method: "GET /x", Target: "/"},
	} {
		if err := c.WriteRequest(&r, false); !errors.Is(err, wire.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.WriteRequest(&wire.Request{Method: "PUT", Target: "/", Length: -1}, true); !errors.Is(err, wire.ErrRequest) {
		t.Errorf("HTTP/1.0 without length: %v", err)
	}
	if err := c.WriteRequest(&wire.Request{Method: "PUT", Target: "/", Length: 1}, false); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteBody([]byte("hi")); !errors.Is(err, wire.ErrRequest) {
		t.Errorf("too long a body: %v", err)
	}
	if err := c.FinishRequest(nil); !errors.Is(err, wire.ErrRequest) || c.Sent() != 0 {
		t.Errorf("too short a body: %v, sent %d", err, c.Sent())
	}
}

func TestRequestTrailers(t *testing.T) {
	u := wiretest.NewUpstream(t, nil)
	c := dialUpstream(t, u.Addr)
	if err := c.WriteRequest(&wire.Request{Method: "POST", Target: "/", Authority: "a", Length: -1}, false); err != nil {
		t.Fatal(err)
	}
	c.WriteBody([]byte("hi"))
	var trailers wire.Fields
	trailers.Add("X-Sum", "1\r\n2")
	if err := c.FinishRequest(&trailers); err != nil {
		t.Fatal(err)
	}
	receive(c, "POST")
	if q := u.Requests()[0]; len(q.Trailers) != 1 || q.Trailers[0].Value != "1  2" {
		t.Errorf("upstream saw trailers %+v", q.Trailers)
	}
}

package http1

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestInterimResponses(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		early := wire.Response{Status: 103}
		early.Fields.Add("Link", "</x>; rel=preload")
		for range 3 {
			if err := x.Stream.Informational(&early); err != nil {
				t.Error(err)
			}
		}
		answer(x, r.record(x).err)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	for range 3 {
		if m := c.Must("GET", 103); m.Get("Link") == "" || m.Has("Content-Length") {
			t.Errorf("interim response has %+v", m.Fields)
		}
	}
	c.Must("GET", 200)
}

func TestInterimResponsesDoNotGoToHTTP10(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.Stream.Informational(&wire.Response{Status: 103})
		answer(x, nil)
	}
	r.run(get("GET / HTTP/1.0"), []int{200}, false)
}

// respond is a handler that answers with these fields, this length and this body.
func respond(status int, length int64, body string) func(x *filter.Exchange) {
	return func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = status, length
		x.Response.HasLength = length >= 0
		x.Body = body
		write(x)
	}
}

func TestResponseFraming(t *testing.T) {
	type want struct {
		length, encoding, connection, body string
	}
	for name, c := range map[string]struct {
		line   string
		status int
		length int64
		body   string
		want   want
	}{
		"a known length":             {"GET / HTTP/1.1", 200, 2, "hi", want{length: "2", body: "hi"}},
		"an empty body":              {"GET / HTTP/1.1", 200, 0, "", want{length: "0"}},
		"an unknown length":          {"GET / HTTP/1.1", 200, wire.Unknown, "hi", want{encoding: "chunked", body: "hi"}},
		"unknown to HTTP/1.0":        {"GET / HTTP/1.0", 200, wire.Unknown, "hi", want{connection: "close", body: "hi"}},
		"R-01 HEAD keeps the length": {"HEAD / HTTP/1.1", 200, 55, strings.Repeat("x", 55), want{length: "55"}},
		"HEAD of unknown length":     {"HEAD / HTTP/1.1", 200, wire.Unknown, "hi", want{}},
		"R-02 204 has no body":       {"GET / HTTP/1.1", 204, 2, "hi", want{}},
		"R-02 304 keeps the length":  {"GET / HTTP/1.1", 304, 55, "hi", want{length: "55"}},
		"304 without a length":       {"GET / HTTP/1.1", 304, wire.Unknown, "", want{}},
		"client asks to close":       {"GET / HTTP/1.1\r\nConnection: close", 200, 2, "hi", want{length: "2", connection: "close", body: "hi"}},
		"HTTP/1.0 asks to keep":      {"GET / HTTP/1.0\r\nConnection: keep-alive", 200, 2, "hi", want{length: "2", connection: "keep-alive", body: "hi"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = respond(c.status, c.length, c.body)
			client := wiretest.Dial(t, r.addr)
			client.Send(get(c.line))
			method, _, _ := strings.Cut(c.line, " ")
			m := client.Must(method, c.status)
			if got := (want{m.Get("Content-Length"), m.Get("Transfer-Encoding"), m.Get("Connection"), m.Body}); got != c.want {
				t.Errorf("response has %+v, want %+v", got, c.want)
			}
			if !m.Has("Date") {
				t.Error("response has no Date")
			}
			if c.want.connection == "close" {
				if end := client.End(wiretest.Wait); end != wiretest.Closed {
					t.Errorf("connection is %s, want it closed", end)
				}
				return
			}
			client.Send(get("HEAD / HTTP/1.1"))
			client.Must("HEAD", c.status)
		})
	}
}

func TestResponseHeadIsTheEnginesToFrame(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.ReplyText(200, "text/plain", "hi")
		for name, value := range map[string]string{"Content-Length": "9", "transfer-encoding": "chunked", "Connection": "close", "Keep-Alive": "x", "Upgrade": "foo"} {
			x.Response.Fields.Add(name, value)
		}
		x.Response.Fields.Add("X-Bad", "a\r\nX-Smug: 1\x00")
		x.Response.Fields.Add("Date", "yesterday")
		x.Response.Fields.Add("Set-Cookie", "a=1")
		x.Response.Fields.Add("Set-Cookie", "b=2")
		x.Response.Reason = "Fine\r\nX-Smug: 2"
		write(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	m := c.Must("GET", 200)
	var got []string
	for _, f := range m.Fields {
		got = append(got, f.Name+"="+f.Value)
	}
	want := "Content-Type=text/plain|X-Bad=a  X-Smug: 1|Date=yesterday|Set-Cookie=a=1|Set-Cookie=b=2|Content-Length=2"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("fields are %q, want %q", s, want)
	}
	if m.StartLine != "HTTP/1.1 200 Fine  X-Smug: 2" {
		t.Errorf("status line is %q", m.StartLine)
	}
}

func TestChunkedResponsesCarryTrailersAndFlush(t *testing.T) {
	r := newRig(t)
	gate := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		s := x.Stream
		s.WriteHead(&x.Response)
		s.Write([]byte("first"))
		s.Flush()
		<-gate
		s.Write(bytes.Repeat([]byte("x"), 100_000))
		s.Write(nil)
		s.Write([]byte("last"))
		var trailers wire.Fields
		trailers.Add("Grpc-Status", "0")
		s.Finish(&trailers)
		if total, body := s.Written(); body != 100_009 || total <= body {
			t.Errorf("written %d in all, %d of body", total, body)
		}
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	// The first chunk is here although the response is not over.
	var begin []byte
	for !bytes.HasSuffix(begin, []byte("5\r\nfirst\r\n")) {
		b, err := c.Raw().ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		begin = append(begin, b)
	}
	close(gate)
	rest := wiretest.NewClient(t, replay{Conn: c.Conn(), r: io.MultiReader(bytes.NewReader(begin), c.Raw())})
	m := rest.Must("GET", 200)
	if len(m.Body) != 100_009 || !m.Chunked || len(m.Trailers) != 1 || m.Trailers[0].Name != "Grpc-Status" {
		t.Errorf("body of %d bytes, trailers %+v", len(m.Body), m.Trailers)
	}
}

// replay is a connection of which something was read already.
type replay struct {
	net.Conn
	r io.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.r.Read(p) }

func TestAResponseThatIsNotCompleteNeverLooksComplete(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		serve func(x *filter.Exchange)
	}{
		"fewer bytes than announced": {"GET / HTTP/1.1", respond(200, 10, "hi")},
		"aborted in chunks": {"GET / HTTP/1.1", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
			x.Stream.Abort()
		}},
		"aborted until close": {"GET / HTTP/1.0", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
			x.Stream.Abort()
		}},
		"never finished": {"GET / HTTP/1.1", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = c.serve
			client := wiretest.Dial(t, r.addr)
			client.Send(get(c.line))
			if m, err := client.Response("GET"); err == nil && m.Complete {
				t.Errorf("response looks complete: %+v", m)
			}
		})
	}
	t.Run("more bytes than announced", func(t *testing.T) {
		r := newRig(t)
		r.serve = respond(200, 1, "hi")
		client := wiretest.Dial(t, r.addr)
		client.Send(get("GET / HTTP/1.1"))
		if m, err := client.Response("GET"); err == nil && m.Complete {
			t.Errorf("response looks complete: %+v", m)
		}
	})
	t.Run("no answer at all", func(t *testing.T) {
		r := newRig(t)
		r.serve = func(*filter.Exchange) {}
		r.run(get("GET / HTTP/1.1"), []int{500}, false)
	})
}

// A stream that has served nothing yet must answer as one that has: its fields are zero, not reset.
func TestTheFirstUpgradeOfAStreamSaysNoLength(t *testing.T) {
	var o response
	q := wire.Request{Method: "GET", Major: 1, Minor: 1, KeepAlive: true}
	if err := o.setMode(&q, &wire.Response{Status: 101}); err != nil {
		t.Fatal(err)
	}
	o.appendFraming(&q)
	if got := string(o.buf); got != "Connection: upgrade\r\nUpgrade: websocket\r\n" {
		t.Errorf("framing of the upgrade: %q", got)
	}
}

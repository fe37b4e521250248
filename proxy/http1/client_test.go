package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// dialUpstream returns a client connection to an upstream.
func dialUpstream(tb testing.TB, addr string) *ClientConn {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	c := NewClientConn(conn)
	c.SetReadTimeout(wiretest.Wait)
	c.SetWriteTimeout(wiretest.Wait)
	return c
}

// result is what came of an exchange.
type result struct {
	status   int
	length   int64
	declared bool
	fields   string // name=value, joined by |
	body     string
	trailers string
	err      error
	reusable bool
	interim  []int
}

// joined renders fields for comparison.
func joined(f *wire.Fields) string {
	if f == nil {
		return ""
	}
	var out []string
	for _, x := range f.All() {
		out = append(out, x.Name+"="+x.Value)
	}
	return strings.Join(out, "|")
}

// do runs one exchange with a connection.
func do(c *ClientConn, r *wire.Request, body string) result {
	if err := c.WriteRequest(r, false); err != nil {
		return result{err: err}
	}
	if err := c.WriteBody([]byte(body)); err != nil {
		return result{err: err}
	}
	if err := c.FinishRequest(nil); err != nil {
		return result{err: err}
	}
	return receive(c, r.Method)
}

// receive reads a response to its end.
func receive(c *ClientConn, method string) (out result) {
	var resp wire.Response
	var a wire.Arena
	for {
		if out.err = c.ReadResponse(&resp, &a, method, 64<<10); out.err != nil {
			return out
		}
		if resp.Status >= 200 || resp.Status == 101 {
			break
		}
		out.interim = append(out.interim, resp.Status)
	}
	out.status, out.length, out.declared, out.fields = resp.Status, resp.Length, resp.HasLength, joined(&resp.Fields)
	if resp.Status == 101 {
		return out
	}
	b, err := io.ReadAll(c)
	out.body, out.err, out.trailers = string(b), err, joined(c.Trailers())
	out.reusable = c.Reusable()
	return out
}

func TestUpstreamAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	ok := func(body string) result {
		return result{status: 200, length: int64(len(body)), body: body, reusable: true}
	}
	bad := result{err: wire.ErrMalformed}
	cut := func(length int64, body string) result {
		return result{status: 200, length: length, body: body, err: wire.ErrMalformed}
	}
	for name, c := range map[string]struct {
		method string
		send   string
		want   result
	}{
		"a known length":                       {"GET", head + "Content-Length: 2\r\n\r\nok", ok("ok")},
		"no body":                              {"GET", head + "Content-Length: 0\r\n\r\n", ok("")},
		"chunks":                               {"GET", head + "Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", result{status: 200, length: -1, body: "ok", reusable: true}},
		"padded chunk sizes":                   {"GET", head + "Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0 \r\n\r\n", result{status: 200, length: -1, body: "ok", reusable: true}},
		"until the end":                        {"GET", head + "\r\nok", result{status: 200, length: -1, body: "ok"}},
		"no reason":                            {"GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", ok("ok")},
		"an unknown status":                    {"GET", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok", result{status: 799, length: 2, body: "ok", reusable: true}},
		"upstream closes":                      {"GET", head + "Connection: Close\r\nContent-Length: 2\r\n\r\nok", result{status: 200, length: 2, body: "ok"}},
		"R-01 HEAD":                            {"HEAD", head + "Content-Length: 55\r\n\r\n", result{status: 200, length: 55, declared: true, reusable: true}},
		"R-01 HEAD in chunks":                  {"HEAD", head + "Transfer-Encoding: chunked\r\n\r\n", result{status: 200, length: -1, reusable: true}},
		"R-02 204 and a body":                  {"GET", "HTTP/1.1 204 No\r\n\r\nhello", result{status: 204}},
		"R-02 304 and a body":                  {"GET", "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello", result{status: 304, length: 5, declared: true}},
		"304":                                  {"GET", "HTTP/1.1 304 No\r\nETag: x\r\n\r\n", result{status: 304, length: -1, fields: "ETag=x", reusable: true}},
		"R-03 interim responses":               {"GET", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + head + "Content-Length: 2\r\n\r\nok", result{status: 200, length: 2, body: "ok", reusable: true, interim: []int{103, 102}}},
		"R-03 interim responses without end":   {"GET", strings.Repeat("HTTP/1.1 103 Early\r\nLink: "+strings.Repeat("x", 4000)+"\r\n\r\n", 40), bad},
		"R-05 CL and TE":                       {"GET", head + "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head + "Content-Length: 2\r\n\r\nno", bad},
		"R-06 two lengths":                     {"GET", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", bad},
		"R-06 the same length twice":           {"GET", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", bad},
		"R-06 a list of lengths":               {"GET", head + "Content-Length: 2, 2\r\n\r\nok", bad},
		"R-06 no number":                       {"GET", head + "Content-Length: +2\r\n\r\nok", bad},
		"R-07 CR in a value":                   {"GET", head + "X-A: a\rb\r\n\r\n", bad},
		"R-07 NUL in a value":                  {"GET", head + "X-A: a\x00b\r\n\r\n", bad},
		"R-08 space in a name":                 {"GET", head + "X A: b\r\n\r\n", bad},
		"R-08 space before the colon":          {"GET", head + "X-A : b\r\n\r\n", bad},
		"R-09 folded":                          {"GET", head + "X-A: a\r\n b\r\n\r\n", bad},
		"R-10 body cut short":                  {"GET", head + "Content-Length: 50\r\n\r\nhello", cut(50, "hello")},
		"R-10 chunks cut short":                {"GET", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", cut(-1, "hello")},
		"R-10 a chunk cut short":               {"GET", head + "Transfer-Encoding: chunked\r\n\r\n9\r\nhello", cut(-1, "hello")},
		"R-10 trailers cut short":              {"GET", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", cut(-1, "hello")},
		"a malformed chunk":                    {"GET", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", cut(-1, "hello")},
		"R-11 no status line":                  {"GET", "hello, world\r\n\r\n", bad},
		"R-11 another protocol":                {"GET", "SSH-2.0-OpenSSH_9.9\r\n", bad},
		"R-11 HTTP/2":                          {"GET", "HTTP/2.0 200 OK\r\n\r\n", bad},
		"R-11 a head without end":              {"GET", head + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 11<<10), result{err: wire.ErrHeadTooLarge}},
		"R-11 one byte over the limit":         {"GET", head + "X-A: " + strings.Repeat("x", 64<<10-len(head)-8) + "\r\n\r\n", result{err: wire.ErrHeadTooLarge}},
		"a head as long as the limit":          {"GET", head + "X-A: " + strings.Repeat("x", 64<<10-len(head)-9) + "\r\n\r\n", result{status: 200, length: -1, fields: "X-A=" + strings.Repeat("x", 64<<10-len(head)-9)}},
		"a head cut short":                     {"GET", head + "X-A: b", bad},
		"nothing":                              {"GET", "", result{err: io.EOF}},
		"bare LF":                              {"GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", bad},
		"R-12 fields of the connection":        {"GET", head + "Connection: X-Foo, keep-alive\r\nX-Foo: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nProxy-Connection: x\r\nTE: x\r\nUpgrade: h2c\r\nX-Bar: 2\r\nConnection: x-baz\r\nX-Baz: 3\r\nContent-Length: 2\r\n\r\nok", result{status: 200, length: 2, fields: "X-Bar=2", body: "ok", reusable: true}},
		"R-13 trailers":                        {"GET", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 9\r\n\r\n", result{status: 200, length: -1, body: "ok", trailers: "Grpc-Status=0", reusable: true}},
		"R-14 a second answer":                 {"GET", head + "Content-Length: 2\r\n\r\nok" + head + "Content-Length: 2\r\n\r\nno", result{status: 200, length: 2, body: "ok"}},
		"R-14 a second answer behind chunks":   {"GET", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head, result{status: 200, length: -1}},
		"R-15 status 099":                      {"GET", "HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok", bad},
		"R-15 status 1000":                     {"GET", "HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\nok", bad},
		"R-15 status of two digits":            {"GET", "HTTP/1.1 20 No\r\nContent-Length: 2\r\n\r\nok", bad},
		"R-15 status with a sign":              {"GET", "HTTP/1.1 +20 No\r\nContent-Length: 2\r\n\r\nok", bad},
		"control in the reason":                {"GET", "HTTP/1.1 200 a\x01b\r\n\r\n", bad},
		"R-16 HTTP/1.0, two cookies":           {"GET", "HTTP/1.0 200 OK\r\nSet-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok", result{status: 200, length: 2, fields: "Set-Cookie=a=1|X=y|Set-Cookie=b=2", body: "ok"}},
		"R-17 identity":                        {"GET", head + "Transfer-Encoding: identity\r\n\r\nok", bad},
		"R-17 gzip, chunked":                   {"GET", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", bad},
		"R-17 chunked twice":                   {"GET", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
		"R-17 chunked in HTTP/1.0":             {"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
		"R-20 instructions to nginx":           {"GET", head + "X-Accel-Redirect: /x\r\nX-Accel-Buffering: no\r\nx-accel-expires: 0\r\nX-Accelerate: y\r\nContent-Length: 2\r\n\r\nok", result{status: 200, length: 2, fields: "X-Accelerate=y", body: "ok", reusable: true}},
		"K-12 101 that nobody asked for":       {"GET", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", result{err: ErrUnexpectedUpgrade}},
		"underscores are the upstream's thing": {"GET", head + "X_Y: 1\r\nContent-Length: 0\r\n\r\n", result{status: 200, fields: "X_Y=1", reusable: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := wiretest.NewUpstream(t, func(*wiretest.Request) wiretest.Answer {
				return wiretest.Answer{Bytes: c.send, Close: !c.want.reusable}
			})
			conn := dialUpstream(t, u.Addr)
			got := do(conn, &wire.Request{Method: c.method, Target: "/", Authority: "a.test"}, "")
			if !errors.Is(got.err, c.want.err) {
				t.Fatalf("error is %v, want %v", got.err, c.want.err)
			}
			if c.want.err != nil && conn.Reusable() {
				t.Error("the connection can be used again")
			}
			if got.err != nil {
				got.interim = nil
			}
			got.err, c.want.err = nil, nil
			if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", c.want); g != w {
				t.Errorf("got  %.500s\nwant %.500s", g, w)
			}
			if c.want.reusable {
				conn.Idle()
				if conn.Dead() {
					t.Error("the connection is taken for dead")
				}
				if got := do(conn, &wire.Request{Method: c.method, Target: "/", Authority: "a.test"}, ""); got.status != c.want.status {
					t.Errorf("the next answer is %+v", got)
				}
			}
		})
	}
}

func TestUpgradesAreTakenOver(t *testing.T) {
	const answer = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nX: y\r\n\r\nfirst"
	u := wiretest.NewUpstream(t, func(q *wiretest.Request) wiretest.Answer {
		if q.Get("Connection") != "Upgrade" || q.Get("Upgrade") != "websocket" {
			t.Errorf("upstream saw %+v", q.Fields)
		}
		return wiretest.Answer{Bytes: answer, Close: true}
	})
	c := dialUpstream(t, u.Addr)
	got := do(c, &wire.Request{Method: "GET", Target: "/", Authority: "a", Upgrade: true}, "")
	if got.status != 101 || got.err != nil || got.fields != "X=y" {
		t.Fatalf("got %+v", got)
	}
	conn, read := c.Take()
	rest, err := io.ReadAll(conn)
	if s := string(read) + string(rest); s != "first" || err != nil || c.Reusable() {
		t.Errorf("through the tunnel came %q, %v", s, err)
	}

	u = wiretest.NewUpstream(t, func(q *wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Bytes: strings.Replace(answer, "WebSocket", "foo", 1)}
	})
	got = do(dialUpstream(t, u.Addr), &wire.Request{Method: "GET", Target: "/", Authority: "a", Upgrade: true}, "")
	if !errors.Is(got.err, ErrUnexpectedUpgrade) || !errors.Is(got.err, wire.ErrMalformed) {
		t.Errorf("switching to another protocol: %+v", got)
	}
}

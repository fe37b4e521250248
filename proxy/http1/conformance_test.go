package http1

import (
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// wireCase is bytes in, and what comes of them. Line ends of send are CRLF already.
type wireCase struct {
	send     string
	statuses []int
	open     bool   // the connection stays open, and in sync
	seen     string // what the handler saw: method, target, host and body, a line for each request; "!" if the body broke
}

// get is a GET with a whole head around a request line.
func get(line string) string { return line + "\r\nHost: a.test\r\n\r\n" }

// field is a GET with one more field line.
func field(line string) string { return "GET / HTTP/1.1\r\nHost: a.test\r\n" + line + "\r\n\r\n" }

// host is a GET with this Host field.
func host(value string) string { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n" }

// post is a POST with fields (LF for CRLF) and what follows the head.
func post(fields, rest string) string {
	return "POST /p HTTP/1.1\r\nHost: a.test\r\n" + crlf(fields) + "\r\n" + rest
}

var r400 = []int{400}

const (
	root = "GET / a.test"
	ch   = "Transfer-Encoding: chunked\n"
)

// ok is a request that is served on a connection that stays.
func ok(send, seen string) wireCase {
	return wireCase{send: send, statuses: []int{200}, open: true, seen: seen}
}

// bad is a request that is answered 400 and never seen.
func bad(send string) wireCase { return wireCase{send: send, statuses: r400} }

// status is a request that is answered with a status and never seen.
func status(code int, send string) wireCase { return wireCase{send: send, statuses: []int{code}} }

// broken is a request whose body turns out malformed: the client gets 400, the handler an error.
func broken(send string) wireCase {
	return wireCase{send: send, statuses: r400, seen: "POST /p a.test !"}
}

func runCases(t *testing.T, cases map[string]wireCase) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.run(c.send, c.statuses, c.open)
			got := r.lines()
			if strings.HasSuffix(c.seen, " !") { // what had come of the body before does not matter
				got, _, _ = strings.Cut(got, " a.test")
				got += " a.test !"
				if len(r.requests()) != 1 || r.requests()[0].err == nil {
					t.Fatalf("handler saw\n%s\nwant one request with a broken body", r.lines())
				}
			}
			if got != c.seen {
				t.Errorf("handler saw\n%s\nwant\n%s", got, c.seen)
			}
		})
	}
}

func TestRequestLines(t *testing.T) {
	runCases(t, map[string]wireCase{
		"L-01 one empty line before":            ok("\r\n"+get("GET /ok HTTP/1.1"), "GET /ok a.test"),
		"L-01 four empty lines before":          ok("\r\n\r\n\r\n\r\n"+get("GET /ok HTTP/1.1"), "GET /ok a.test"),
		"L-01 five empty lines before":          bad("\r\n\r\n\r\n\r\n\r\n" + get("GET /ok HTTP/1.1")),
		"L-01 a bare LF before":                 bad("\n" + get("GET /ok HTTP/1.1")),
		"L-02 no token for a method":            bad(get("GE(T / HTTP/1.1")),
		"L-02 NUL in the method":                bad(get("G\x00T / HTTP/1.1")),
		"L-03 two spaces":                       bad(get("GET  / HTTP/1.1")),
		"L-03 TABs":                             bad(get("GET\t/\tHTTP/1.1")),
		"L-04 space at the end":                 bad(get("GET / HTTP/1.1 ")),
		"L-05 bare LF":                          bad("GET / HTTP/1.1\nHost: a.test\r\n\r\n"),
		"L-05 bare LF behind the target":        bad("GET /\nHTTP/1.1\r\nHost: a.test\r\n\r\n"),
		"L-06 HTTP/0.9":                         bad("GET /\r\n\r\n"),
		"L-07 HTTP/1.0 without Host":            {send: "GET / HTTP/1.0\r\n\r\n", statuses: []int{200}, seen: "GET / "},
		"L-08 HTTP/1.2 counts as 1.1":           ok(get("GET / HTTP/1.2"), root),
		"L-08 HTTP/2.0":                         status(505, get("GET / HTTP/2.0")),
		"L-08 HTTP/0.9 named":                   status(505, get("GET / HTTP/0.9")),
		"L-08 HTTP/1.10":                        bad(get("GET / HTTP/1.10")),
		"L-08 lower case":                       bad(get("GET / http/1.1")),
		"P-35 an HTTP/2 preface":                status(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		"L-09 a target of 64 KiB":               status(414, get("GET /"+strings.Repeat("a", 64<<10)+" HTTP/1.1")),
		"L-09 a line just over the limit":       status(414, get("GET /"+strings.Repeat("a", 8192-13)+" HTTP/1.1")),
		"L-09 a line at the limit":              ok(get("GET /"+strings.Repeat("a", 8192-14)+" HTTP/1.1"), "GET /"+strings.Repeat("a", 8192-14)+" a.test"),
		"L-10 space in the target":              bad(get("GET /a b HTTP/1.1")),
		"L-10 control in the target":            bad(get("GET /a\x01b HTTP/1.1")),
		"L-10 NUL in the target":                bad(get("GET /a\x00b HTTP/1.1")),
		"L-10 bare CR in the target":            bad(get("GET /a\rb HTTP/1.1")),
		"L-11 a byte above 0x7f":                ok(get("GET /a\xffb HTTP/1.1"), "GET /a%FFb a.test"),
		"L-12 a fragment":                       bad(get("GET /a#frag HTTP/1.1")),
		"L-13 a backslash":                      ok(get(`GET /a\..\b HTTP/1.1`), `GET /a%5C..%5Cb a.test`),
		"L-14 bad percent":                      bad(get("GET /a%zz HTTP/1.1")),
		"L-15 encoded NUL":                      bad(get("GET /a%00b HTTP/1.1")),
		"L-16 encoded CRLF":                     ok(get("GET /a%0d%0aX:1 HTTP/1.1"), "GET /a%0d%0aX:1 a.test"),
		"L-17 the target is forwarded raw":      ok(get("GET /a/../b HTTP/1.1"), "GET /a/../b a.test"),
		"L-17 above the root":                   bad(get("GET /../b HTTP/1.1")),
		"L-18 no slash":                         bad(get("GET admin HTTP/1.1")),
		"L-19 asterisk with GET":                bad(get("GET * HTTP/1.1")),
		"L-20 asterisk with OPTIONS":            ok(get("OPTIONS * HTTP/1.1"), ""),
		"L-20 asterisk with more":               bad(get("OPTIONS */x HTTP/1.1")),
		"L-21 absolute form goes before Host":   ok(get("GET http://b.test/x HTTP/1.1"), "GET /x b.test"),
		"L-21 absolute form still needs a Host": bad("GET http://b.test/x HTTP/1.1\r\n\r\n"),
		"L-22 https on cleartext":               status(421, get("GET https://a.test/x HTTP/1.1")),
		"L-22 ftp":                              bad(get("GET ftp://a.test/x HTTP/1.1")),
		"L-23 empty host":                       bad(get("GET http:///x HTTP/1.1")),
		"L-24 user information":                 bad(get("GET http://u:p@a.test/x HTTP/1.1")),
		"L-25 authority form":                   bad(get("GET a.test:80 HTTP/1.1")),
		"L-26 CONNECT":                          status(405, "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"+smug),
		"L-27 CONNECT with a path":              status(405, get("CONNECT / HTTP/1.1")),
		"L-28 TRACE":                            status(405, "TRACE / HTTP/1.1\r\nHost: a.test\r\nCookie: s=1\r\n\r\n"),
		"L-29 no hops left":                     ok("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n", ""),
		"L-30 an unknown method":                ok(get("FOO / HTTP/1.1"), "FOO / a.test"),
		"L-30 methods are case-sensitive":       ok(get("get / HTTP/1.1"), "get / a.test"),
		"K-15 the query is byte-identical":      ok(get("GET /a?x=1;y=2&z=%zz HTTP/1.1"), "GET /a?x=1;y=2&z=%zz a.test"),
		"a TLS handshake":                       bad("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	})
}

func TestMaxForwardsIsCountedDown(t *testing.T) {
	r := newRig(t)
	r.run("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 5\r\n\r\n", []int{200}, true)
	r.run("GET / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 5\r\n\r\n", []int{200}, true)
	q := r.requests()
	if len(q) != 2 || len(q[0].overrides) != 1 || q[0].overrides[0].Name != "Max-Forwards" || q[0].overrides[0].Value != "4" {
		t.Errorf("L-29: OPTIONS with Max-Forwards 5 was not made 4: %+v", q)
	}
	if len(q[1].overrides) != 0 {
		t.Errorf("Max-Forwards of GET was touched: %+v", q[1].overrides)
	}
}

func TestHosts(t *testing.T) {
	cases := map[string]wireCase{
		"B-01 none":                     bad("GET / HTTP/1.1\r\n\r\n"),
		"B-02 twice the same":           bad("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n"),
		"B-02 two different":            bad("GET / HTTP/1.1\r\nHost: a.test\r\nhost: b.test\r\n\r\n"),
		"B-02 twice in HTTP/1.0":        bad("GET / HTTP/1.0\r\nHost: a.test\r\nHost: a.test\r\n\r\n"),
		"B-05 empty":                    ok(host(""), "GET / "),
		"B-06 mixed case":               ok(host("A.TeSt"), root),
		"B-06 trailing dot":             ok(host("a.test."), root),
		"B-06 port":                     ok(host("a.test:80"), root),
		"B-07 folded":                   bad("GET / HTTP/1.1\r\nHost: a.test\r\n b.test\r\n\r\n"),
		"malformed under absolute form": bad("GET http://a.test/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
	}
	for _, h := range []string{"a b", "u@a.test", "a.test/x", "a.test#x", "a.test?x", `a.test\b`, "a.test\x00b", "a\tb"} {
		cases["B-03 "+h] = bad(host(h))
	}
	for _, h := range []string{"a.test,b.test", "a.test:99999", "a.test:http", "[::1", "a%2etest", strings.Repeat("a", 300)} {
		cases["B-04 "+h[:min(20, len(h))]] = bad(host(h))
	}
	runCases(t, cases)
}

func TestFieldLines(t *testing.T) {
	many := strings.Repeat("X-A: b\r\n", 20000)
	cases := map[string]wireCase{
		"F-01 space before the colon":   bad(field("X-A : b")),
		"F-01 TAB before the colon":     bad(field("X-A\t: b")),
		"F-02 folded":                   bad(field("X-A: b\r\n c")),
		"F-02 folded with TAB":          bad(field("X-A: b\r\n\tc")),
		"F-03 space before the first":   bad("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"),
		"F-05 all lines end with LF":    bad("GET / HTTP/1.1\nHost: a.test\n\n"),
		"F-05 one line ends with LF":    bad("GET / HTTP/1.1\r\nHost: a.test\nX-A: b\r\n\r\n"),
		"F-05 the empty line is an LF":  bad("GET / HTTP/1.1\r\nHost: a.test\r\n\n"),
		"F-06 parentheses in a name":    bad(field("X(A): b")),
		"F-06 8-bit name":               bad(field("X-A\x85: b")),
		"F-06 empty name":               bad(field(": b")),
		"F-06 no colon":                 bad(field("XA")),
		"F-08 one field over the limit": status(431, field("X-A: "+strings.Repeat("b", 8200))),
		"F-08 64 KiB":                   status(431, field("X-A: "+strings.Repeat("b", 64<<10))),
		"F-08 too much in all":          status(431, field(strings.Repeat("X-A: "+strings.Repeat("b", 7000)+"\r\n", 4)+"X-B: "+strings.Repeat("b", 5000))),
		"F-08 nearly too much in all":   ok(field(strings.Repeat("X-A: "+strings.Repeat("b", 7000)+"\r\n", 4)+"X-B: "+strings.Repeat("b", 4000)), root),
		"F-09 20,000 fields":            status(431, "GET / HTTP/1.1\r\nHost: a.test\r\n"+many+"\r\n"),
		"F-09 101 fields":               status(431, "GET / HTTP/1.1\r\nHost: a.test\r\n"+many[:100*8]+"\r\n"),
		"F-09 100 fields":               ok("GET / HTTP/1.1\r\nHost: a.test\r\n"+many[:99*8]+"\r\n", root),
	}
	for _, v := range []string{"\x00", "a\x00b", "a\rb", "a\r", "\rX-Smug: 1", "\x01", "a\x7f"} {
		cases["F-04 "+strings.ToValidUTF8(v, "?")] = bad(field("X-A: " + v))
	}
	runCases(t, cases)
}

func TestFieldsAreHandedOnAsSent(t *testing.T) {
	r := newRig(t)
	r.run(field("X-A: 1\r\nx-b:2\r\nX-A: \t 3 \t\r\nX-C: caf\xe9\r\nX-D:\r\nX_Forwarded_For: 6.6.6.6\r\nX.Forwarded.For: 6.6.6.6\r\nX~y: z"), []int{200}, true)
	var got []string
	for _, f := range r.requests()[0].fields {
		got = append(got, f.Name+"="+f.Value)
	}
	// F-07, F-10, F-11: aliases dropped, obs-text and order kept.
	if s := strings.Join(got, "|"); s != "Host=a.test|X-A=1|x-b=2|X-A=3|X-C=caf\xe9|X-D=" {
		t.Errorf("fields are %q", s)
	}
}

func TestUnderscoresPassIfEnabled(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.UnderscoresInNames = true })
	r.run(field("X_Custom: 1\r\nX_Forwarded_For: 6.6.6.6\r\nContent_Length: 5\r\nX.Custom: 1"), []int{200}, true)
	q := r.requests()[0]
	if len(q.fields) != 2 || q.fields[1].Name != "X_Custom" {
		t.Errorf("F-07: fields are %+v, want X_Custom alone beside Host", q.fields)
	}
}

func TestAbsoluteFormOverTLSNeedsHTTPS(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) { answer(x, nil) }
	for _, c := range []struct {
		target string
		want   int
	}{{"https://a.test/x", 200}, {"http://a.test/x", 421}} {
		client, server := pipe(t)
		go r.srv.Serve(t.Context(), server, &filter.Conn{HTTPS: true})
		w := wiretest.NewClient(t, client)
		go w.Send(get("GET " + c.target + " HTTP/1.1"))
		w.Must("GET", c.want)
	}
}

func TestMalformedBytesAreNotWaitedFor(t *testing.T) {
	for name, send := range map[string]string{
		"a control character in the request line": "GET /\x01",
		"a TLS record without line end":           "\x16\x03\x01",
		"a control character in a name":           "GET / HTTP/1.1\r\nHo\x00",
		"a bare LF":                               "GET / HTTP/1.1\r\nHost: a.test\n",
		"a space in a name":                       "GET / HTTP/1.1\r\nHost : a",
		"a chunk size":                            post(ch, "x"),
		"what follows a chunk":                    post(ch, "2\r\nhiX"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			newRig(t).run(send, r400, false)
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("answered after %v", d)
			}
		})
	}
}

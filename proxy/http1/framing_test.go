package http1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestFraming(t *testing.T) {
	const p = "POST /p a.test"
	longExt := strings.Repeat("1;"+strings.Repeat("x", 900)+"\r\na\r\n", 100)
	cases := map[string]wireCase{
		"C-01 CL.TE":                           bad(post("Content-Length: 6\n"+ch, "0\r\n\r\n"+smug)),
		"C-02 TE.CL":                           bad(post(ch+"Content-Length: 4\n", "2a\r\n"+smug+"\r\n0\r\n\r\n")),
		"C-03 xchunked with CL":                bad(post("Transfer-Encoding: xchunked\nContent-Length: 4\n", "")),
		"C-03 xchunked":                        bad(post("Transfer-Encoding: xchunked\n", "")),
		"C-04 chunked, identity":               bad(post("Transfer-Encoding: chunked, identity\n", "")),
		"C-04 chunked, gzip":                   bad(post("Transfer-Encoding: chunked, gzip\n", "")),
		"C-04 identity":                        bad(post("Transfer-Encoding: identity\n", "")),
		"C-05 gzip, chunked":                   status(501, post("Transfer-Encoding: gzip, chunked\n", "")),
		"C-06 chunked twice":                   bad(post(ch+ch, "0\r\n\r\n")),
		"C-06 chunked and identity":            bad(post(ch+"Transfer-Encoding: identity\n", "")),
		"C-08 ChUnKeD":                         ok(post("Transfer-Encoding: ChUnKeD\n", "2\r\nhi\r\n0\r\n\r\n"), p+" hi"),
		"C-09 space before the colon":          bad(post("Transfer-Encoding : chunked\nContent-Length: 4\n", "")),
		"C-10 folded":                          bad("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n" + smug),
		"C-11 Transfer_Encoding":               ok(post("Transfer_Encoding: chunked\nContent-Length: 5\n", "hello"), p+" hello"),
		"C-12 chunked in HTTP/1.0":             bad("POST /p HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smug),
		"C-13 the same length twice":           bad(post("Content-Length: 2\nContent-Length: 2\n", "hi")),
		"C-14 a list of lengths":               bad(post("Content-Length: 2, 2\n", "hi")),
		"C-15 two lengths":                     bad(post("Content-Length: 2\nContent-Length: 3\n", "hi")),
		"C-16 empty, then a length":            bad(post("Content-Length: \nContent-Length: 2\n", "hi")),
		"C-17 leading zeros":                   ok(post("Content-Length: 002\n", "hi"), p+" hi"),
		"C-18 a length beyond all bounds":      bad(post("Content-Length: 99999999999999999999\n", "hi")),
		"C-19 17 F":                            broken(post(ch, strings.Repeat("F", 17)+"\r\n")),
		"C-19 16 F":                            broken(post(ch, strings.Repeat("F", 16)+"\r\n")),
		"C-19 overflow":                        broken(post(ch, "10000000000000002\r\nhi\r\n0\r\n\r\n")),
		"C-20 a hundred zeros":                 broken(post(ch, strings.Repeat("0", 100)+"2\r\nhi\r\n0\r\n\r\n")),
		"C-22 space behind the size":           broken(post(ch, "2 \r\nhi\r\n0\r\n\r\n")),
		"C-23 LF in an extension":              broken(post(ch, "2;a\nxx\r\nhi\r\n0\r\n\r\n")),
		"C-23 CR in an extension":              broken(post(ch, "2;a\rx\r\nhi\r\n0\r\n\r\n")),
		"C-23 two CR":                          broken(post(ch, "2\r\r;a\r\nhi\r\n0\r\n\r\n")),
		"C-24 extensions are dropped":          ok(post(ch, "2;a=b;c=\"d;\"\r\nhi\r\n0;x\r\n\r\n"), p+" hi"),
		"C-25 one long extension":              broken(post(ch, "2;"+strings.Repeat("x", 3000)+"\r\nhi\r\n0\r\n\r\n")),
		"C-25 many extensions":                 broken(post(ch, longExt)),
		"C-26 no CRLF behind a chunk":          broken(post(ch, "2\r\nhiXX0\r\n\r\n")),
		"C-26 LF everywhere":                   broken(post(ch, "2\nhi\n0\n\n")),
		"C-26 LF at the end":                   broken(post(ch, "2\r\nhi\r\n0\n\n")),
		"C-26 LF behind a chunk":               broken(post(ch, "2\r\nhi\n0\r\n\r\n")),
		"C-26 LF behind the trailers":          broken(post(ch, "2\r\nhi\r\n0\r\n\n")),
		"C-29 200,000 trailers":                {send: post(ch, "0\r\n"+strings.Repeat("X-T: 1\r\n", 200000)), statuses: []int{431}, seen: "POST /p a.test !"},
		"C-29 one long trailer":                {send: post(ch, "0\r\nX-T: "+strings.Repeat("x", 20<<10)+"\r\n\r\n"), statuses: []int{431}, seen: "POST /p a.test !"},
		"C-30 GET with a body":                 ok("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", "GET / a.test hello"),
		"C-31 three pipelined":                 {send: strings.Repeat(get("GET / HTTP/1.1"), 3), statuses: []int{200, 200, 200}, open: true, seen: root + "\n" + root + "\n" + root},
		"C-32 a request behind a body":         {send: post("Content-Length: 2\n", "hi"+smug), statuses: []int{200, 200}, open: true, seen: p + " hi\nGET /smuggled b.test"},
		"a request behind a chunked body":      {send: post(ch, "2\r\nhi\r\n0\r\n\r\n"+smug), statuses: []int{200, 200}, open: true, seen: p + " hi\nGET /smuggled b.test"},
		"chunks in upper and lower case":       ok(post(ch, "A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n"), p+" 01234567890123456789"),
		"K-14 nothing is served behind close":  {send: "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" + smug, statuses: []int{200}, seen: root},
		"K-14 Close in a list, in any case":    {send: field("Connection: x, CLOSE") + smug, statuses: []int{200}, seen: root},
		"HTTP/1.0 closes":                      {send: "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n" + smug, statuses: []int{200}, seen: root},
		"HTTP/1.0 stays if asked to":           ok("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n", root),
		"K-05 an unknown expectation":          status(417, post("Expect: 200-ok\nContent-Length: 2\n", "hi")),
		"K-05 Expect in HTTP/1.0 is ignored":   {send: "POST /p HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", statuses: []int{200}, seen: p + " hi"},
		"K-10 an upgrade with a body":          bad("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"),
		"h2c with a body is a plain request":   ok(post("Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nContent-Length: 2\n", "hi"), p+" hi"),
		"a body over several chunks and reads": ok(post(ch, strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 64)+"0\r\n\r\n"), p+" "+strings.Repeat("x", 64<<10)),
		"a body longer than all buffers":       ok(post("Content-Length: 100000\n", strings.Repeat("y", 100000)), p+" "+strings.Repeat("y", 100000)),
	}
	for _, v := range []string{"\x0bchunked", "chunked\x00", `"chunked"`, "chunked;q=1", "\xa0chunked", "\x00"} {
		cases[fmt.Sprintf("C-07 %q", v)] = bad(post("Transfer-Encoding: "+v+"\nContent-Length: 4\n", ""))
	}
	cases["C-07 comma first"] = status(501, post("Transfer-Encoding: ,chunked\n", ""))
	for _, v := range []string{"+2", "-1", "0x2", "", "1e1", "2 2", "2,", "1_0"} {
		cases[fmt.Sprintf("C-16 length %q", v)] = bad(post("Content-Length: "+v+"\n", "hi"))
	}
	for _, v := range []string{"0x2", "+2", " 2", "-0", "2xyz", "", ";", "\t2"} {
		cases[fmt.Sprintf("C-21 size %q", v)] = broken(post(ch, v+"\r\nhi\r\n0\r\n\r\n"))
	}
	runCases(t, cases)
}

func TestTrailersThatMustNotComeAreDropped(t *testing.T) {
	r := newRig(t)
	r.run(post(ch+"Trailer: Content-Length, Authorization\n", "2\r\nhi\r\n0\r\nContent-Length: 9\r\nAuthorization: x\r\nX-Forwarded-For: 6.6.6.6\r\nHost: b.test\r\ngrpc-status: 0\r\nX_Real_IP: 1\r\n\r\n"), []int{200}, true)
	q := r.requests()[0]
	if len(q.trailers) != 1 || q.trailers[0].Name != "grpc-status" || q.trailers[0].Value != "0" {
		t.Errorf("C-27, C-28: trailers are %+v, want grpc-status alone", q.trailers)
	}
	if _, ok := q.get("Authorization"); ok || q.host != "a.test" {
		t.Errorf("C-28: trailers were merged into the head: %+v", q)
	}
}

func TestEveryWayToCutAMessageIntoReadsGivesTheSame(t *testing.T) {
	const p = "POST /p?q HTTP/1.1\r\nHost: a.test\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n"
	r := newRig(t)
	for cut := 1; cut < len(p); cut++ {
		client, server := pipe(t)
		go r.srv.Serve(t.Context(), server, &filter.Conn{})
		c := wiretest.NewClient(t, client)
		c.Send(p[:cut])
		c.Send(p[cut:])
		c.Must("POST", 200)
		client.Close()
	}
	client, server := pipe(t)
	go r.srv.Serve(t.Context(), server, &filter.Conn{})
	c := wiretest.NewClient(t, client)
	for i := range len(p) {
		c.Send(p[i : i+1])
	}
	c.Must("POST", 200)
	for i, q := range r.requests() {
		if q.line() != "POST /p?q a.test abchi" || len(q.fields) != 3 || len(q.trailers) != 1 {
			t.Fatalf("cut at %d, the request reads %s with %+v and trailers %+v", i+1, q.line(), q.fields, q.trailers)
		}
	}
}

func TestHeadsAndBodiesOfEverySizeFindRoom(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.LineBytes, l.HeadBytes = 64<<10, 100<<10 })
	sizes := []int{10, 3000, 3900, 8000, 20_000, 31_000, 33_000, 60_000}
	for n := 4030; n < 4040; n++ { // around the end of a small buffer
		sizes = append(sizes, n)
	}
	for n := 32_700; n < 32_710; n++ { // around the end of a large one
		sizes = append(sizes, n)
	}
	c := wiretest.Dial(t, r.addr)
	for _, size := range sizes {
		pad := strings.Repeat("p", size)
		body := strings.Repeat("0123456789", 1+size%2000)
		trailer := strings.Repeat("t", size%9000)
		for _, rest := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x;ext\r\n%s\r\n1\r\nz\r\n0\r\nX-T: %s\r\n\r\n", len(body), body, trailer),
		} {
			before := len(r.requests())
			one := "POST /p HTTP/1.1\r\nHost: a.test\r\nX-Pad: " + pad + "\r\n" + rest
			go c.Send(one + after + one)
			for range 3 {
				c.Must("POST", 200)
			}
			got3 := r.requests()[before:]
			for _, s := range []*seen{got3[0], got3[2]} {
				got, _ := s.get("X-Pad")
				if got != pad || strings.TrimSuffix(s.body, "z") != body || s.err != nil {
					t.Fatalf("size %d: pad of %d, body of %d, %v", size, len(got), len(s.body), s.err)
				}
				if len(s.trailers) == 1 && s.trailers[0].Value != trailer || (len(s.trailers) == 1) != strings.HasPrefix(rest, "T") {
					t.Fatalf("size %d: trailers %.100v", size, s.trailers)
				}
			}
			if got3[1].target != "/after" {
				t.Fatalf("size %d: out of sync", size)
			}
		}
	}
}

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// ask is the request of most cases about answers.
const askR = "GET /r HTTP/1.1⏎" + hostA + "⏎"

// What upstreams answer: RFC 9112 sections 4 and 6 to 8, RFC 9110 section 15. The upstream gives the answer to /r and
// an ordinary one to everything else.
var answerCases = []wireCase{
	{
		id: "R-01", what: "an answer to HEAD keeps its length", send: "HEAD /r HTTP/1.1⏎" + hostA + "⏎",
		answer: "HTTP/1.1 200 OK⏎" + length(55) + "⏎", want: "200 open; a HEAD /r", reply: []string{"Content-Length: 55"},
	},
	{
		id: "R-01", what: "a body behind an answer to HEAD", send: "HEAD /r HTTP/1.1⏎" + hostA + "⏎", answer: ok, drops: true,
		want: "200 open; a HEAD /r", reply: []string{"Content-Length: 2"},
	},
	{
		id: "R-01", what: "an answer to HEAD with chunks", send: "HEAD /r HTTP/1.1⏎" + hostA + "⏎",
		answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎", want: "200 open; a HEAD /r", reply: []string{"-Content-Length"},
	},
	{
		id: "R-02", what: "a body behind 204", send: askR, answer: "HTTP/1.1 204 No Content⏎⏎hello", drops: true,
		want: "204 open; a GET /r", reply: []string{"-Content-Length", "-Transfer-Encoding"},
	},
	{
		id: "R-02", what: "a body behind 304", send: askR, answer: "HTTP/1.1 304 Not Modified⏎" + length(5) + "⏎hello", drops: true,
		want: "304 open; a GET /r",
	},
	{id: "R-03", what: "103", send: askR, answer: "HTTP/1.1 103 Early Hints⏎Link: </x>⏎⏎" + ok, want: "103 200 open; a GET /r"},
	{
		id: "R-03", what: "forty times 102", send: askR, answer: "«HTTP/1.1 102 Processing⏎⏎×40»" + ok,
		want: "«102 ×40»200 open; a GET /r",
	},
	{
		id: "R-03", what: "the same name in interim and final answers", send: askR,
		answer: "HTTP/1.1 103 Early Hints⏎X-A: early⏎⏎HTTP/1.1 200 OK⏎X-A: late⏎" + length(2) + "⏎ok", want: "103 200 open; a GET /r",
		reply: []string{"X-A: late"},
	},
	{id: "R-03", what: "interim answers without end", send: askR, answer: "«HTTP/1.1 102 Processing⏎⏎×5000»" + ok, want: "«102 ×100»502 open; a GET /r", drops: true},
	{id: "R-03", what: "100 that nobody waits for", send: askR, answer: "HTTP/1.1 100 Continue⏎⏎" + ok, want: "200 open; a GET /r or 100 200 open; a GET /r"},
	{
		id: "R-04", what: "103 to HTTP/1.0", send: "GET /r HTTP/1.0⏎" + hostA + "⏎", answer: "HTTP/1.1 103 Early Hints⏎Link: </x>⏎⏎" + ok,
		want: "200 closed; a GET /r",
	},
	{
		id: "R-05", what: "length and chunks", send: askR, answer: "HTTP/1.1 200 OK⏎" + length(30) + chunked + "⏎0⏎⏎" + fake, drops: true,
		want: "502 open; a GET /r or 200 closed; a GET /r", never: "fake",
	},
	{id: "R-06", what: "two lengths", send: askR, answer: "HTTP/1.1 200 OK⏎" + length(2) + length(3) + "⏎ok!", drops: true, want: "502 open; a GET /r"},
	{id: "R-06", what: "two lengths in a line", send: askR, answer: "HTTP/1.1 200 OK⏎" + length("2, 3") + "⏎ok!", drops: true, want: "502 open; a GET /r"},
	{id: "R-07", what: "CR in a value", send: askR, answer: "HTTP/1.1 200 OK⏎X-A: a␍b⏎" + length(2) + "⏎ok", drops: true, want: "502 open; a GET /r"},
	{id: "R-07", what: "NUL in a value", send: askR, answer: "HTTP/1.1 200 OK⏎X-A: a␀b⏎" + length(2) + "⏎ok", drops: true, want: "502 open; a GET /r"},
	{
		id: "R-08", what: "a space in a name", send: askR, answer: "HTTP/1.1 200 OK⏎X A: b⏎" + length(2) + "⏎ok",
		want: "502 open; a GET /r or 200 open; a GET /r", reply: []string{"-X A", "-X"},
	},
	{
		id: "R-09", what: "a folded value", send: askR, answer: "HTTP/1.1 200 OK⏎X-A: b⏎␠c⏎" + length(2) + "⏎ok",
		want: "502 open; a GET /r or 200 open; a GET /r", reply: []string{"?X-A: b c"},
	},
	{
		id: "R-10", what: "a body that ends early", send: askR, answer: "HTTP/1.1 200 OK⏎" + length(50) + "⏎hello", closes: true,
		want: "broken closed; a GET /r",
	},
	{
		id: "R-10", what: "chunks that end early", send: askR, answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎5⏎hello⏎", closes: true,
		want: "broken closed; a GET /r",
	},
	{
		id: "R-10", what: "a chunk that ends early", send: askR, answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎50⏎hello", closes: true,
		want: "broken closed; a GET /r",
	},
	{
		id: "R-10", what: "chunks that end early, to HTTP/1.0", send: "GET /r HTTP/1.0⏎" + hostA + "⏎",
		answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎5⏎hello⏎", closes: true, want: "broken closed; a GET /r",
	},
	{
		id: "R-10", what: "a malformed chunk", send: askR, answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎5⏎hello⏎zz⏎", drops: true,
		want: "broken closed; a GET /r or closed; a GET /r",
	},
	{id: "R-11", what: "no status line", send: askR, answer: "hello⏎⏎", drops: true, want: "502 open; a GET /r"},
	{id: "R-11", what: "a head of 11 MiB", send: askR, answer: "HTTP/1.1 200 OK⏎X-A: «a×11534336»⏎⏎", drops: true, want: "502 open; a GET /r"},
	{
		id: "R-12", what: "fields about the connection", send: askR,
		answer: "HTTP/1.1 200 OK⏎Connection: X-Foo⏎X-Foo: 1⏎Keep-Alive: timeout=5⏎Proxy-Authenticate: Basic⏎" + length(2) + "⏎ok",
		want:   "200 open; a GET /r", reply: []string{"-X-Foo", "-Connection", "-Keep-Alive", "-Proxy-Authenticate"},
	},
	{
		id: "R-12", what: "an upstream that wants to close", send: askR, answer: "HTTP/1.1 200 OK⏎Connection: close⏎" + length(2) + "⏎ok",
		drops: true, want: "200 open; a GET /r", reply: []string{"-Connection"},
	},
	{
		id: "R-13", what: "trailers", send: get("/r", "TE: trailers⏎⏎"),
		answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎2⏎ok⏎0⏎Grpc-Status: 0⏎Content-Length: 9⏎⏎", want: "200 open; a GET /r",
		check: func(t *testing.T, r *result) {
			var names []string
			for _, f := range r.last().Trailers {
				names = append(names, f.Name+": "+f.Value)
			}
			if !slices.Equal(names, []string{"Grpc-Status: 0"}) {
				t.Errorf("trailers are %q, want Grpc-Status alone", names)
			}
		},
	},
	{
		id: "R-13", what: "trailers, to HTTP/1.0", send: "GET /r HTTP/1.0⏎" + hostA + "⏎",
		answer: "HTTP/1.1 200 OK⏎" + chunked + "⏎2⏎ok⏎0⏎Grpc-Status: 0⏎⏎", want: "200 closed; a GET /r", body: "ok",
	},
	{id: "R-14", what: "a second answer nobody asked for", send: askR, answer: ok + fake, drops: true, want: "200 open; a GET /r", never: "fake"},
	{id: "R-15", what: "status 099", send: askR, answer: "HTTP/1.1 099 Odd⏎" + length(0) + "⏎", drops: true, want: "502 open; a GET /r"},
	{id: "R-15", what: "status 1000", send: askR, answer: "HTTP/1.1 1000 Odd⏎" + length(0) + "⏎", drops: true, want: "502 open; a GET /r"},
	{id: "R-15", what: "status 20", send: askR, answer: "HTTP/1.1 20 Odd⏎" + length(0) + "⏎", drops: true, want: "502 open; a GET /r"},
	{id: "R-15", what: "status 999", send: askR, answer: "HTTP/1.1 999 Odd⏎" + length(2) + "⏎ok", want: "999 open; a GET /r"},
	{
		id: "R-16", what: "HTTP/1.0, with two cookies", send: askR,
		answer: "HTTP/1.0 200 OK⏎Set-Cookie: a=1⏎X-B: 1⏎Set-Cookie: b=2⏎⏎ok", closes: true, want: "200 open; a GET /r", body: "ok",
		check: func(t *testing.T, r *result) {
			if got := r.last().Values("Set-Cookie"); !slices.Equal(got, []string{"a=1", "b=2"}) {
				t.Errorf("cookies are %q, want a=1 and b=2", got)
			}
		},
	},
	{id: "R-17", what: "identity", send: askR, answer: "HTTP/1.1 200 OK⏎" + encoding("identity") + "⏎ok", drops: true, want: "502 open; a GET /r"},
	{id: "R-17", what: "gzip, chunked", send: askR, answer: "HTTP/1.1 200 OK⏎" + encoding("gzip, chunked") + "⏎2⏎ok⏎0⏎⏎", drops: true, want: "502 open; a GET /r"},
	{
		id: "R-20", what: "instructions to nginx", send: askR,
		answer: "HTTP/1.1 200 OK⏎X-Accel-Redirect: /smuggled⏎X-Accel-Buffering: no⏎X-Accel-Expires: 5⏎" + length(2) + "⏎ok",
		want:   "200 open; a GET /r", reply: []string{"-X-Accel-Redirect", "-X-Accel-Buffering", "-X-Accel-Expires"}, body: "ok",
		check: func(t *testing.T, r *result) {
			for _, f := range r.last().Fields {
				if strings.HasPrefix(strings.ToLower(f.Name), "x-accel") {
					t.Errorf("%s reached the client", f.Name)
				}
			}
		},
	},
}

const (
	// ok is an ordinary answer.
	ok = "HTTP/1.1 200 OK⏎Content-Length: 2⏎⏎ok"
	// fake is an answer that nobody may get.
	fake = "HTTP/1.1 200 OK⏎Content-Length: 4⏎⏎fake"
)

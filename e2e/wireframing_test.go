package e2e

import (
	"testing"
)

// Framing, the corpus of request smuggling: RFC 9112 sections 6 and 7. What is wrong within a chunked body is in
// chunkCases.
var framingCases = []wireCase{
	{id: "C-01", what: "length and chunks, for one who counts", send: post(length(6)+chunked, "0⏎⏎"+smug), want: r400},
	{id: "C-02", what: "chunks and length, for one who reads chunks", send: post(chunked+length(4), "2b⏎"+smug+"⏎0⏎⏎"), want: r400},
	{id: "C-03", what: "an unknown encoding and a length", send: post(encoding("xchunked")+length(4), "abcd"), want: refused},
	{id: "C-04", what: "chunked, identity", send: post(encoding("chunked, identity"), "0⏎⏎"), want: refused},
	{id: "C-04", what: "chunked, gzip", send: post(encoding("chunked, gzip"), "0⏎⏎"), want: refused},
	{id: "C-04", what: "identity", send: post(encoding("identity"), "0⏎⏎"), want: refused},
	{id: "C-05", what: "gzip, chunked", send: post(encoding("gzip, chunked"), "0⏎⏎"), want: "501 closed"},
	{id: "C-06", what: "chunked twice", send: post(chunked+chunked, "0⏎⏎"), want: refused},
	{id: "C-06", what: "chunked and identity in two lines", send: post(chunked+encoding("identity"), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a control before chunked", send: post(encoding("\x0bchunked")+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "NUL behind chunked", send: post(encoding("chunked␀")+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "quotes", send: post(encoding(`"chunked"`)+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a comma before chunked", send: post(encoding(",chunked")+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a parameter", send: post(encoding("chunked;q=1")+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a byte above 0x7f", send: post(encoding("\xa0chunked")+length(4), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a comma, without a length", send: post(encoding(",chunked"), "0⏎⏎"), want: refused},
	{id: "C-07", what: "quotes, without a length", send: post(encoding(`"chunked"`), "0⏎⏎"), want: refused},
	{id: "C-07", what: "a parameter, without a length", send: post(encoding("chunked;q=1"), "0⏎⏎"), want: refused},
	{
		id: "C-08", what: "any case", send: post(encoding("ChUnKeD"), "2⏎hi⏎0⏎⏎"), want: "200 open; a POST /p hi",
		head: []string{"Transfer-Encoding: chunked", "-Content-Length"},
	},
	{id: "C-09", what: "a space before the colon", send: post("Transfer-Encoding␠: chunked⏎"+length(4), "0⏎⏎"), want: r400},
	{id: "C-10", what: "a folded encoding", send: post("Transfer-Encoding:⏎␠chunked⏎"+length(4), "0⏎⏎"+smug), want: r400},
	{
		id: "C-11", what: "an underscore", send: post("Transfer_Encoding: chunked⏎"+length(5), "hello"), want: "200 open; a POST /p hello",
		head: []string{"Content-Length: 5", "-Transfer-Encoding", "-Transfer_Encoding"},
	},
	{
		id: "C-12", what: "chunks in HTTP/1.0", send: "POST /p HTTP/1.0⏎" + hostA + chunked + "Connection: keep-alive⏎⏎0⏎⏎" + smug,
		want: r400,
	},
	{id: "C-13", what: "the same length twice", send: post(length(2)+length(2), "hi"), want: r400 + " or 200 open; a POST /p hi"},
	{id: "C-14", what: "the same length twice in a line", send: post(length("2, 2"), "hi"), want: r400 + " or 200 open; a POST /p hi"},
	{id: "C-15", what: "two lengths", send: post(length(2)+length(3), "hi!"), want: r400},
	{id: "C-16", what: "+2", send: post(length("+2"), "hi"), want: r400},
	{id: "C-16", what: "-1", send: post(length("-1"), ""), want: r400},
	{id: "C-16", what: "0x2", send: post(length("0x2"), "hi"), want: r400},
	{id: "C-16", what: "no number", send: post(length(""), ""), want: r400},
	{id: "C-16", what: "1e1", send: post(length("1e1"), "0123456789"), want: r400},
	{id: "C-16", what: "2 2", send: post(length("2 2"), "hi"), want: r400},
	{id: "C-16", what: "2,", send: post(length("2,"), "hi"), want: r400},
	{id: "C-16", what: "1_0", send: post(length("1_0"), "0123456789"), want: r400},
	{id: "C-16", what: "no number, then 2", send: post(length("")+length(2), "hi"), want: r400},
	{
		id: "C-17", what: "leading zeros", send: post(length("002"), "hi"), want: "200 open; a POST /p hi",
		head: []string{"Content-Length: 2"},
	},
	{id: "C-18", what: "more than 64 bits", send: post(length("99999999999999999999"), "hi"), want: r400},
	{id: "C-24", what: "extensions of chunks", send: post(chunked, "2;a=b;c=\"d;\"⏎hi⏎0⏎⏎"), want: "200 open; a POST /p hi"},
	{
		id: "C-27", what: "trailers announced that must not be any",
		send: post(chunked+"Trailer: Content-Length, Authorization⏎", "2⏎hi⏎0⏎Content-Length: 9⏎Authorization: Basic eDp5⏎⏎"),
		want: r400 + " or 200 open; a POST /p hi", head: []string{"-Trailer", "-Authorization", "-Content-Length"}, check: noTrailers,
	},
	{
		id: "C-28", what: "trailers that must not be any", send: post(chunked, "2⏎hi⏎0⏎Authorization: Basic eDp5⏎X-Forwarded-For: 6.6.6.6⏎Host: b.test⏎⏎"),
		want: "200 open; a POST /p hi", head: []string{"-Authorization", "X-Forwarded-For: 127.0.0.1", "Host: a.test"}, check: noTrailers,
	},
	{
		id: "C-28", what: "5 KiB of other trailers", send: post(chunked, "2⏎hi⏎0⏎«X-T: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123⏎×50»⏎") + get("/two", "⏎"),
		want: "200 200 open; a POST /p hi; a GET /two", check: noTrailers,
	},
	{
		id: "C-30", what: "GET with a body", send: get("/one", length(5)+"⏎hello") + get("/two", "⏎"),
		want: "200 200 open; a GET /one hello; a GET /two",
	},
	{
		id: "C-30", what: "GET with chunks", send: get("/one", chunked+"⏎5⏎hello⏎0⏎⏎") + get("/two", "⏎"),
		want: "200 200 open; a GET /one hello; a GET /two",
	},
	{
		id: "C-31", what: "three requests at once", send: get("/one", "⏎") + get("/two", "⏎") + get("/three", "⏎"),
		want: "200 200 200 open; a GET /one; a GET /two; a GET /three",
	},
	{
		id: "C-32", what: "a request behind a body is routed by itself", send: post(length(2), "hi"+smug),
		want: "200 200 open; a POST /p hi; b GET /smuggled",
	},
	{
		id: "C-32", what: "requests with heads of 20 KiB", send: get("/one", longHead+"⏎") + get("/two", length(5)+longHead+"⏎hello") + get("/three", "⏎"),
		want: "200 200 200 open; a GET /one; a GET /two hello; a GET /three",
	},
	{
		id: "C-32", what: "a request behind a body needs its password", send: post(length(2), "hi"+"GET /two HTTP/1.1⏎Host: auth.test⏎⏎"),
		want: "200 401 open; a POST /p hi",
	},
	{
		id: "C-32", what: "a request behind a body has its limits", send: post(length(2), "hi"+"POST /two HTTP/1.1⏎Host: small.test⏎"+length(1025)+"⏎«x×1025»"),
		want: "200 413 open; a POST /p hi",
	},
}

// longHead is most of a head of 20 KiB.
const longHead = "X-A: «a×7000»⏎X-B: «b×7000»⏎X-C: «c×6000»⏎"

// noTrailers checks that no trailer came with the first request.
func noTrailers(t *testing.T, r *result) {
	if len(r.upstream) > 0 && len(r.upstream[0].Trailers) > 0 {
		t.Errorf("trailers upstream: %q", r.upstream[0].Trailers)
	}
}

// chunkCase is a malformed chunked body. It is sent in two ways: at once with the head, and behind a long chunk that the
// upstream has begun to read. Either way no upstream may take the request for complete, nothing behind the
// fault may be understood, and the connections end.
type chunkCase struct {
	id, what string
	body     string
	// or, if set, is what may happen as well if the body comes at once.
	or string
	// status is the answer, if it is not 400.
	status string
}

var chunkCases = []chunkCase{
	{id: "C-19", what: "a size of 17 digits F", body: "«F×17»⏎hi⏎0⏎⏎"},
	{id: "C-19", what: "a size that overflows to 2", body: "10000000000000002⏎hi⏎0⏎⏎"},
	{id: "C-20", what: "a hundred zeros before the size", body: "«0×100»2⏎hi⏎0⏎⏎", or: "200 open; a POST /p hi"},
	{id: "C-21", what: "0x2", body: "0x2⏎hi⏎0⏎⏎"},
	{id: "C-21", what: "+2", body: "+2⏎hi⏎0⏎⏎"},
	{id: "C-21", what: "a space before the size", body: "␠2⏎hi⏎0⏎⏎"},
	{id: "C-21", what: "-0", body: "-0⏎⏎"},
	{id: "C-21", what: "2xyz", body: "2xyz⏎hi⏎0⏎⏎"},
	{id: "C-21", what: "no size", body: "⏎hi⏎0⏎⏎"},
	{id: "C-22", what: "a space behind the size", body: "2␠⏎hi⏎0⏎⏎"},
	{id: "C-22", what: "a tab behind the size", body: "2␉⏎hi⏎0⏎⏎"},
	{id: "C-23", what: "LF within an extension", body: "2;a␊xx⏎0⏎⏎"},
	{id: "C-23", what: "CR within an extension", body: "2;a␍x⏎hi⏎0⏎⏎"},
	{id: "C-23", what: "CRs before an extension", body: "2␍␍;a⏎hi⏎0⏎⏎"},
	{id: "C-25", what: "extensions of 3,000 bytes, 16 KiB of them", body: "«1;" + longExtension + "⏎x⏎×6»0⏎⏎"},
	{id: "C-25", what: "extensions of 900 bytes, 18 KiB of them", body: "«1;" + shortExtension + "⏎x⏎×20»0⏎⏎"},
	{id: "C-26", what: "no line end behind a chunk", body: "2⏎hiXX0⏎⏎"},
	{id: "C-26", what: "LF everywhere", body: "2␊hi␊0␊␊"},
	{id: "C-26", what: "LF twice behind a size", body: "2␊␊hi⏎0⏎⏎"},
	{id: "C-26", what: "LF twice behind the last size", body: "2⏎hi⏎0␊␊␊␊"},
	{id: "C-26", what: "CR twice behind a size", body: "2␍␍hi⏎0⏎⏎"},
	{id: "C-26", what: "LF behind the last chunk", body: "2⏎hi⏎0␊␊"},
	{id: "C-26", what: "LF behind a chunk", body: "2⏎hi␊0⏎⏎"},
	{id: "C-26", what: "LF behind the last size", body: "2⏎hi⏎0␊⏎"},
	{id: "C-29", what: "200,000 trailers", body: "2⏎hi⏎0⏎«T: x⏎×200000»⏎", status: "431"},
	{id: "C-29", what: "a trailer of 40 KiB", body: "2⏎hi⏎0⏎T: «x×40960»⏎⏎", status: "431"},
}

// Extensions of chunks, in the notation's inner form: repetitions do not nest.
var longExtension, shortExtension = bytesOf("«e×3000»", ""), bytesOf("«e×900»", "")

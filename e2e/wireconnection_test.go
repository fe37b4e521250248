package e2e

import "strings"

// The connection, Expect and Upgrade: RFC 9110 sections 7.6, 7.8 and 10.1.1, RFC 9112 section 9. What needs a
// script for both sides is in specialCases.
var connectionCases = []wireCase{
	{
		id: "K-01", what: "fields named in Connection",
		send: "POST /p HTTP/1.1⏎" + hostA + "Connection: X-Foo, x-real-ip, X-Forwarded-For, authorization, host, content-length⏎" +
			"X-Foo: 1⏎Authorization: Basic eDp5⏎" + length(2) + "⏎hi",
		want: "200 open; a POST /p hi",
		head: []string{"-X-Foo", "-Connection", "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "Authorization: Basic eDp5", "Host: a.test", "Content-Length: 2"},
	},
	{
		id: "K-01", what: "fields named in three Connection lines, in any case",
		send: field("Connection: X-FOO⏎Connection: X-REAL-IP⏎Connection: HOST, x-forwarded-for⏎x-foo: 1⏎X-Real-Ip: 6.6.6.6⏎"),
		want: "200 open; a GET /f", head: []string{"-X-Foo", "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "Host: a.test"},
	},
	{
		id: "K-01", what: "more fields named in Connection than anybody needs",
		send: field("Connection: " + strings.Repeat("x, ", 16) + "X-Foo⏎X-Foo: 1⏎"), want: "400 closed",
	},
	{
		id: "K-02", what: "fields about the connection",
		send: field("Keep-Alive: timeout=5⏎Proxy-Connection: keep-alive⏎Proxy-Authorization: Basic eDp5⏎TE: gzip, trailers⏎Trailer: X-T⏎Connection: Upgrade⏎Upgrade: foo⏎"),
		want: "200 open; a GET /f",
		head: []string{"-Keep-Alive", "-Proxy-Connection", "-Proxy-Authorization", "-Trailer", "-Upgrade", "-Connection", "?TE: trailers"},
	},
	{id: "K-03", what: "TE", send: field("TE: gzip⏎"), want: "200 open; a GET /f", head: []string{"-TE"}},
	{
		id: "K-04", what: "no 100 on a protected path",
		send: "POST /p HTTP/1.1⏎Host: auth.test⏎Expect: 100-continue⏎" + length(5) + "⏎", want: "401 closed",
	},
	{
		id: "K-04", what: "no 100 above the size limit",
		send: "POST /p HTTP/1.1⏎Host: small.test⏎Expect: 100-continue⏎" + length(1025) + "⏎", want: "413 closed",
	},
	{
		id: "K-04", what: "no 100 if the body is there already", send: post("Expect: 100-continue⏎"+length(5), "hello"),
		want: "200 open; a POST /p hello or 100 200 open; a POST /p hello", head: []string{"?Expect: 100-continue"},
	},
	{id: "K-04", what: "no 100 if there is no body", send: field("Expect: 100-continue⏎"), want: "200 open; a GET /f"},
	{id: "K-05", what: "an unknown expectation", send: post("Expect: 200-ok⏎"+length(5), "hello"), want: "417 closed or 417 open"},
	{
		id: "K-05", what: "one expectation known and one not", send: post("Expect: 100-continue, 200-ok⏎"+length(5), "hello"),
		want: "417 closed or 417 open",
	},
	{
		id: "K-05", what: "an expectation in HTTP/1.0", send: "POST /p HTTP/1.0⏎" + hostA + "Expect: 100-continue⏎" + length(5) + "⏎hello",
		want: "200 closed; a POST /p hello",
	},
	{
		id: "K-05", what: "an unknown expectation in HTTP/1.0", send: "GET /f HTTP/1.0⏎" + hostA + "Expect: 200-ok⏎⏎",
		want: "200 closed; a GET /f",
	},
	{
		id: "K-06", what: "h2c", send: field("Connection: Upgrade, HTTP2-Settings⏎Upgrade: h2c⏎HTTP2-Settings: AAMAAABkAAQAAP__⏎"),
		want: "200 open; a GET /f", head: noUpgrade,
	},
	{id: "K-07", what: "another protocol", send: field("Connection: Upgrade⏎Upgrade: foo⏎"), want: "200 open; a GET /f", head: noUpgrade},
	{id: "K-07", what: "two protocols", send: field("Connection: Upgrade⏎Upgrade: websocket, h2c⏎"), want: "200 open; a GET /f", head: noUpgrade},
	{id: "K-07", what: "two protocols in two lines", send: field("Connection: Upgrade⏎Upgrade: websocket⏎Upgrade: h2c⏎"), want: "200 open; a GET /f", head: noUpgrade},
	{id: "K-07", what: "two protocols in two lines, ours last", send: field("Connection: Upgrade⏎Upgrade: h2c⏎Upgrade: websocket⏎"), want: "200 open; a GET /f", head: noUpgrade},
	{id: "K-07", what: "a version", send: field("Connection: Upgrade⏎Upgrade: WebSocket/13⏎"), want: "200 open; a GET /f", head: noUpgrade},
	{id: "K-10", what: "a handshake with a body", send: get("/ws", webSocket+length(5)+"⏎hello"), want: r400 + " or 200 open; a GET /ws hello"},
	{
		id: "K-08", what: "a handshake answered with 200 and Upgrade", send: get("/r", webSocket+"⏎") + smug,
		answer: "HTTP/1.1 200 OK⏎Connection: Upgrade⏎Upgrade: websocket⏎" + length(2) + "⏎ok",
		want:   "200 200 open; a GET /r; b GET /smuggled", head: []string{"Upgrade: websocket"}, reply: []string{"-Upgrade", "-Connection"},
	},
	{
		id: "K-10", what: "a handshake with chunks", send: get("/ws", webSocket+chunked+"⏎5⏎hello⏎0⏎⏎"+smug), want: r400,
	},
	{
		id: "K-11", what: "Upgrade that Connection does not name", send: field("Upgrade: websocket⏎Sec-WebSocket-Version: 13⏎"),
		want: "200 open; a GET /f", head: noUpgrade,
	},
	{
		id: "K-11", what: "a handshake in HTTP/1.0", send: "GET /f HTTP/1.0⏎" + hostA + webSocket + "⏎", want: "200 closed; a GET /f",
		head: noUpgrade,
	},
	{
		id: "K-12", what: "101 that nobody asked for", send: askR, answer: "HTTP/1.1 101 Switching Protocols⏎Connection: Upgrade⏎Upgrade: websocket⏎⏎",
		drops: true, want: "502 open; a GET /r",
	},
	{
		id: "K-12", what: "101 to another protocol", send: get("/r", webSocket+"⏎"), answer: "HTTP/1.1 101 Switching Protocols⏎Connection: Upgrade⏎Upgrade: h2c⏎⏎",
		drops: true, want: "502 open; a GET /r",
	},
	{
		id: "K-13", what: "fields that only proxies may set",
		send: field("X-Forwarded-Port: 1⏎X-Forwarded-Prefix: /x⏎X-Original-URI: /y⏎X-Original-URL: /y⏎X-Rewrite-URL: /y⏎X-Envoy-Original-Path: /y⏎" +
			"X-Real-IP: 6.6.6.6⏎X-Forwarded-For: 6.6.6.6⏎X-Forwarded-Host: evil.test⏎X-Forwarded-Proto: gopher⏎X-Forwarded-Scheme: gopher⏎X-Scheme: gopher⏎"),
		want: "200 open; a GET /f",
		head: []string{
			"X-Forwarded-Port: {port}", "-X-Forwarded-Prefix", "-X-Original-URI", "-X-Original-URL", "-X-Rewrite-URL", "-X-Envoy-Original-Path",
			"X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a.test", "X-Forwarded-Proto: {scheme}",
			"X-Forwarded-Scheme: {scheme}", "X-Scheme: {scheme}",
		},
	},
	{
		id: "K-14", what: "close within a sequence", send: get("/one", "Connection: close⏎⏎") + get("/two", "⏎") + smug,
		want: "200 closed; a GET /one",
	},
	{
		id: "K-14", what: "much behind the last request", send: get("/one", "Connection: close⏎⏎") + "«GET /two HTTP/1.1⏎" + hostA + "⏎×20000»" + smug,
		want: "200 closed; a GET /one",
	},
	{
		id: "K-14", what: "much behind the last request, in HTTP/1.0", send: "GET /one HTTP/1.0⏎" + hostA + "⏎«GET /two HTTP/1.0⏎" + hostA + "⏎×20000»" + smug,
		want: "200 closed; a GET /one",
	},
	{id: "K-15", what: "a query that looks broken", send: line("GET /a?x=1;y=2&z=%zz HTTP/1.1"), want: "200 open; a GET /a?x=1;y=2&z=%zz"},
	{id: "K-15", what: "an empty query", send: line("GET /a? HTTP/1.1"), want: "200 open; a GET /a?"},
	{id: "K-15", what: "marks in a query", send: line(`GET /a??a=b/../c//d\e?f|{} HTTP/1.1`), want: `200 open; a GET /a??a=b/../c//d\e?f|{}`},
	{id: "K-16", what: "no Accept-Encoding of our own", send: field(""), want: "200 open; a GET /f", head: []string{"-Accept-Encoding"}},
	{
		id: "K-16", what: "compressed bodies pass as they are", send: get("/r", "Accept-Encoding: br⏎⏎"),
		answer: "HTTP/1.1 200 OK⏎Content-Encoding: gzip⏎" + length(5) + "⏎\x1f\x8b\x08xx", want: "200 open; a GET /r",
		head: []string{"Accept-Encoding: br"}, reply: []string{"Content-Encoding: gzip", "Content-Length: 5"}, body: "\x1f\x8b\x08xx",
	},
}

// noUpgrade are what an upstream must not see of an upgrade.
var noUpgrade = []string{"-Upgrade", "-Connection", "-HTTP2-Settings"}

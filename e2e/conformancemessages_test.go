package e2e

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// bad is what malformed messages come to (RFC 9113 section 8.1.1).
const bad = "RST PROTOCOL_ERROR"

// request sends a request without a body.
func request(list ...string) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) { c.Request(1, true, list...) }
}

// with sends an ordinary request with more fields, and without one of its own.
func with(more ...string) func(c *h2raw.Conn) { return request(lines("GET", "/", more...)...) }

func without(name string, more ...string) func(c *h2raw.Conn) {
	var list []string
	for _, l := range lines("GET", "/") {
		if !strings.HasPrefix(l, name+": ") {
			list = append(list, l)
		}
	}
	return request(append(list, more...)...)
}

// pieces sends a body.
func pieces(length string, list ...string) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) {
		if length == "" {
			upload(c, 1)
		} else {
			upload(c, 1, "content-length: "+length)
		}
		for i, p := range list {
			c.Send(h2raw.DataFrame(1, i == len(list)-1, []byte(p)))
		}
	}
}

// trailers sends a body that ends with a head.
func trailers(end bool, list ...string) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) {
		upload(c, 1)
		c.Send(h2raw.DataFrame(1, false, []byte("hello")))
		c.Request(1, end, list...)
	}
}

func TestConformanceOfMessages(t *testing.T) {
	connect := func(list ...string) func(c *h2raw.Conn) {
		return func(c *h2raw.Conn) { c.Request(1, false, append([]string{":method: CONNECT"}, list...)...) }
	}
	keep(t, []clause{
		{"§8.1/1", "GET", false, with(), "200"},
		{"§8.1/2", "HEAD", false, func(c *h2raw.Conn) {
			c.Request(1, true, lines("HEAD", "/")...)
			if a := c.Response(1); len(a.Body) > 0 || a.Field("content-length") != "64" {
				c.Conn().Close()
			}
		}, "200"},
		{"§8.1/3", "POST", false, pieces("", "hello, ", "world", ""), "200"},
		{"§8.1/4", "POST with trailers", false, trailers(true, "x-sum: 1"), "200"},
		{"§8.1/5", "trailers without an end", false, trailers(false, "x-sum: 1"), bad},
		{"§8.1/6", "a response with trailers", false, func(c *h2raw.Conn) {
			c.Request(1, true, lines("GET", "/trailers", "te: trailers")...)
			if a := c.Response(1); len(a.Trailers) != 1 || a.Trailers[0].Name != "x-sum" {
				c.Conn().Close()
			}
		}, "200"},
		{"§8.1.1/1", "content-length and one DATA frame differ", false, pieces("1", "test"), bad},
		{"§8.1.1/2", "content-length and the sum of DATA frames differ", false, pieces("10", "te", "st"), bad},
		{"§8.1.1/3", "content-length of nothing", false, with("content-length: 3"), bad},
		{"§8.1.1/4", "two content-lengths", false, with("content-length: 0", "content-length: 1"), bad},
		{"§8.2/1", "a name in upper case", false, with("X-TEST: ok"), bad},
		{"§8.2.1/1", "a name with a colon", false, with("x:test: ok"), bad},
		{"§8.2.1/2", "a value with a line feed", false, with("x-test: a\nb"), bad},
		{"§8.2.1/3", "a value with a NUL", false, with("x-test: a\x00b"), bad},
		{"§8.2.1/4", "a value that begins with a blank", false, with("x-test:  a"), bad},
		{"§8.2.2/1", "connection", false, with("connection: keep-alive"), bad},
		{"§8.2.2/2", "transfer-encoding", false, with("transfer-encoding: chunked"), bad},
		{"§8.2.2/3", "te of anything but trailers", false, with("te: trailers, deflate"), bad},
		{"§8.2.2/4", "te of trailers", false, with("te: trailers"), "200"},
		{"§8.2.3/1", "cookies in crumbs", false, with("cookie: a=b", "cookie: c=d"), "200"},
		{"§8.3/1", "an unknown pseudo-header field", false, with(":test: ok"), bad},
		{"§8.3/2", "one of responses", false, with(":status: 200"), bad},
		{"§8.3/3", "one in trailers", false, trailers(true, ":method: GET"), bad},
		{"§8.3/4", "one behind other fields", false, without(":path", "x-test: ok", ":path: /"), bad},
		{"§8.3.1/1", "an empty path", false, without(":path", ":path: "), bad},
		{"§8.3.1/2", "no method", false, without(":method"), bad},
		{"§8.3.1/3", "no scheme", false, without(":scheme"), bad},
		{"§8.3.1/4", "no path", false, without(":path"), bad},
		{"§8.3.1/5", "two methods", false, with(":method: GET"), bad},
		{"§8.3.1/6", "two schemes", false, with(":scheme: https"), bad},
		{"§8.3.1/7", "two paths", false, with(":path: /"), bad},
		{"§8.3.1/8", "host instead of an authority", false, without(":authority", "host: a.test"), "200"},
		{"§8.3.1/9", "another host beside the authority", false, with("host: b.test"), "400|" + bad},
		{"§8.3.1/10", "user information in the authority", false, without(":authority", ":authority: me@a.test"), bad},
		{"§8.3.2/1", "an interim response", false, func(c *h2raw.Conn) {
			upload(c, 1, "expect: 100-continue", "content-length: 5")
			c.Until(func() bool { return len(c.At(1).Interim) > 0 })
			c.Send(h2raw.DataFrame(1, true, []byte("hello")))
		}, "200"},
		{"§8.4/1", "PUSH_PROMISE of a client", false, raw(h2raw.PushPromise, h2raw.EndHeaders, 0, "\x00\x00\x00\x02"), badProtocol},
		{"§8.5/1", "CONNECT", false, connect(":authority: a.test:80"), "405"},
		{"§8.5/2", "CONNECT for a protocol without a path (RFC 8441 §4)", false, connect(":protocol: websocket", ":scheme: http", ":authority: a.test"), bad},
		{"§8.5/3", "a protocol with another method", false, with(":protocol: websocket"), bad},
		{"§8.5/4", "extended CONNECT is offered (RFC 8441 §3)", false, func(c *h2raw.Conn) {
			if c.Settings[h2raw.EnableConnectProtocol] != 1 {
				c.Conn().Close()
			}
		}, ""},
		{"§8.6/1", "upgrade", false, with("upgrade: websocket"), bad},
		{"§8.7/1", "what was refused may be sent again", false, func(c *h2raw.Conn) {
			c.Request(3, true, lines("GET", "/wait")...)
			c.Send(h2raw.ResetFrame(3, h2raw.Cancel))
		}, ""},
	})
}

func TestConformanceOfHPACK(t *testing.T) {
	// block is a head whose fields are written one way.
	block := func(how h2raw.How, huffman bool) func(c *h2raw.Conn) []byte {
		return func(c *h2raw.Conn) (b []byte) {
			c.Enc.Huffman = huffman
			for _, f := range h2raw.Fields(lines("GET", "/", "x-a: b")...) {
				b = c.Enc.Field(b, f, how)
			}
			return b
		}
	}
	// head sends such a head with something before and behind.
	head := func(how h2raw.How, before, behind string) func(c *h2raw.Conn) {
		return func(c *h2raw.Conn) {
			c.Send(h2raw.HeadersFrame(1, true, append(append([]byte(before), block(how, false)(c)...), behind...)))
		}
	}
	// again is a second request, when the tables of both sides are filled. Its answer is judged.
	again := func(block func(c *h2raw.Conn) []byte) func(c *h2raw.Conn) {
		return func(c *h2raw.Conn) {
			c.Request(1, true, lines("GET", "/", "x-in-the-table: yes")...)
			c.Response(1)
			c.Send(h2raw.HeadersFrame(3, true, block(c)))
			*c.At(1) = *c.Response(3)
		}
	}
	var list []clause
	for how, name := range map[h2raw.How]string{
		h2raw.Shortest: "6.1", h2raw.Incremental: "6.2.1", h2raw.Without: "6.2.2", h2raw.Never: "6.2.3",
	} {
		list = append(list, clause{"HPACK §" + name + "/1", "plain", false, again(block(how, false)), "200"},
			clause{"HPACK §" + name + "/2", "in Huffman codes", false, again(block(how, true)), "200"})
	}
	literal := func(value string) string { return "\x00\x03x-b" + value }
	keep(t, append(list, []clause{
		{"HPACK §2.3.3/1", "an index behind both tables", false, head(h2raw.Shortest, "", "\xc6"), badHead},
		{"HPACK §2.3.3/2", "a name behind both tables", false, head(h2raw.Shortest, "", "\x7f\x7f\x01b"), badHead},
		{"HPACK §4.2/1", "a table size update behind a field", false, head(h2raw.Shortest, "", "\x20"), badHead},
		{"HPACK §4.2/2", "one behind a field while the table is empty", false, head(h2raw.Without, "", "\x20"), badHead},
		{"HPACK §4.2/3", "two at the beginning", false, again(func(c *h2raw.Conn) []byte {
			b := c.Enc.Resize(c.Enc.Resize(nil, 100), 4096)
			return append(b, c.Enc.Block(h2raw.Fields(lines("GET", "/")...)...)...)
		}), "200"},
		{"HPACK §4.2/4", "our own after the client has made the table smaller", false, func(c *h2raw.Conn) {
			set(h2raw.HeaderTableSize, 0)(c)
			c.Request(1, true, lines("GET", "/")...)
			if c.Response(1); c.Dec.Updates != 1 {
				c.Conn().Close()
			}
		}, "200"},
		{"HPACK §4.4/1", "an entry larger than the table empties it", false, again(func(c *h2raw.Conn) []byte {
			return c.Enc.Block(h2raw.Fields(lines("GET", "/", "x-large: "+strings.Repeat("v", 4096))...)...)
		}), "200"},
		{"HPACK §5.1/1", "an integer that does not end", false, head(h2raw.Shortest, "", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), badHead},
		{"HPACK §5.2/1", "padding of more than 7 bits", false, head(h2raw.Shortest, "", literal("\x82\x1f\xff")), badHead},
		{"HPACK §5.2/2", "padding of zeros", false, head(h2raw.Shortest, "", literal("\x81\x18")), badHead},
		{"HPACK §5.2/3", "EOS", false, head(h2raw.Shortest, "", literal("\x84\xff\xff\xff\xff")), badHead},
		{"HPACK §5.2/4", "a string cut short", false, head(h2raw.Shortest, "", "\x00\x03x-b\x09short"), badHead},
		{"HPACK §6.1/3", "index 0", false, head(h2raw.Shortest, "", "\x80"), badHead},
		{"HPACK §6.3/1", "a table larger than was allowed", false, head(h2raw.Shortest, "\x3f\xe2\x1f", ""), badHead},
	}...))
}

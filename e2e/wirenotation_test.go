package e2e

import (
	"fmt"
	"regexp"
	"strings"
)

// The wire cases are written in a notation that shows every byte: ⏎ is CRLF, ␊ a bare LF, ␍ a bare CR, ␀ NUL,
// ␉ TAB, ␠ a space where it matters, «text×n» a text repeated n times. {scheme} is the scheme of the
// connection that a case runs over, {other} the other one. Everything else stands for itself.

// Parts that many cases share.
const (
	hostA   = "Host: a.test⏎"
	chunked = "Transfer-Encoding: chunked⏎"
	// smug is a request that must never be taken for one where it is not.
	smug = "GET /smuggled HTTP/1.1⏎Host: b.test⏎⏎"
	// webSocket is the head of a good handshake, less its request line, Host and empty line.
	webSocket = "Connection: Upgrade⏎Upgrade: websocket⏎Sec-WebSocket-Version: 13⏎Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==⏎"
)

// line is a whole request of which only the request line matters.
func line(text string) string { return text + "⏎" + hostA + "⏎" }

// get is a whole GET request with these field lines, which may end within a line or go on behind the head.
func get(target, fields string) string { return "GET " + target + " HTTP/1.1⏎" + hostA + fields }

// field is a whole request of which only some field lines matter; each ends with its ⏎.
func field(lines string) string { return get("/f", lines+"⏎") }

// host is a whole request of which only the lines about its host matter.
func host(lines string) string { return "GET /h HTTP/1.1⏎" + lines + "⏎" }

// post is a whole request with a body.
func post(fields, body string) string { return "POST /p HTTP/1.1⏎" + hostA + fields + "⏎" + body }

// length is a Content-Length field.
func length(value any) string { return fmt.Sprintf("Content-Length: %v⏎", value) }

// encoding is a Transfer-Encoding field.
func encoding(value string) string { return "Transfer-Encoding: " + value + "⏎" }

// symbols are the signs of the notation.
var symbols = strings.NewReplacer("⏎", "\r\n", "␊", "\n", "␍", "\r", "␀", "\x00", "␉", "\t", "␠", " ")

// repetition is «text×n».
var repetition = regexp.MustCompile(`«([^×»]*)×(\d+)»`)

// bytesOf returns the bytes that a text in the notation stands for, over a connection of this scheme.
func bytesOf(text, scheme string) string {
	other := "http"
	if scheme == other {
		other = "https"
	}
	text = repetition.ReplaceAllStringFunc(text, func(s string) string {
		var n int
		m := repetition.FindStringSubmatch(s)
		_, _ = fmt.Sscan(m[2], &n)
		return strings.Repeat(m[1], n)
	})
	return symbols.Replace(strings.NewReplacer("{scheme}", scheme, "{other}", other).Replace(text))
}

// brief shortens a text for messages.
func brief(text string) string {
	const most = 600
	if len(text) > most {
		return fmt.Sprintf("%q… (%d bytes)", text[:most], len(text))
	}
	return fmt.Sprintf("%q", text)
}

package variable_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/nginxtest"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/variable"
)

// compared are the variables that depend on the request alone.
var compared = strings.Fields(`request_method request_uri uri document_uri args query_string is_args arg_a arg_B arg_none
	http_user_agent http_x_y http_empty http_none http_referer http_cookie cookie_sid cookie_SID cookie_none host http_host scheme https
	server_protocol request content_length content_type remote_user status request_length request_completion pipe`)

// logLine is the format that both sides write: names and values, each on its own.
func logLine() string {
	var b strings.Builder
	for _, name := range compared {
		fmt.Fprintf(&b, "%s=[$%s] ", name, name)
	}
	return b.String() + "end"
}

// requests are what both sides get to see. Each is answered 200 with nothing.
func requests() []string {
	get := func(target string, fields ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: A.Test:80\r\nConnection: close\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	}
	basic := func(text string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text))
	}
	return []string{
		get("/"),
		get("/a/b?a=1&B=2"), get("/?"), get("/?a"), get("/?a="), get("/?A=1&a=2"), get("/?ba=1&a=2"), get("/?b=%20x&a=%41"), get("/?x&&a=3&"),
		get("/a%20b%22%5C/%c3%a9/%ff%0a%09"), get("/x/../y/./z//w?q=/../"), get("/%41%2Fb"),
		get("/", `User-Agent: "quoted" \ back`, "Referer: \xc3\xa9\xff", "X-Y: a\tb", "Empty:"), get("/", "x-y:   spaced   "),
		get("/", "Cookie: sid=1"), get("/", "Cookie: a=1; SID=two; sid=3"), get("/", "Cookie: xsid=1;sid=2"), get("/", "Cookie: sid"),
		get("/", "Cookie: sid=; b=1"), get("/", "Cookie: a=1,sid=2; b"), get("/", "Cookie: sid = spaced ; b=1"),
		get("/", "Cookie: sid\t=1; a=,SID=3 , x; sid=4"), get("/", "Cookie: ;;sid=1"), get("/", "Cookie: , sid=1"), get("/", "Cookie: b=sid=2;sid==3"),
		get("/", basic("jane:pw")), get("/", basic("ja\"n:e:pw")), get("/", basic("nocolon")), get("/", basic(":pw")), get("/", "Authorization: Bearer x"),
		get("/", "Authorization: Basic not base64!"), get("/", "authorization: BASIC  "+base64.StdEncoding.EncodeToString([]byte("joe:x"))),
		"POST /p HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Type: text/plain; x=\"y\"\r\nContent-Length: 5\r\n\r\nhello",
		"GET /old HTTP/1.0\r\n\r\n",
		"GET http://abs.test/path?a=1 HTTP/1.1\r\nHost: abs.test\r\nConnection: close\r\n\r\n",
	}
}

// send writes a request and waits for the end of the answer.
func send(t *testing.T, conn net.Conn, request string) {
	t.Helper()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		t.Fatalf("%q was answered %q, %v", request, answer, err)
	}
}

// logger answers 200 and keeps what a log would say.
type logger struct {
	lines [3]*variable.Template
	got   chan [3]string
}

// ServeExchange implements http1.Handler.
func (l *logger) ServeExchange(x *filter.Exchange) {
	_, _ = io.Copy(io.Discard, x.Stream)
	x.ReplyText(200, "text/plain", "")
	if x.Stream.WriteHead(&x.Response) != nil || x.Stream.Finish(nil) != nil {
		x.Stream.Abort()
	}
	var texts [3]string
	for e, line := range l.lines {
		texts[e] = string(line.AppendEscaped(nil, x, variable.Escape(e)))
	}
	l.got <- texts
}

// What the access log says of a request must be what nginx says of it, in each of its escape modes.
func TestNginxSaysTheSame(t *testing.T) {
	modes := [3]string{variable.EscapeDefault: "default", variable.EscapeJSON: "json", variable.EscapeNone: "none"}
	var httpBlock, logs strings.Builder
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		fmt.Fprintf(&httpBlock, "log_format %s escape=%s '%s|';\n", mode, mode, logLine())
		fmt.Fprintf(&logs, "access_log %s %s;\n", filepath.Join(dir, mode), mode)
	}
	server := nginxtest.Start(t, nil, httpBlock.String(), "server_name _; client_body_buffer_size 8k; "+logs.String()+`
		location / { proxy_pass http://unix:`+filepath.Join(dir, "back")+`; proxy_http_version 1.1; }`)
	startBackend(t, filepath.Join(dir, "back"))

	l := &logger{got: make(chan [3]string, 1)}
	for e := range l.lines {
		var err error
		if l.lines[e], err = variable.Compile(logLine()); err != nil {
			t.Fatal(err)
		}
	}
	engine := &http1.Server{Handler: l}
	for n, request := range requests() {
		conn, err := net.Dial("unix", server.Socket)
		if err != nil {
			t.Fatal(err)
		}
		send(t, conn, request)
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			engine.Serve(context.Background(), theirs, &filter.Conn{})
			close(done)
		}()
		send(t, ours, request)
		<-done
		got := <-l.got
		for e, mode := range modes {
			want := entry(t, filepath.Join(dir, mode), n)
			if mode == "json" {
				want = strings.ToValidUTF8(want, "\ufffd") // on purpose: ours is always JSON
			}
			if got[e] != want {
				t.Errorf("%q, escape=%s:\n got %q\nwant %q", request, mode, got[e], want)
			}
		}
	}
}

// startBackend answers 200 with nothing to every request, on a connection of its own.
func startBackend(t *testing.T, socket string) {
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l := &logger{got: make(chan [3]string)}
	for e := range l.lines {
		l.lines[e], _ = variable.Compile("x")
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for range l.got {
		}
	}()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				close(l.got)
				return
			}
			(&http1.Server{Handler: l}).Serve(context.Background(), conn, &filter.Conn{})
		}
	}()
}

// entry waits for the nth entry of a log.
func entry(t *testing.T, file string, n int) string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(file)
		if err == nil {
			if entries := strings.Split(string(text), "|\n"); len(entries) > n+1 {
				return entries[n]
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("entry %d is not in %s: %q, %v", n, file, text, err)
		}
	}
}

package variable

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// sentStream is the client's side as far as variables ask it: how much went each way.
type sentStream struct {
	wire.Stream
	total, body, received int64
}

func (s *sentStream) Written() (int64, int64) { return s.total, s.body }
func (s *sentStream) Received() int64         { return s.received }

// newExchange returns an exchange as it stands after an ordinary request that took two attempts.
func newExchange() *filter.Exchange {
	start := time.Date(2026, 11, 22, 12, 49, 0, 0, time.UTC)
	x := &filter.Exchange{
		Stream: &sentStream{total: 1234, body: 1000, received: 10},
		Conn: &filter.Conn{
			Serial: 42, Peer: netip.MustParseAddrPort("[::ffff:10.0.0.9]:5555"),
			Local: netip.MustParseAddrPort("10.0.0.1:8443"), HTTPS: true, Requests: 3,
			ProxyProtocol: netip.MustParseAddrPort("192.0.2.7:700"), ProxyProtocolLocal: netip.MustParseAddrPort("192.0.2.1:443"),
			TLS: &tls.ConnectionState{
				Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ServerName: "a.test",
				NegotiatedProtocol: "http/1.1",
			},
		},
		Client: netip.MustParseAddr("203.0.113.5"), ClientText: "203.0.113.5",
		Scheme: "https", ForwardedHost: "front.test", ForwardedPort: "443", ForwardedFor: "203.0.113.5",
		RequestID: "0123456789abcdef0123456789abcdef",
		Start:     start, End: start.Add(1012*time.Millisecond + 999*time.Microsecond),
		Route: &filter.Origin{
			Namespace: "shop", Ingress: "web", Service: "cart", ServicePort: "http", Host: "a.test", Path: "/api",
		},
		Canary: "shop-cart-canary-http",
	}
	r := &x.Request
	*r = wire.Request{
		Method: "GET", Target: "/api/x%20y?a=1&B=two&a=3", Path: "/api/x y", Query: "a=1&B=two&a=3", Host: "a.test",
		Authority: "A.test:8443", Major: 1, Minor: 1, HeadBytes: 300,
	}
	r.Fields.Add("Host", "A.test:8443")
	r.Fields.Add("User-Agent", `curl "8"`)
	r.Fields.Add("Cookie", "one=1; SID=abc=def")
	r.Fields.Add("Cookie", "two=2")
	r.Fields.Add("X-Two", "a")
	r.Fields.Add("x_two", "b")
	r.Fields.Add("X-Forwarded-For", "1.1.1.1")
	r.Fields.Add("Empty", "")
	r.Fields.Add("Content-Type", "text/plain")
	x.Response.Status = 200
	x.Response.Length = 1000
	x.Response.Fields.Add("Content-Type", "text/html")
	x.Response.Fields.Add("Set-Cookie", "route=r1; Path=/")
	for i, spec := range []filter.Attempt{
		{Status: 502, Connect: -1, Header: -1, Total: 1 * time.Millisecond},
		{Status: 200, Bytes: 1000, Connect: 0, Header: 10 * time.Millisecond, Total: 11 * time.Millisecond},
	} {
		a := x.Attempt()
		*a = spec
		a.Endpoint = upstream.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 8080)}
	}
	return x
}

func TestVariables(t *testing.T) {
	hostname, _ := os.Hostname()
	for name, want := range map[string]string{
		"remote_addr": "203.0.113.5", "remote_port": "700", "realip_remote_port": "5555", "realip_remote_addr": "10.0.0.9", "the_real_ip": "203.0.113.5",
		"proxy_protocol_addr": "192.0.2.7", "proxy_protocol_port": "700", "proxy_protocol_server_addr": "192.0.2.1", "proxy_protocol_server_port": "443",
		"request": "GET /api/x%20y?a=1&B=two&a=3 HTTP/1.1", "request_method": "GET",
		"request_uri": "/api/x%20y?a=1&B=two&a=3", "uri": "/api/x y", "document_uri": "/api/x y",
		"args": "a=1&B=two&a=3", "query_string": "a=1&B=two&a=3", "is_args": "?",
		"arg_a": "1", "arg_b": "two", "arg_A": "1", "arg_none": "-",
		"escaped_request_uri": "%2Fapi%2Fx%2520y%3Fa%3D1%26B%3Dtwo%26a%3D3",
		"http_user_agent":     `curl \x228\x22`, "http_x_two": "a, b", "http_none": "-", "http_empty": "",
		"cookie_one": "1", "cookie_sid": "abc=def", "cookie_TWO": "2", "cookie_none": "-", "http_cookie": "one=1; SID=abc=def; two=2",
		"sent_http_content_type": "text/html", "sent_http_content_length": "1000", "sent_http_none": "-",
		"upstream_http_content_type": "text/html", "upstream_cookie_route": "r1",
		"host": "a.test", "http_host": "A.test:8443", "hostname": hostname, "scheme": "https", "https": "on",
		"server_protocol": "HTTP/1.1", "server_name": "a.test", "server_port": "8443", "server_addr": "10.0.0.1",
		"status": "200", "body_bytes_sent": "1000", "bytes_sent": "1234", "request_length": "310",
		"request_time": "1.012", "msec": "1795351741.012", "request_id": "0123456789abcdef0123456789abcdef",
		"req_id": "0123456789abcdef0123456789abcdef", "request_completion": "OK", "connection": "42", "connection_requests": "3",
		"binary_remote_addr": `\xCB\x00q\x05`, "content_length": "-", "content_type": "text/plain", "pipe": ".",
		"pid": strconv.Itoa(os.Getpid()), "nginx_version": nginxVersion,
		"proxy_upstream_name": "shop-cart-http", "proxy_alternative_upstream_name": "shop-cart-canary-http",
		"upstream_addr": "10.1.0.1:8080, 10.1.0.2:8080", "upstream_status": "502, 200",
		"upstream_response_length": "0, 1000", "upstream_response_time": "0.001, 0.011",
		"upstream_connect_time": "-, 0.000", "upstream_header_time": "-, 0.010",
		"upstream_bytes_received": "0, 1000", "upstream_bytes_sent": "-", "upstream_cache_status": "-",
		"proxy_host": "shop-cart-http", "proxy_port": "80", "proxy_add_x_forwarded_for": "1.1.1.1, 203.0.113.5",
		"namespace": "shop", "ingress_name": "web", "service_name": "cart", "service_port": "http", "location_path": "/api",
		"ssl_protocol": "TLSv1.2", "ssl_cipher": "ECDHE-RSA-AES128-GCM-SHA256", "ssl_server_name": "a.test",
		"ssl_session_reused": ".", "ssl_client_verify": "NONE", "ssl_client_s_dn": "-", "ssl_alpn_protocol": "http/1.1",
		"pass_access_scheme": "https", "pass_server_port": "443", "best_http_host": "front.test", "best_port": "443",
		"geoip2_city_country_code": "-", "geoip_x": "-", "remote_user": "-", "limit_req_status": "-",
	} {
		tmpl, err := Compile("$" + name)
		if err != nil {
			t.Errorf("$%s: %v", name, err)
			continue
		}
		if got := string(tmpl.AppendEscaped(nil, newExchange(), EscapeDefault)); got != want {
			t.Errorf("$%s = %q, want %q", name, got, want)
		}
		upper, err := Compile("[${" + strings.ToUpper(name) + "}]")
		if err != nil {
			t.Errorf("${%s}: %v", strings.ToUpper(name), err)
			continue
		}
		if got := string(upper.AppendEscaped(nil, newExchange(), EscapeDefault)); got != "["+want+"]" {
			t.Errorf("${%s} = %q, want %q", strings.ToUpper(name), got, "["+want+"]")
		}
	}
}

func TestTimes(t *testing.T) {
	zone := time.Local
	defer func() { time.Local = zone }()
	for offset, want := range map[int]string{
		0:                        "22/Nov/2026:12:49:01 +0000 2026-11-22T12:49:01+00:00",
		5*3600 + 1800:            "22/Nov/2026:18:19:01 +0530 2026-11-22T18:19:01+05:30",
		-9*3600 - 1800 - 12*3600: "21/Nov/2026:15:19:01 -2130 2026-11-21T15:19:01-21:30",
	} {
		time.Local = time.FixedZone("", offset)
		tmpl, err := Compile("$time_local $time_iso8601")
		if err != nil {
			t.Fatal(err)
		}
		x := newExchange()
		for range 2 { // the second time from the cache
			if got := string(tmpl.Append(nil, x)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if got := x.End.Local().Format("02/Jan/2006:15:04:05 -0700"); !strings.HasPrefix(want, got) {
			t.Errorf("time.Format says %q", got)
		}
		x.End = x.End.Add(time.Second)
		if got := string(tmpl.Append(nil, x)); got == want {
			t.Errorf("still %q a second later", got)
		}
	}
}

func TestNothingMatchedAndNothingKnown(t *testing.T) {
	x := &filter.Exchange{}
	tmpl, err := Compile("$server_name|$host|$proxy_upstream_name|$namespace|$location_path|$request|$status|$upstream_addr|$connection|$ssl_protocol|$remote_addr|$request_time")
	if err != nil {
		t.Fatal(err)
	}
	const want = "_|_|upstream-default-backend||/|-|000|-|-|-|-|0.000"
	if got := string(tmpl.AppendEscaped(nil, x, EscapeDefault)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const plain = "_|_|upstream-default-backend||/||000|||||0.000"
	for _, e := range []Escape{EscapeJSON, EscapeNone, EscapeField} {
		if got := string(tmpl.AppendEscaped(nil, x, e)); got != plain {
			t.Errorf("escape %d: got %q, want %q", e, got, plain)
		}
	}
}

// Every variable must stand an exchange in which nothing is set, such as a request line that could not be
// read leaves behind.
func TestEveryVariableOfAnEmptyExchange(t *testing.T) {
	for name := range known {
		tmpl, err := Compile("$" + name)
		if err != nil {
			t.Fatal(err)
		}
		tmpl.AppendEscaped(nil, &filter.Exchange{}, EscapeDefault)
		tmpl.AppendEscaped(nil, &filter.Exchange{Conn: &filter.Conn{TLS: &tls.ConnectionState{}}}, EscapeDefault)
	}
}

func TestStatusOfAClientThatWentAway(t *testing.T) {
	tmpl, _ := Compile("$status")
	x := newExchange()
	x.ClientGone = true
	if got := tmpl.Text(x); got != "200" {
		t.Errorf("gone in the middle of the answer: %s, want 200", got)
	}
	x.Stream = &sentStream{}
	if got := tmpl.Text(x); got != "499" {
		t.Errorf("gone before the answer: %s, want 499", got)
	}
}

func TestTunnelsCount(t *testing.T) {
	tmpl, _ := Compile("$request_length $bytes_sent $body_bytes_sent")
	x := newExchange()
	x.TunnelIn, x.TunnelOut = 5, 7
	if got := tmpl.Text(x); got != "315 1241 1007" {
		t.Errorf("got %s", got)
	}
}

func TestBasicUser(t *testing.T) {
	tmpl, _ := Compile("$remote_user")
	long := strings.Repeat("u", 300)
	for header, want := range map[string]string{
		"Basic " + base64.StdEncoding.EncodeToString([]byte("jane:pw")):     "jane",
		"bAsIc  " + base64.StdEncoding.EncodeToString([]byte("ja\nne:p:w")): `ja\x0Ane`,
		"Basic " + base64.StdEncoding.EncodeToString([]byte(":pw")):         "-",
		"Basic " + base64.StdEncoding.EncodeToString([]byte("nocolon")):     "-",
		"Basic " + base64.StdEncoding.EncodeToString([]byte(long+":pw")):    long,
		"Basic " + base64.StdEncoding.EncodeToString([]byte(long+long)):     "-",
		"Basic !!!!": "-", "Basic": "-", "Bearer abc": "-",
	} {
		x := newExchange()
		x.Request.Fields.Add("Authorization", header)
		if got := string(tmpl.AppendEscaped(nil, x, EscapeDefault)); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
		x.User = "known"
		if got := tmpl.Text(x); got != "known" {
			t.Errorf("got %q, want the name that authentication established", got)
		}
	}
}

func TestEscapes(t *testing.T) {
	for _, test := range []struct {
		in                        string
		byDefault, json, asAField string
	}{
		{"plain", "plain", "plain", "plain"},
		{"a\"b\\c", `a\x22b\x5Cc`, `a\"b\\c`, "a\"b\\c"},
		{"a\r\nb\tc\x00\x7f", `a\x0D\x0Ab\x09c\x00\x7F`, "a\\r\\nb\\tc\\u0000\x7f", "ab\tc"},
		{"\b\f\x1f", `\x08\x0C\x1F`, `\b\f\u001f`, ""},
		{"é", `\xC3\xA9`, "é", "é"},
		{"\xff€\xe2\x82", `\xFF\xE2\x82\xAC\xE2\x82`, "\ufffd€\ufffd\ufffd", "\xff€\xe2\x82"},
	} {
		for e, want := range map[Escape]string{EscapeDefault: test.byDefault, EscapeJSON: test.json, EscapeField: test.asAField, EscapeNone: test.in} {
			if got := string(escape([]byte(">"), test.in, e)); got != ">"+want {
				t.Errorf("escape(%q, %d) = %q, want %q", test.in, e, got, want)
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for text, want := range map[string]error{
		"$": ErrSyntax, "a $ b": ErrSyntax, "${host": ErrSyntax, "${}": ErrSyntax, "${a-b}": ErrSyntax, "$$": ErrSyntax,
		"$nosuch": ErrUnknown, "$http_": ErrUnknown, "$1": ErrUnknown, "$arg_": ErrUnknown,
		strings.Repeat("x", MaxTextBytes+1): ErrTooLong,
	} {
		if _, err := Compile(text); !errors.Is(err, want) {
			t.Errorf("Compile(%.20q): %v, want %v", text, err, want)
		}
	}
	_, err := Compile("x $request_urii y")
	if err == nil || !strings.Contains(err.Error(), `"$request_urii"`) || !strings.Contains(err.Error(), `did you mean "$request_uri"?`) {
		t.Errorf("the error does not help: %v", err)
	}
	if _, err := Compile("$zzzzzzzzzzzz"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("nothing is near, yet: %v", err)
	}
}

func TestConstant(t *testing.T) {
	for text, want := range map[string]bool{"": true, "plain": true, "a $proxy_port b": true, "$host": false, "x$geoip2_y": false} {
		tmpl, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := tmpl.Constant(); ok != want {
			t.Errorf("%q constant: %v, want %v", text, ok, want)
		}
	}
	tmpl, _ := Compile("a $proxy_port b")
	if s, _ := tmpl.Constant(); s != "a 80 b" || tmpl.Text(newExchange()) != s {
		t.Errorf("got %q", s)
	}
}

func TestFieldTextCannotBreakOut(t *testing.T) {
	tmpl, _ := Compile("p=$uri")
	x := newExchange()
	x.Request.Path = "/a\r\nX-Evil: 1\x00"
	if got := tmpl.FieldText(x); got != "p=/aX-Evil: 1" {
		t.Errorf("got %q", got)
	}
}

const defaultFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
	`"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

func TestNothingAllocates(t *testing.T) {
	var text strings.Builder
	for name, o := range known {
		if o.kind != kindTLS || o.code < clientSubject {
			text.WriteString("$" + name + " ")
		}
	}
	text.WriteString("$http_x_two $cookie_sid $arg_b $sent_http_x $upstream_http_x")
	tmpl, err := Compile(text.String())
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange()
	x.Request.Fields.Add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("jane:pw")))
	buf := make([]byte, 0, 16<<10)
	for _, e := range []Escape{EscapeDefault, EscapeJSON, EscapeNone, EscapeField} {
		if n := testing.AllocsPerRun(100, func() { buf = tmpl.AppendEscaped(buf[:0], x, e) }); n != 0 {
			t.Errorf("escape %d: %v allocations", e, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { x.Arena.Reset(); _ = tmpl.Text(x) }); n != 0 {
		t.Errorf("Text: %v allocations", n)
	}
}

func BenchmarkDefaultFormat(b *testing.B) {
	tmpl, err := Compile(defaultFormat)
	if err != nil {
		b.Fatal(err)
	}
	x := newExchange()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = tmpl.AppendEscaped(buf[:0], x, EscapeDefault)
	}
}

func TestNumbersAndAddresses(t *testing.T) {
	for _, n := range []int64{0, 9, 10, 99, 100, 12345, math.MaxInt64} {
		if got := string(appendInt(nil, n)); got != strconv.FormatInt(n, 10) {
			t.Errorf("%d became %q", n, got)
		}
	}
	for _, s := range []string{"10.0.200.3:80", "[fd00::1]:65535", "0.0.0.0:0"} {
		if got := string(appendAddrPort(nil, netip.MustParseAddrPort(s))); got != s {
			t.Errorf("%s became %q", s, got)
		}
	}
	if got := string(appendAddrPort(nil, netip.MustParseAddrPort("[::ffff:1.2.3.4]:5"))); got != "1.2.3.4:5" {
		t.Errorf("a mapped address became %q", got)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{defaultFormat, "", "$", "${", "${host}x", "$1", "$http_x-y", "{\"a\": \"$uri\"}", "$arg_a$arg_b", "\xff$host"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Compile(text)
		if err != nil {
			return
		}
		x := newExchange()
		x.Request.Path = text
		tmpl.Append(nil, x)
		tmpl.AppendEscaped(nil, x, EscapeDefault)
		if !strings.Contains(text, "$") {
			if got := tmpl.Text(x); got != text {
				t.Errorf("constant %q became %q", text, got)
			}
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\x00\xff\"\\", "€", "\xe2\x82", "eight by\x7ftes", "1234567\x80", "a\"2345678", "abcdefg\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want []byte
		for _, c := range []byte(s) {
			if c < 0x20 || c > 126 || c == '"' || c == '\\' {
				want = fmt.Appendf(want, "\\x%02X", c)
			} else {
				want = append(want, c)
			}
		}
		if got := escape(nil, s, EscapeDefault); string(got) != string(want) {
			t.Fatalf("escape(%q) = %q, want %q", s, got, want)
		}
		quoted := append(escape([]byte{'"'}, s, EscapeJSON), '"')
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || !utf8.Valid(quoted) {
			t.Fatalf("not JSON: %q: %v", quoted, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && back != want {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestCompatTriesAndTimeouts is nginx-compat section 3.12.
func TestCompatTriesAndTimeouts(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	var posts atomic.Int64
	resets := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		c, _, _ := w.(http.Hijacker).Hijack()
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	var tried atomic.Int64
	unwell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tried.Add(1)
		w.WriteHeader(503)
	})
	add := func(name string, text string, notes ...string) {
		s.add(text, ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + name}, notes: notes}.String())
	}
	port := serveOn(t, echo("alive"), []string{"127.0.0.1"})
	dead := []string{"127.0.0.9", "127.0.0.1", "127.0.0.8"} // nobody listens on the first and the last
	add("onedead", endpoints("onedead", port, dead...))
	add("off", endpoints("off", port, "127.0.0.9"), "proxy-next-upstream: off")
	add("alldead", endpoints("alldead", port, "127.0.0.8", "127.0.0.9"))
	resetPort := serveOn(t, resets, four)
	add("resets", endpoints("resets", resetPort, four...))
	add("resetsagain", endpoints("resetsagain", resetPort, four...), "proxy-next-upstream: error timeout non_idempotent")
	unwellPort := serveOn(t, unwell, four)
	add("unwell", endpoints("unwell", unwellPort, four...))
	add("unwell503", endpoints("unwell503", unwellPort, four...), "proxy-next-upstream: error timeout http_503", "proxy-next-upstream-tries: 2")
	add("slow", endpoints("slow", port, "127.0.0.1"), "proxy-read-timeout: 1", "proxy-next-upstream-tries: 1")
	s.start()
	for range 9 {
		s.want("onedead.test", "/x", "alive /x")
		if r := s.send("POST", "onedead.test", "/x", "body"); r.Status != 200 || r.Seen.Body != "body" {
			t.Errorf("POST past a dead endpoint: %s", r)
		}
	}
	s.want("off.test", "/", "502")
	s.want("alldead.test", "/", "502")
	count := func(counter *atomic.Int64, method, host string, want int64, status int) {
		t.Helper()
		before := counter.Load()
		body := ""
		if method != "GET" {
			body = "b"
		}
		r := s.send(method, host, "/", body)
		if got := counter.Load() - before; r.Status != status || got != want {
			t.Errorf("%s %s: %d after %d tries, want %d after %d", method, host, r.Status, got, status, want)
		}
	}
	count(&posts, "GET", "resets.test", 3, 502)
	count(&posts, "POST", "resets.test", 1, 502)
	count(&posts, "PATCH", "resets.test", 1, 502)
	count(&tried, "GET", "unwell.test", 1, 503)
	count(&tried, "GET", "unwell503.test", 2, 503)
	count(&tried, "POST", "unwell503.test", 1, 503)
	start := time.Now()
	s.want("slow.test", "/?wait=3s", "504")
	if d := time.Since(start); d < 900*time.Millisecond || d > 2500*time.Millisecond {
		t.Errorf("proxy-read-timeout of 1 s took %s", d)
	}
	s.want("slow.test", "/?wait=300ms", "alive /?wait=300ms")
}

// TestCompatBodies is nginx-compat section 3.13.
func TestCompatBodies(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	sized := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: notes}.String())
	}
	sized("default")
	sized("small", "proxy-body-size: 1k")
	sized("none", "proxy-body-size: 0")
	sized("bad", "proxy-body-size: 1 apple")
	sized("head", "proxy-buffer-size: 16k")
	s.start()
	chunked := func(n int) (string, string) {
		return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n)), "Transfer-Encoding: chunked"
	}
	for _, c := range []struct {
		host   string
		length int
		want   int
	}{{"default", 1 << 20, 200}, {"default", 1<<20 + 1, 413}, {"small", 1024, 200}, {"small", 1025, 413}, {"none", 3 << 20, 200}, {"bad", 1 << 20, 200}, {"bad", 1<<20 + 1, 413}} {
		if r := s.send("POST", c.host+".test", "/", strings.Repeat("x", c.length)); r.Status != c.want || r.Seen != nil && len(r.Seen.Body) != c.length {
			t.Errorf("%s: %d bytes: %d, want %d", c.host, c.length, r.Status, c.want)
		}
		body, field := chunked(c.length)
		if r := s.send("POST", c.host+".test", "/", body, field); r.Status != c.want || r.Seen != nil && len(r.Seen.Body) != c.length {
			t.Errorf("%s: %d bytes chunked: %d, want %d", c.host, c.length, r.Status, c.want)
		}
	}
	r := s.send("POST", "small.test", "/", "", "Content-Length: 2000", "Expect: 100-continue")
	if r.Status != 413 || !strings.Contains(r.Body, "<h1>413 Request Entity Too Large</h1>") {
		t.Errorf("413: %s %q", r, r.Body)
	}
	s.edit("settings", configMap("proxy-body-size: 10"))
	harness.Until(t, 5*time.Second, "proxy-body-size of the ConfigMap", func() bool { return s.send("POST", "default.test", "/", "0123456789x").Status == 413 })
	if r := s.send("POST", "small.test", "/", strings.Repeat("x", 1024)); r.Status != 200 {
		t.Errorf("the annotation does not go before the ConfigMap: %s", r)
	}
	// The head of a response is at most proxy-buffer-size long.
	long := "set=X-Long:" + strings.Repeat("y", 5000)
	s.want("default.test", "/?"+long, "502")
	s.want("head.test", "/?"+long, "a /?"+long)
	// The head of a request is at most 8k a line.
	if r := s.get("default.test", "/"+strings.Repeat("x", 9000)); r.Status != 414 {
		t.Errorf("a long URI: %s", r)
	}
	if r := s.get("default.test", "/", "Cookie: a="+strings.Repeat("x", 9000)); r.Status != 431 && r.Status != 400 {
		t.Errorf("a long field: %s", r)
	}
	if r := s.get("default.test", "/", "Under_Score: 1", "Dash-ed: 1"); r.Seen.Header["Under_score"] != nil || r.Seen.Header.Get("Dash-Ed") != "1" {
		t.Errorf("fields with underscores: %v", r.Seen.Header)
	}
	s.edit("settings", configMap("enable-underscores-in-headers: true", "proxy-buffer-size: 8k"))
	harness.Until(t, 5*time.Second, "enable-underscores-in-headers", func() bool { return s.get("default.test", "/", "Under_Score: 1").Seen.Header["Under_score"] != nil })
	s.want("default.test", "/?"+long, "a /?"+long)
}

// TestCompatCORS is nginx-compat section 3.14.
func TestCompatCORS(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(secret("users", "auth: alice:{PLAIN}secret"))
	cors := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append([]string{"enable-cors: true"}, notes...)}.String())
	}
	cors("any")
	cors("one", "cors-allow-origin: https://app.test:8443, https://*.wild.test, chrome-extension://abc", "cors-allow-methods: GET, PUT", "cors-allow-headers: X-A", "cors-expose-headers: X-B", "cors-max-age: 600", "cors-allow-credentials: false")
	cors("null", "cors-allow-origin: null")
	cors("guarded", "auth-type: basic", "auth-secret: users")
	cors("bad", "cors-allow-origin: not an origin", "cors-allow-methods: <script>")
	s.start()
	allowed := func(host, origin, want string) {
		t.Helper()
		fields := []string{"Origin: " + origin}
		r := s.get(host, "/?set=Access-Control-Allow-Origin:https://backend.test&set=Access-Control-Allow-Methods:NONE", fields...)
		if want == "" {
			want = "https://backend.test" // the Service's own
		}
		if got := strings.Join(r.Header.Values("Access-Control-Allow-Origin"), "|"); got != want {
			t.Errorf("%s from %q: Access-Control-Allow-Origin %q, want %q", host, origin, got, want)
		}
		preflight := s.send("OPTIONS", host, "/", "", fields...)
		if (preflight.Status == 204) != (want != "https://backend.test") || preflight.Status == 204 && (preflight.Body != "" || preflight.Header.Get("Access-Control-Allow-Origin") != want) {
			t.Errorf("%s from %q: preflight %s %v", host, origin, preflight, preflight.Header)
		}
	}
	allowed("any.test", "https://x.test", "*")
	allowed("bad.test", "https://x.test", "*")
	allowed("null.test", "null", "null")
	allowed("null.test", "https://x.test", "")
	for origin, ok := range map[string]bool{
		"https://app.test:8443": true, "HTTPS://APP.test:8443": true, "https://app.test": false, "http://app.test:8443": false, "https://app.test:84433": false, "https://evil-app.test:8443": false,
		"https://x.wild.test": true, "https://X.WILD.test": true, "https://wild.test": false, "https://x.y.wild.test": false, "https://x.wild.test.evil.test": false, "https://evil.test/.wild.test": false, "https://evil.test?.wild.test": false, "https://xwild.test": false, "https://.wild.test": false, "chrome-extension://abc": true, "null": false, "https://evil.test#.wild.test": false, "https://user@x.wild.test": false,
	} {
		want := ""
		if ok {
			want = origin
		}
		allowed("one.test", origin, want)
	}
	r := s.get("one.test", "/", "Origin: https://app.test:8443")
	for name, want := range map[string]string{"Methods": "GET, PUT", "Headers": "X-A", "Max-Age": "600", "Credentials": ""} {
		prefix := "Access-Control-Allow-"
		if name == "Max-Age" {
			prefix = "Access-Control-"
		}
		if got := strings.Join(r.Header.Values(prefix+name), "|"); got != want {
			t.Errorf("%s%s: %q, want %q", prefix, name, got, want)
		}
	}
	if r.Header.Get("Access-Control-Expose-Headers") != "X-B" {
		t.Errorf("exposed: %v", r.Header)
	}
	r = s.get("any.test", "/?status=500", "Origin: https://x.test")
	if r.Status != 500 || r.Header.Get("Access-Control-Allow-Credentials") != "true" || r.Header.Get("Access-Control-Max-Age") != "1728000" || r.Header.Get("Access-Control-Allow-Methods") != "GET, PUT, POST, DELETE, PATCH, OPTIONS" {
		t.Errorf("an error: %d %v", r.Status, r.Header)
	}
	if r := s.get("guarded.test", "/", "Origin: https://x.test"); r.Status != 401 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a 401: %d %v", r.Status, r.Header)
	}
	if r := s.send("OPTIONS", "guarded.test", "/", "", "Origin: https://x.test"); r.Status != 204 || r.Header.Get("Content-Type") != "text/plain charset=UTF-8" {
		t.Errorf("a preflight of a guarded path: %s %v", r, r.Header)
	}
}

// TestCompatForwardedHeaders is nginx-compat section 3.15.
func TestCompatForwardedHeaders(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}}.String(),
		ing{name: "vhost", host: "vhost.test", paths: []string{"/"}, notes: []string{"upstream-vhost: inner.test"}}.String())
	s.edit("settings", configMap("ssl-redirect: true"))
	s.start()
	_, port := hostPort(t, s.gate.HTTP)
	lies := []string{
		"X-Forwarded-For: 1.1.1.1, 2.2.2.2", "X-Forwarded-Host: evil.test, other.test", "X-Forwarded-Port: 99", "X-Forwarded-Proto: https", "X-Forwarded-Scheme: https", "X-Scheme: https", "X-Real-IP: 1.1.1.1",
		"X-Original-Forwarded-For: 9.9.9.9", "X-Original-URI: /evil", "Proxy: http://evil.test", "X-Request-ID: my-id",
	}
	check := func(what string, r *reply, want map[string]string) {
		t.Helper()
		if r.Seen == nil {
			t.Fatalf("%s: %s", what, r)
		}
		for name, value := range want {
			got := strings.Join(r.Seen.Header.Values(name), "|")
			if name == "Host" {
				got = r.Seen.Host
			}
			if got != value {
				t.Errorf("%s: the backend saw %s %q, want %q", what, name, got, value)
			}
		}
	}
	check("nobody is trusted", s.get("x.test:81", "/", lies...), map[string]string{
		"Host": "x.test:81", "X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Host": "x.test:81", "X-Forwarded-Port": port, "X-Forwarded-Proto": "http", "X-Forwarded-Scheme": "http", "X-Scheme": "http",
		"X-Original-Forwarded-For": "1.1.1.1, 2.2.2.2", "X-Original-Uri": "", "Proxy": "", "X-Request-Id": "my-id",
	})
	r := s.get("x.test", "/")
	check("no claims", r, map[string]string{"X-Original-Forwarded-For": "", "X-Forwarded-For": "127.0.0.1"})
	if id := r.Seen.Header.Get("X-Request-Id"); len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("X-Request-ID %q", id)
	}
	check("upstream-vhost", s.get("vhost.test", "/"), map[string]string{"Host": "inner.test", "X-Forwarded-Host": "vhost.test"})
	https := s.tls("x.test", "/", lies...)
	check("over https", https, map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "X-Scheme": "https", "X-Forwarded-For": "127.0.0.1"})
	settings := func(check string, lines ...string) {
		t.Helper()
		s.edit("settings", configMap(append(lines, "server-tokens: true", "add-headers: mark")...)+dataMap("mark", "X-Mark: "+check))
		harness.Until(t, 5*time.Second, "ConfigMap "+check, func() bool { return s.get("x.test", "/").Header.Get("X-Mark") == check })
	}
	settings("trusting", "use-forwarded-headers: true")
	check("everybody is trusted", s.get("x.test", "/", lies...), map[string]string{
		"X-Forwarded-For": "1.1.1.1", "X-Real-Ip": "1.1.1.1", "X-Forwarded-Host": "evil.test", "X-Forwarded-Port": "99", "X-Forwarded-Proto": "https", "X-Forwarded-Scheme": "https", "X-Scheme": "https", "Host": "evil.test",
		"X-Original-Forwarded-For": "1.1.1.1, 2.2.2.2", "X-Original-Forwarded-Host": "evil.test, other.test",
	})
	settings("some", "use-forwarded-headers: true", "proxy-real-ip-cidr: 127.0.0.0/8, 2.2.2.0/24")
	check("the nearest that is no proxy", s.get("x.test", "/", "X-Forwarded-For: 9.9.9.9, 1.1.1.1, 2.2.2.2"), map[string]string{"X-Forwarded-For": "1.1.1.1", "X-Real-Ip": "1.1.1.1"})
	check("a port in it", s.get("x.test", "/", "X-Forwarded-For: 1.1.1.1:4711, 2.2.2.2:80"), map[string]string{"X-Real-Ip": "1.1.1.1"})
	check("IPv6 in it", s.get("x.test", "/", "X-Forwarded-For: 2001:db8::1"), map[string]string{"X-Real-Ip": "2001:db8::1"})
	check("nonsense in it", s.get("x.test", "/", "X-Forwarded-For: 1.1.1.1, unknown, 2.2.2.2"), map[string]string{"X-Real-Ip": "2.2.2.2"})
	check("several fields", s.get("x.test", "/", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"), map[string]string{"X-Real-Ip": "1.1.1.1"})
	settings("nobody", "use-forwarded-headers: true", "proxy-real-ip-cidr: 10.0.0.0/8")
	check("the peer is no proxy", s.get("x.test", "/", lies...), map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "x.test", "Host": "x.test"})
	settings("broken", "use-forwarded-headers: true", "proxy-real-ip-cidr: everywhere")
	check("a broken list trusts nobody", s.get("x.test", "/", lies...), map[string]string{"X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "http"})
	settings("full", "use-forwarded-headers: true", "compute-full-forwarded-for: true", "forwarded-for-header: X-Forwarded-For", "proxy-add-original-uri-header: true")
	check("the full list", s.get("x.test", "/a%2Fb?c", lies...), map[string]string{"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 127.0.0.1", "X-Original-Uri": "/a%2Fb?c"})
	check("the full list over several fields", s.get("x.test", "/", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"), map[string]string{"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 127.0.0.1"})
	settings("fullalone", "compute-full-forwarded-for: true")
	check("the full list is for trusted peers", s.get("x.test", "/", lies...), map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"})
	settings("real", "enable-real-ip: true", "forwarded-for-header: CF-Connecting-IP")
	check("only the address", s.get("x.test", "/", append(lies, "CF-Connecting-IP: 7.7.7.7")...), map[string]string{"X-Real-Ip": "7.7.7.7", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "x.test", "X-Forwarded-Port": port})
	settings("noid", "generate-request-id: false", "proxy-set-headers: mine", "hide-headers: X-Secret,X-Echo2", "allow-backend-server-header: true")
	check("no request id", s.get("x.test", "/"), map[string]string{"X-Request-Id": ""})
	check("the client's request id", s.get("x.test", "/", "X-Request-ID: mine"), map[string]string{"X-Request-Id": "mine"})
	s.edit("mine", dataMap("mine", "X-Mine: $request_method $host", "X-Real-IP: 5.5.5.5"))
	harness.Until(t, 5*time.Second, "proxy-set-headers", func() bool { return s.get("x.test", "/", "X-Mine: evil").Seen.Header.Get("X-Mine") == "GET x.test" })
	r = s.get("x.test", "/?set=X-Secret:1&set=Server:backend", "X-Mine: evil", "X-Real-IP: evil")
	check("proxy-set-headers", r, map[string]string{"X-Mine": "GET x.test", "X-Real-Ip": "5.5.5.5"})
	if r.Header.Get("X-Secret") != "" {
		t.Errorf("hide-headers: %v", r.Header)
	}
}

// tls sends a GET over https, with the host as SNI.
func (s *stage) tls(host, target string, fields ...string) *reply {
	s.t.Helper()
	name, _, _ := strings.Cut(host, ":")
	r, _ := s.tlsAs(name, host, target, fields...)
	return r
}

// tlsAs sends a GET over https with an SNI of its own, and returns the state of the connection too.
func (s *stage) tlsAs(sni, host, target string, fields ...string) (*reply, tls.ConnectionState) {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, ServerName: sni})
	if err != nil {
		s.t.Fatalf("https %s: %v", sni, err)
	}
	defer c.Close()
	return s.exchange(c, "GET", host, target, "", fields...), c.ConnectionState()
}

// TestCompatResponseHeaders is what clients see of the heads of responses.
func TestCompatResponseHeaders(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}, notes: []string{"ssl-redirect: false"}, secret: "-"}.String(),
		ing{name: "custom", host: "custom.test", paths: []string{"/"}, notes: []string{"custom-headers: extra"}}.String(),
		ing{name: "custombad", host: "custombad.test", paths: []string{"/"}, notes: []string{"custom-headers: forbidden"}}.String(),
		ing{name: "moved", host: "moved.test", paths: []string{"/"}, notes: []string{"proxy-redirect-from: http://inner.test/", "proxy-redirect-to: https://moved.test/app/", "proxy-cookie-domain: inner.test moved.test", "proxy-cookie-path: / /app/"}}.String(),
		dataMap("extra", "X-Extra: $literal"), dataMap("forbidden", "X-Other: 1"))
	s.edit("settings", configMap("global-allowed-response-headers: X-Extra"))
	s.start()
	if r := s.get("x.test", "/?set=Server:backend&set=X-Powered-By:php"); r.Header.Get("Server") != "" || r.Header.Get("X-Powered-By") != "php" || r.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("http: %v", r.Header)
	}
	if r := s.tls("x.test", "/?set=Strict-Transport-Security:max-age=1"); strings.Join(r.Header.Values("Strict-Transport-Security"), "|") != "max-age=31536000; includeSubDomains" {
		t.Errorf("https: %v", r.Header)
	}
	if r := s.get("custom.test", "/?set=X-Extra:backend"); strings.Join(r.Header.Values("X-Extra"), "|") != "$literal" {
		t.Errorf("custom-headers: %v", r.Header)
	}
	s.want("custombad.test", "/", "503")
	r := s.get("moved.test", "/?status=302&set=Location:http://inner.test/x&set=Set-Cookie:a=b%3B+Path=/c%3B+Domain=inner.test")
	if r.Header.Get("Location") != "https://moved.test/app/x" || r.Header.Get("Set-Cookie") != "a=b; Path=/app/c; Domain=moved.test" {
		t.Errorf("rewritten: %v", r.Header)
	}
	s.edit("settings", configMap("hsts-max-age: 60", "hsts-preload: true", "hsts-include-subdomains: false", "server-tokens: true"))
	harness.Until(t, 5*time.Second, "hsts keys", func() bool {
		return s.tls("x.test", "/").Header.Get("Strict-Transport-Security") == "max-age=60; preload"
	})
	if r := s.get("x.test", "/"); r.Header.Get("Server") != "yett" {
		t.Errorf("server-tokens: %v", r.Header)
	}
	s.edit("settings", configMap("hsts: false", "hide-headers: X-Powered-By"))
	harness.Until(t, 5*time.Second, "hsts off", func() bool { return s.tls("x.test", "/").Header.Get("Strict-Transport-Security") == "" })
	if r := s.get("x.test", "/?set=X-Powered-By:php"); r.Header.Get("X-Powered-By") != "" {
		t.Errorf("hide-headers: %v", r.Header)
	}
}

// TestCompatWebSocket upgrades without any annotation, and checks credentials at the handshake.
func TestCompatWebSocket(t *testing.T) {
	s := newStage(t)
	s.serve("ws", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
			http.Error(w, "no upgrade", 400)
			return
		}
		c, rw, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo "+line)
		rw.Flush()
	}))
	s.add(secret("users", "auth: alice:{PLAIN}secret"),
		ing{name: "ws", host: "ws.test", paths: []string{"/ Prefix ws"}}.String(),
		ing{name: "guarded", host: "guarded.test", paths: []string{"/ Prefix ws"}, notes: []string{"auth-type: basic", "auth-secret: users"}}.String())
	s.start()
	upgrade := func(host string, fields ...string) string {
		c, err := net.Dial("tcp", s.gate.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n%s\r\n", host, strings.Join(append(fields, ""), "\r\n"))
		b := bufio.NewReader(c)
		head, _ := b.ReadString('\n')
		if !strings.HasPrefix(head, "HTTP/1.1 101") {
			return strings.TrimSpace(head)
		}
		for line := head; strings.TrimSpace(line) != ""; {
			if line, err = b.ReadString('\n'); err != nil {
				return err.Error()
			}
		}
		fmt.Fprint(c, "hello\n")
		line, _ := b.ReadString('\n')
		return strings.TrimSpace(line)
	}
	if got := upgrade("ws.test"); got != "echo hello" {
		t.Errorf("upgrade: %q", got)
	}
	if got := upgrade("guarded.test"); got != "HTTP/1.1 401 Unauthorized" {
		t.Errorf("upgrade without password: %q", got)
	}
	if got := upgrade("guarded.test", basic("alice", "secret")); got != "echo hello" {
		t.Errorf("upgrade with password: %q", got)
	}
}

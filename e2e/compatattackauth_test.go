package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestAttackIdentityHeaders tries to be somebody: to the gate, to the authorization service, to the backend.
func TestAttackIdentityHeaders(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}}.String(),
		ing{name: "user", host: "user.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-response-headers: X-User,X-Groups,Authorization"}}.String(),
		ing{name: "any", host: "any.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-response-headers: X-User", "allowlist-source-range: 127.0.0.1", "satisfy: any"}}.String())
	s.edit("settings", configMap("ssl-redirect: true"))
	s.start()
	ours := map[string]string{"X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Scheme": "http"}
	check := func(what string, r *reply, absent ...string) {
		t.Helper()
		if r.Seen == nil {
			t.Errorf("%s: %s", what, r)
			return
		}
		for name, want := range ours {
			if got := strings.Join(r.Seen.Header.Values(name), "|"); got != want {
				t.Errorf("%s: the backend saw %s %q, want %q", what, name, got, want)
			}
		}
		for name, values := range r.Seen.Header {
			for _, a := range absent {
				if strings.EqualFold(strings.ReplaceAll(strings.ReplaceAll(name, "_", "-"), ".", "-"), a) {
					t.Errorf("%s: the backend saw %s %q", what, name, values)
				}
			}
		}
	}
	// Names that the client lists in Connection.
	for _, list := range [][]string{
		{"Connection: x-real-ip, X-FORWARDED-FOR, x-forwarded-proto, x-scheme, x-user"}, {"Connection: X-Real-IP", "connection: x-forwarded-for", "CONNECTION: X-Forwarded-Proto,,,X-Scheme"},
		{"Connection: close, x-real-ip\t,\tx-forwarded-for"}, {"Connection: " + strings.Repeat("x-junk, ", 15) + "x-real-ip"}, {"Proxy-Connection: x-real-ip"}, {"Keep-Alive: x-real-ip"},
	} {
		check("Connection", s.get("x.test", "/", list...))
	}
	if r := s.get("x.test", "/", "Connection: "+strings.Repeat("x-junk, ", 100)+"x-real-ip"); r.Status != 400 {
		t.Errorf("a hundred names in Connection: %s, want 400", r)
	}
	r := s.get("x.test", "/", "Authorization: Bearer t", "Cookie: a=b", "Connection: authorization, cookie, host, content-length, transfer-encoding")
	if r.Seen == nil || r.Seen.Header.Get("Authorization") != "Bearer t" || r.Seen.Header.Get("Cookie") != "a=b" || r.Seen.Host != "x.test" {
		t.Errorf("Connection names what is end to end: %s %v", r, r.Seen)
	}
	// Names that look like others.
	for _, name := range []string{"X_Forwarded_For", "x-forwarded_for", "X_Real_IP", "X_Scheme", "X_User", "Content_Length", "Transfer_Encoding"} {
		check(name, s.get("x.test", "/", name+": 6.6.6.6"), "X-User", "Content-Length", "Transfer-Encoding")
	}
	for _, field := range []string{"X-Real-IP : 6.6.6.6", " X-Real-IP: 6.6.6.6", "X-Real-IP\t: 6.6.6.6", "X-Real-IP\x00: 6.6.6.6", "X-Real-IP\x0b: 6.6.6.6", "X-R\xe9al: x", ": x", "X-Real-IP"} {
		if r := s.get("x.test", "/", field); r.Status != 400 {
			t.Errorf("%q: %s", field, r)
		}
	}
	// What only proxies say.
	check("proxies", s.get("x.test", "/", "Proxy: http://evil.test/", "ssl-client-verify: SUCCESS", "ssl-client-cert: x", "SSL-Client-Subject-DN: CN=root", "ssl-client-issuer-dn: x", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil", "Forwarded: for=6.6.6.6", "X-Original-URI: /x", "X-Original-URL: /x", "X-Rewrite-URL: /x", "X-Envoy-Original-Path: /x"),
		"Proxy", "ssl-client-verify", "ssl-client-cert", "ssl-client-subject-dn", "ssl-client-issuer-dn", "X-Forwarded-Prefix", "X-Forwarded-Server", "Forwarded", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path")
	// Who the authorization service says the user is; it says nothing here.
	for _, fields := range [][]string{{"X-User: root"}, {"x-user: root", "X-USER: admin"}, {"X-User: root", "Connection: x-user"}, {"X-User:"}, {"X-Groups: wheel"}, {"Authorization: Basic cm9vdDpyb290"}} {
		check(fmt.Sprint(fields), s.get("user.test", "/", fields...), "X-User", "X-Groups", "Authorization")
		check("satisfied by address, "+fmt.Sprint(fields), s.get("any.test", "/", fields...), "X-User")
	}
	body := "0\r\nX-User: root\r\nX-Real-IP: 6.6.6.6\r\nAuthorization: x\r\n\r\n"
	check("trailers", s.send("POST", "user.test", "/", body, "Transfer-Encoding: chunked", "Trailer: X-User"), "X-User", "Authorization")
	// With underscores allowed they still do not pass for the service's.
	s.edit("settings", configMap("enable-underscores-in-headers: true"))
	harness.Until(t, 5*time.Second, "underscores", func() bool { return s.get("x.test", "/", "A_b: 1").Seen.Header["A_b"] != nil })
	r = s.get("user.test", "/", "X_User: root", "X-User: root")
	if r.Seen.Header.Get("X-User") != "" {
		t.Errorf("with underscores: %v", r.Seen.Header)
	}
	if r.Seen.Header["X_user"] != nil {
		t.Errorf("with underscores allowed X_User passes, which many backends cannot tell from X-User: %v", r.Seen.Header)
	}
}

// TestAttackCanaryIsGuardedLikeTheMainIngress: no header, cookie or weight leads past the guards of the main Ingress.
func TestAttackCanaryIsGuardedLikeTheMainIngress(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.add(secret("users", "auth: alice:{PLAIN}secret"))
	rules := []string{"canary-by-header: X-Canary", "canary-by-cookie: canary", "canary-weight: 50", "auth-type: ", "satisfy: any", "allowlist-source-range: 0.0.0.0/0", "limit-rps: 0", "enable-global-auth: false", "ssl-redirect: false"}
	s.pair("password", []string{"auth-type: basic", "auth-secret: users"}, rules)
	s.pair("list", []string{"denylist-source-range: 127.0.0.1"}, rules)
	s.pair("limit", []string{"limit-rpm: 1", "limit-burst-multiplier: 1"}, rules)
	s.pair("denied", []string{"auth-type: basic", "auth-secret: nobody"}, rules)
	s.pair("body", []string{"proxy-body-size: 10"}, rules)
	s.start()
	for _, fields := range [][]string{nil, {"X-Canary: always"}, {"X-Canary: never"}, {"Cookie: canary=always"}, {"X-Canary: always", "X-Canary: always"}, {"X_Canary: always"}} {
		for range 3 {
			s.want("password.test", "/", "401", fields...)
			s.want("list.test", "/", "403", fields...)
			s.want("denied.test", "/", "503", fields...)
			if r := s.send("POST", "body.test", "/", "0123456789x", fields...); r.Status != 413 {
				t.Errorf("body %q: %s", fields, r)
			}
		}
	}
	passed := 0
	for i := range 6 {
		if s.get("limit.test", "/", []string{"X-Canary: always", "X-Canary: never"}[i%2]).Status == 200 {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("main and canary have %d requests of their rate, want 2 together", passed)
	}
}

// TestAttackLimitsInDisguise: nothing about a request but the client's address makes it another one to the limits.
func TestAttackLimitsInDisguise(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/", "/p Prefix a"}, notes: []string{"limit-rpm: 1", "server-alias: alias.test"}, secret: "-"}.String())
	s.edit("settings", configMap("ssl-redirect: false"))
	s.start()
	passed := 0
	for i, target := range []string{"/", "/%2f", "//", "/p", "/P", "/p/../p", "/?x", "/./", "/a", "/b", "/%61", "http://x.test/"} {
		host := []string{"x.test", "X.TEST", "x.test.", "x.test:81", "alias.test"}[i%5]
		r := s.send([]string{"GET", "POST", "HEAD", "OPTIONS", "PROPFIND"}[i%5], host, target, "", fmt.Sprintf("User-Agent: %d", i))
		if r.Status == 200 {
			passed++
		}
	}
	for range 4 {
		if s.tls("x.test", "/").Status == 200 {
			passed++
		}
	}
	if passed != 6 {
		t.Errorf("%d requests pass, want 6", passed)
	}
}

// rawAuth is an authorization service that misbehaves: the target says how.
func rawAuth(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answers := map[string]string{
		"/garbage": "hello\r\n\r\n", "/nothing": "", "/half": "HTTP/1.1 200 OK\r\nX-User: ", "/200": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "/nolength": "HTTP/1.1 200 OK\r\n\r\n", "/999": "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "/099": "HTTP/1.1 099 Odd\r\n\r\n", "/2000": "HTTP/1.1 2000 OK\r\n\r\n",
		"/101": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "/100": "HTTP/1.1 100 Continue\r\n\r\n", "/200twice": "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "/short": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", "/huge": "HTTP/1.1 200 OK\r\nX-User: " + strings.Repeat("x", 200<<10) + "\r\n\r\n", "/many": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-User: x\r\n", 20000) + "\r\n",
		"/fold": "HTTP/1.1 200 OK\r\nX-User: a\r\n b\r\nContent-Length: 0\r\n\r\n", "/ctl": "HTTP/1.1 200 OK\r\nX-User: a\x01b\r\nContent-Length: 0\r\n\r\n", "/lf": "HTTP/1.1 200 OK\nX-User: a\nContent-Length: 0\n\n", "/ctl401": "HTTP/1.1 401 No\r\nWWW-Authenticate: a\x01b\r\nContent-Length: 0\r\n\r\n", "/http09": "<html>200 OK</html>",
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := make([]byte, 16<<10)
				n, _ := c.Read(r)
				_, target, _ := strings.Cut(string(r[:n]), " ")
				target, _, _ = strings.Cut(target, " ")
				if target == "/drip" {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					for range 3000 {
						if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}
				_, _ = io.WriteString(c, answers[target])
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestAttackBrokenAuthServices: only a service that clearly says yes lets anything through.
func TestAttackBrokenAuthServices(t *testing.T) {
	s := newStage(t)
	var reached atomic.Int64
	s.serve("a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		echo("a").ServeHTTP(w, r)
	}))
	url := rawAuth(t)
	want := map[string]int{
		"/garbage": 500, "/nothing": 500, "/half": 500, "/200": 200, "/nolength": 200, "/999": 500, "/099": 500, "/2000": 500, "/101": 500, "/100": 500, "/200twice": 401, "/huge": 500, "/many": 500, "/fold": 500, "/ctl": 500, "/ctl401": 500, "/http09": 500, "/drip": 200,
	}
	for target := range want {
		name := "x" + strings.TrimPrefix(target, "/")
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: []string{"auth-url: " + url + target, "auth-response-headers: X-User"}}.String())
	}
	s.start()
	for target, status := range want {
		before, start := reached.Load(), time.Now()
		r := s.get("x"+strings.TrimPrefix(target, "/")+".test", "/", "X-User: root")
		if target == "/fold" && r.Status == 200 && r.Seen.Header.Get("X-User") == "a b" {
			continue // unfolded, as RFC 9112 section 5.2 has it
		}
		if target == "/ctl" && r.Status == 200 && !strings.Contains(r.Seen.Header.Get("X-User"), "\x01") {
			continue
		}
		if r.Status != status || (reached.Load() != before) != (status == 200) {
			t.Errorf("%s: %s, want %d; the backend was reached %d times", target, r, status, reached.Load()-before)
		}
		if r.Seen != nil && slices.Contains(r.Seen.Header["X-User"], "root") {
			t.Errorf("%s: the backend saw the client's X-User", target)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %s", target, d)
		}
		if strings.ContainsAny(r.Header.Get("WWW-Authenticate"), "\x01") {
			t.Errorf("%s: the client got %q", target, r.Header.Get("WWW-Authenticate"))
		}
	}
}

// TestAttackNoMomentWithoutGuard edits, removes and brings back what guards, and asks all the time.
func TestAttackNoMomentWithoutGuard(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	guarded := func(notes ...string) string {
		return ing{name: "x", host: "x.test", paths: []string{"/"}, notes: notes, age: 1}.String()
	}
	password := guarded("auth-type: basic", "auth-secret: users")
	s.edit("rule", password)
	s.start()
	stop, ended := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	go func() {
		defer close(ended)
		c := harness.Browser(t)
		for {
			select {
			case <-stop:
				return
			default:
			}
			asked.Add(1)
			if status, _, err := harness.Ask(c, s.gate.HTTP, "x.test", "/"); status == 200 || err != nil {
				t.Errorf("a request without password: %d %v", status, err)
				return
			}
		}
	}()
	users := func(text string) { s.edit("users", text) }
	for range 3 {
		users(secret("users", "auth: alice:{PLAIN}secret"))
		s.settle("x.test", "/", "401")
		users(secret("users", "other: x"))
		s.settle("x.test", "/", "503")
		users(secret("users", "auth: alice:{PLAIN}secret"))
		s.settle("x.test", "/", "401")
		s.edit("rule", guarded("auth-type: basic", "auth-secret: users", "auth-realm: again"))
		s.edit("rule", guarded("auth-type: bosic", "auth-secret: users"))
		s.settle("x.test", "/", "503")
		s.edit("rule", guarded("denylist-source-range: 0.0.0.0/0", "auth-secret: users"))
		s.settle("x.test", "/", "403")
		s.edit("rule", password)
		users("")
		s.settle("x.test", "/", "503")
	}
	close(stop)
	<-ended
	if asked.Load() < 20 {
		t.Errorf("only %d requests", asked.Load())
	}
}

// TestAttackLogLines tries to write lines of one's own into the access log.
func TestAttackLogLines(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}}.String(), secret("users", "auth: alice:{PLAIN}secret"),
		ing{name: "users", host: "users.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: users"}}.String())
	s.edit("settings", configMap("log-format-upstream: BEGIN $remote_user|$request|$uri|$args|$host|$http_user_agent|$http_referer|$req_id|$http_x_any|$cookie_c|$arg_a END"))
	s.start()
	n := 0
	send := func(f func() *reply) {
		n++
		f()
	}
	for _, evil := range []string{"%0aBEGIN x END", "%0d%0aBEGIN x END", "%1b[31m", "%22 200 0", "%00", "%c2%85", "%e2%80%a8", "%7f", "%5c%22"} {
		send(func() *reply { return s.get("x.test", "/"+strings.ReplaceAll(evil, " ", "%20")+"?a="+evil[:3]) })
	}
	for _, evil := range []string{"\x1b[31m", "a\"b\\c", "\x80\xff", "a\tb", strings.Repeat("x", 7000), "\xe2\x80\xa8"} {
		send(func() *reply {
			return s.get("x.test", "/", "User-Agent: "+evil, "Referer: "+evil, "X-Request-ID: "+evil, "X-Any: "+evil, "Cookie: c="+evil)
		})
		send(func() *reply { return s.get("users.test", "/", basic("alice\n"+evil, "x")) })
	}
	// Heads that are none.
	for _, head := range []string{
		"GET /\x1b[31m HTTP/1.1\r\nHost: x.test\r\n\r\n", "GET /a\rBEGIN x END HTTP/1.1\r\nHost: x.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: x.test\r\nBad\x01: \x1b[31m\r\n\r\n", "GET /\x00 HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\nHost: x.test\r\n\r\n",
		"\xc3\x84 / HTTP/1.1\r\nHost: x.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: x.test\x1b[31m\r\nUser-Agent: \x1b\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET / HTTP/1.1\r\nHost: x.test\r\nUser-Agent: a\x0bb\r\n\r\n", "GET / HTTP/1.1\nHost: x.test\n\n", "GET\t/\tHTTP/1.1\r\n\r\n",
	} {
		c, err := net.Dial("tcp", s.gate.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, head)
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if status, _ := io.ReadAll(io.LimitReader(c, 12)); string(status) != "HTTP/1.1 400" && string(status) != "HTTP/1.1 505" {
			t.Errorf("%q: %q", head, status)
		}
		c.Close()
		n++
	}
	harness.Until(t, 3*time.Second, "all lines", func() bool { return strings.Count(s.gate.Output(), "END\n") >= n })
	out := s.gate.Output()
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\n"), "\n") {
		if !strings.HasPrefix(line, "BEGIN ") || !strings.HasSuffix(line, " END") || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0x85 || c == 0x2028 }) {
			t.Errorf("line %q", line)
		}
	}
	if got := strings.Count(out, "\n"); got != n {
		t.Errorf("%d lines for %d requests", got, n)
	}
}

// TestAttackAffinityCookies writes cookies of one's own.
func TestAttackAffinityCookies(t *testing.T) {
	s := newStage(t)
	s.serve("st", echo("st"), four...)
	s.serve("other", echo("other"), four...)
	for _, name := range []string{"st", "other"} {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + name}, notes: []string{"affinity: cookie"}}.String())
	}
	s.start()
	first := s.get("st.test", "/").cookie("INGRESSCOOKIE")
	if strings.Contains(first, "127.0.0") || strings.Contains(first, fmt.Sprint(s.ports["st"])) {
		t.Errorf("the cookie tells where the endpoint is: %q", first)
	}
	pair, _, _ := strings.Cut(first, ";")
	for _, value := range []string{"127.0.0.1:22", "|", "||", "x|" + strings.Repeat("f", 32), strings.Repeat("x", 7000), "%00", "\"quoted\"", strings.TrimPrefix(pair, "INGRESSCOOKIE=") + "x", "../../x", "1|1|1"} {
		r := s.get("st.test", "/", "Cookie: INGRESSCOOKIE="+value)
		if r.Status != 200 || r.cookie("INGRESSCOOKIE") == "" {
			t.Errorf("cookie %.40q: %s, sets %q; want a new one", value, r, r.cookie("INGRESSCOOKIE"))
		}
	}
	if r := s.get("other.test", "/", "Cookie: "+pair); r.cookie("INGRESSCOOKIE") == "" {
		t.Error("the cookie of another Service counts")
	}
}

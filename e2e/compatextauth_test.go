package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// authServer is an authorization service. Its path says what it answers: /403, /200?user=x, /cookie…
type authServer struct {
	url string

	mu   sync.Mutex
	seen []*http.Request
}

// newAuthServer starts one.
func newAuthServer(t *testing.T) *authServer {
	a := &authServer{}
	a.url = "http://127.0.0.1:" + strconv.Itoa(serveOn(t, a, []string{"127.0.0.1"}))
	return a
}

// ServeHTTP answers with the status that the path begins with.
func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r)
	a.mu.Unlock()
	word, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch rest {
	case "user":
		w.Header().Set("X-Auth-User", "alice")
		w.Header()["X-Auth-Groups"] = []string{"dev", "ops"}
	case "cookies":
		w.Header()["Set-Cookie"] = []string{"session_0=new; Path=/", "session_1=er; HttpOnly"}
	case "challenge":
		w.Header().Set("WWW-Authenticate", `Bearer realm="svc"`)
	case "slow":
		time.Sleep(300 * time.Millisecond)
	}
	status, err := strconv.Atoi(word)
	if err != nil { // by cookie or header, as real ones do
		status = 401
		if r.Header.Get("Authorization") == "Bearer good" || strings.Contains(r.Header.Get("Cookie"), "session=good") {
			status = 202
			w.Header().Set("X-Auth-User", "bob")
		}
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "auth says %d", status)
	}
}

// count returns how many requests came.
func (a *authServer) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen)
}

// last returns the last request.
func (a *authServer) last(t *testing.T) *http.Request {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.seen) == 0 {
		t.Fatal("the authorization service was never asked")
	}
	return a.seen[len(a.seen)-1]
}

// TestCompatExternalAuth is nginx-compat section 3.6: what the service's answers mean.
func TestCompatExternalAuth(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	auth := newAuthServer(t)
	guarded := func(name, path string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/", "/.well-known/acme-challenge/x Exact a"}, notes: append(notes, "auth-url: "+auth.url+path)}.String())
	}
	for _, status := range []int{200, 202, 204, 299, 302, 400, 401, 403, 404, 407, 429, 500, 502, 503} {
		guarded("s"+strconv.Itoa(status), "/"+strconv.Itoa(status))
	}
	guarded("challenge", "/401/challenge")
	guarded("user", "/200/user", "auth-response-headers: X-Auth-User, X-Auth-Groups, X-Auth-Absent")
	guarded("cookies", "/200/cookies")
	guarded("cookies403", "/403/cookies")
	guarded("always", "/403/cookies", "auth-always-set-cookie: true")
	guarded("signin", "/401", "auth-signin: https://login.test/start")
	guarded("signinquery", "/401", "auth-signin: https://login.test/start?a=b")
	guarded("signinrd", "/401", "auth-signin: https://login.test/start?rd=$escaped_request_uri")
	guarded("signinparam", "/401", "auth-signin: https://$host/start", "auth-signin-redirect-param: back")
	guarded("signin403", "/403", "auth-signin: https://login.test/start")
	guarded("corsed", "/401", "auth-signin: https://login.test/start", "enable-cors: true")
	guarded("method", "/200", "auth-method: POST")
	guarded("redirect", "/200", "auth-request-redirect: https://back.test/")
	guarded("vars", "/session?u=$request_uri&h=$host")
	guarded("set", "/200", "auth-proxy-set-headers: extra")
	guarded("badurl", "")
	guarded("oauth", "/session", "auth-signin: https://$host/oauth2/start?rd=$escaped_request_uri", "auth-response-headers: X-Auth-User")
	s.add(dataMap("extra", "X-Extra: $request_method on $host", "X-Auth-Request-Redirect: /mine"),
		ing{name: "oauth2", host: "oauth.test", paths: []string{"/oauth2 Prefix b"}}.String(),
		ing{name: "dead", host: "dead.test", paths: []string{"/"}, notes: []string{"auth-url: http://127.0.0.1:1/"}}.String(),
		ing{name: "empty", host: "empty.test", paths: []string{"/"}, notes: []string{"auth-url: "}}.String(),
		ing{name: "relative", host: "relative.test", paths: []string{"/"}, notes: []string{"auth-url: /auth"}}.String(),
		ing{name: "noset", host: "noset.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-proxy-set-headers: nobody"}}.String(),
		ing{name: "nobool", host: "nobool.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-always-set-cookie: maybe"}}.String(),
		ing{name: "snippet", host: "snippet.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/200", "auth-snippet: proxy_set_header X y;"}}.String())
	s.start()
	s.wantAll([]answerCase{
		{"s200.test", "/x", "a /x"}, {"s202.test", "/x", "a /x"}, {"s204.test", "/x", "a /x"}, {"s299.test", "/x", "a /x"}, {"s302.test", "/x", "500"}, {"s400.test", "/x", "500"}, {"s401.test", "/x", "401"}, {"s403.test", "/x", "403"},
		{"s404.test", "/x", "500"}, {"s407.test", "/x", "500"}, {"s429.test", "/x", "500"}, {"s500.test", "/x", "500"}, {"s502.test", "/x", "500"}, {"s503.test", "/x", "500"}, {"dead.test", "/x", "500"},
		{"s403.test", "/.well-known/acme-challenge/x", "a /.well-known/acme-challenge/x"}, {"s403.test", "/.well-known/acme-challenge/y", "403"},
		{"empty.test", "/", "503"}, {"relative.test", "/", "503"}, {"noset.test", "/", "503"}, {"nobool.test", "/", "503"}, {"snippet.test", "/", "503"},
		{"signin.test", "/a?b=c&d", "302 https://login.test/start?rd=http://signin.test%2Fa%3Fb%3Dc%26d"}, {"signinquery.test", "/a", "302 https://login.test/start?a=b&rd=http://signinquery.test%2Fa"},
		{"signinrd.test", "/a?b", "302 https://login.test/start?rd=%2Fa%3Fb"}, {"signinparam.test:8080", "/a", "302 https://signinparam.test/start?back=http://signinparam.test:8080%2Fa"}, {"signin403.test", "/a", "403"},
		{"oauth.test", "/x?y=1", "302 https://oauth.test/oauth2/start?rd=%2Fx%3Fy%3D1"}, {"oauth.test", "/oauth2/start?rd=%2Fx", "b /oauth2/start?rd=%2Fx"},
	})
	if r := s.get("s401.test", "/"); strings.Contains(r.Body, "auth says") || r.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("401: the client gets %v %q of the service", r.Header, r.Body)
	}
	if r := s.get("challenge.test", "/"); r.Status != 401 || r.Header.Get("WWW-Authenticate") != `Bearer realm="svc"` {
		t.Errorf("challenge: %d %v", r.Status, r.Header)
	}
	if r := s.get("corsed.test", "/", "Origin: https://o.test"); r.Status != 302 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("the redirect to sign in has no CORS fields: %d %v", r.Status, r.Header)
	}
	r := s.get("user.test", "/", "X-Auth-User: mallory", "x-auth-user: eve", "X-Auth-Absent: root", "X-Other: kept")
	if h := r.Seen.Header; !slices.Equal(h["X-Auth-User"], []string{"alice"}) || h.Get("X-Auth-Groups") != "dev, ops" || h.Get("X-Auth-Absent") != "" || h.Get("X-Other") != "kept" {
		t.Errorf("the backend saw %v", h)
	}
	if got := s.get("cookies.test", "/").Header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("cookies: %q, want both", got)
	}
	if got := s.get("cookies.test", "/?status=404").Header["Set-Cookie"]; got != nil {
		t.Errorf("cookies with an error: %q, want none", got)
	}
	if got := s.get("cookies403.test", "/").Header["Set-Cookie"]; got != nil {
		t.Errorf("cookies with 403: %q, want none", got)
	}
	if got := s.get("always.test", "/").Header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("cookies with 403, always: %q, want both", got)
	}
	s.want("oauth.test", "/x", "a /x", "Cookie: session=good")
	s.want("oauth.test", "/x", "a /x", "Authorization: Bearer good")
	if r := s.get("oauth.test", "/x", "Cookie: session=good", "X-Auth-User: root"); r.Seen.Header.Get("X-Auth-User") != "bob" {
		t.Errorf("the backend saw user %q", r.Seen.Header.Get("X-Auth-User"))
	}
}

// TestCompatExternalAuthRequest looks at what the service sees.
func TestCompatExternalAuthRequest(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	guarded := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append(notes, "auth-url: "+auth.url+"/200?h=$host&u=$request_uri")}.String())
	}
	guarded("plain")
	guarded("method", "auth-method: PUT")
	guarded("redirect", "auth-request-redirect: https://back.test/")
	guarded("set", "auth-proxy-set-headers: extra")
	s.edit("extra", dataMap("extra", "X-Extra: $request_method on $host", "X-Auth-Request-Redirect: /mine"))
	s.start()
	r := s.send("POST", "plain.test:81", "/p%2Fq?x=1", "body", "Cookie: c=1", "Authorization: Bearer t", "X-Custom: v", "X-Original-URL: evil", "X-Original-Method: evil",
		"X-Real-IP: 6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Sent-From: evil", "X-Auth-Request-Redirect: evil", "X-Forwarded-Uri: /evil", "Connection: X-Custom, keep-alive", "X-HTTP-Method-Override: GET")
	if r.Status != 200 || r.Seen.Body != "body" || r.Seen.Method != "POST" {
		t.Fatalf("%s %v", r, r.Seen)
	}
	q := auth.last(t)
	for name, want := range map[string]string{
		"X-Original-Url": "http://plain.test:81/p%2Fq?x=1", "X-Original-Method": "POST", "X-Sent-From": "nginx-ingress-controller", "X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "127.0.0.1",
		"X-Auth-Request-Redirect": "/p%2Fq?x=1", "Cookie": "c=1", "Authorization": "Bearer t", "X-Forwarded-Proto": "", "X-Original-Uri": "", "X-Scheme": "", "Content-Length": "", "X-Forwarded-Uri": "", "X-Http-Method-Override": "",
		"X-Request-Id": r.Seen.Header.Get("X-Request-Id"),
	} {
		if got := strings.Join(q.Header.Values(name), "|"); got != want {
			t.Errorf("the service saw %s %q, want %q", name, got, want)
		}
	}
	if q.Method != "GET" || "http://"+q.Host != auth.url || q.ContentLength != 0 || q.URL.Query().Get("h") != "plain.test" {
		t.Errorf("the service saw %s %s at %s, length %d", q.Method, q.RequestURI, q.Host, q.ContentLength)
	}
	s.get("method.test", "/x?y")
	if q := auth.last(t); q.Method != "PUT" || q.Header.Get("X-Original-Uri") != "/x?y" || q.Header.Get("X-Scheme") != "http" || q.Header.Get("X-Original-Method") != "GET" {
		t.Errorf("with auth-method: %s %v", q.Method, q.Header)
	}
	s.get("redirect.test", "/x")
	if q := auth.last(t); q.Header.Get("X-Auth-Request-Redirect") != "https://back.test/" {
		t.Errorf("with auth-request-redirect: %v", q.Header)
	}
	s.get("set.test", "/x", "X-Extra: evil")
	if q := auth.last(t); q.Header.Get("X-Auth-Request-Redirect") != "/mine" || strings.Join(q.Header["X-Extra"], "|") != "GET on set.test" {
		t.Errorf("with auth-proxy-set-headers: %v", q.Header)
	}
	s.edit("extra", dataMap("extra", "X-Extra: changed"))
	harness.Until(t, 3*time.Second, "edited auth-proxy-set-headers", func() bool {
		s.get("set.test", "/x")
		return auth.last(t).Header.Get("X-Extra") == "changed"
	})
	if r := s.get("plain.test", "/", "Upgrade: websocket", "Connection: Upgrade"); r.Status != 200 {
		t.Errorf("an upgrade: %s", r)
	}
}

// TestCompatExternalAuthCache remembers answers.
func TestCompatExternalAuthCache(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	cached := func(name, path string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/", "/other"}, notes: append(notes, "auth-url: "+auth.url+path)}.String())
	}
	key := "auth-cache-key: $remote_user$http_x_key"
	cached("off", "/200/user")
	cached("on", "/200/user", key, "auth-response-headers: X-Auth-User")
	cached("two", "/200/user", key)
	cached("denied", "/401", key)
	cached("forbidden", "/403", key)
	cached("short", "/403", key, "auth-cache-duration: 403 1s")
	cached("who", "/session", "auth-cache-key: same", "auth-response-headers: X-Auth-User")
	s.start()
	asked := func(what string, want int, f func()) {
		t.Helper()
		before := auth.count()
		f()
		if got := auth.count() - before; got != want {
			t.Errorf("%s: the service was asked %d times, want %d", what, got, want)
		}
	}
	repeat := func(host, want string, fields ...string) func() {
		return func() {
			t.Helper()
			for range 3 {
				s.want(host, "/x", want, fields...)
			}
		}
	}
	asked("no cache", 3, repeat("off.test", "a /x"))
	asked("first", 1, repeat("on.test", "a /x"))
	asked("again", 0, repeat("on.test", "a /x"))
	if r := s.get("on.test", "/x"); r.Seen.Header.Get("X-Auth-User") != "alice" {
		t.Errorf("from the cache the backend saw %v", r.Seen.Header)
	}
	asked("another key", 1, repeat("on.test", "a /x", "X-Key: 2"))
	asked("another host", 1, repeat("two.test", "a /x"))
	asked("another location", 1, func() { s.want("on.test", "/other/x", "a /other/x") })
	asked("401", 1, repeat("denied.test", "401"))
	asked("403 is not remembered by default", 3, repeat("forbidden.test", "403"))
	asked("403 for a second", 1, repeat("short.test", "403"))
	asked("nobody gets another's answer", 1, repeat("who.test", "a /x", "Cookie: session=good"))
	asked("not signed in", 1, repeat("who.test", "401"))
	harness.Until(t, 3*time.Second, "the end of a remembered answer", func() bool {
		before := auth.count()
		s.get("short.test", "/x")
		return auth.count() > before
	})
}

// TestCompatGlobalAuth is global-auth-url and what opts out of it.
func TestCompatGlobalAuth(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	s.edit("settings", configMap("global-auth-url: "+auth.url+"/session", "global-auth-signin: https://login.test/", "global-auth-response-headers: X-Auth-User", "no-auth-locations: /open,/.well-known"))
	s.add(ing{name: "plain", host: "plain.test", paths: []string{"/", "/open"}}.String(),
		ing{name: "opted", host: "opted.test", paths: []string{"/"}, notes: []string{"enable-global-auth: false"}}.String(),
		ing{name: "own", host: "own.test", paths: []string{"/"}, notes: []string{"auth-url: " + auth.url + "/403"}}.String(),
		ing{name: "typo", host: "typo.test", paths: []string{"/"}, notes: []string{"enable-global-auth: nope"}}.String())
	s.start()
	s.wantAll([]answerCase{{"plain.test", "/", "302 https://login.test/?rd=http://plain.test%2F"}, {"plain.test", "/open/x", "a /open/x"}, {"opted.test", "/", "a /"}, {"own.test", "/", "403"}, {"typo.test", "/", "302 https://login.test/?rd=http://typo.test%2F"}})
	if r := s.want("plain.test", "/", "a /", "Authorization: Bearer good", "X-Auth-User: root"); r.Seen != nil && r.Seen.Header.Get("X-Auth-User") != "bob" {
		t.Errorf("the backend saw %v", r.Seen.Header)
	}
	s.edit("settings", configMap("allow-snippet-annotations: false"))
	s.settle("plain.test", "/", "a /")
	s.want("own.test", "/", "403")
}

package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCompatCustomErrors is nginx-compat section 3.5.
func TestCompatCustomErrors(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "global")
	s.serve("pages", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as the usual images of error pages do
		w.Header().Set("X-Saw", r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Original-URI")+" "+r.Header.Get("X-Ingress-Name")+" "+r.Header.Get("X-Service-Name")+
			" "+r.Header.Get("X-Service-Port")+" "+r.Header.Get("X-Namespace")+" "+r.Header.Get("X-Format")+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		code, _ := strconv.Atoi(r.Header.Get("X-Code"))
		w.WriteHeader(code)
		_, _ = w.Write([]byte("page " + r.Header.Get("X-Code")))
	}))
	s.add(secret("users", "auth: alice:{PLAIN}secret"), endpoints("dead", 1, "127.0.0.1"),
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: empty}\nspec: {ports: [{port: 80}]}\n",
		ing{name: "codes", host: "codes.test", paths: []string{"/", "/dead Prefix dead", "/empty Prefix empty", "/missing Prefix none"}, notes: []string{"custom-http-errors: 404,418,502,503", "default-backend: pages"}}.String(),
		ing{name: "always200", host: "always200.test", paths: []string{"/"}, notes: []string{"custom-http-errors: 404,401", "default-backend: b"}}.String(),
		ing{name: "all", host: "all.test", paths: []string{"/"}}.String(),
		ing{name: "off", host: "off.test", paths: []string{"/"}, notes: []string{"disable-proxy-intercept-errors: true"}}.String(),
		ing{name: "broken", host: "broken.test", paths: []string{"/"}, notes: []string{"custom-http-errors: 404", "default-backend: dead"}}.String(),
		ing{name: "guarded", host: "guarded.test", paths: []string{"/"}, notes: []string{"custom-http-errors: 401,403,404", "default-backend: b", "auth-type: basic", "auth-secret: users"}}.String())
	s.edit("settings", configMap("custom-http-errors: 302,499,500"))
	s.start("--default-backend-service", "default/global")
	page := func(host, target string, status int, saw string, fields ...string) {
		t.Helper()
		if r := s.get(host, target, fields...); r.Status != status || r.Body != "page "+strconv.Itoa(status) || r.Header.Get("X-Saw") != saw {
			t.Errorf("%s%s: %d %q %q; want page %d %q", host, target, r.Status, r.Body, r.Header.Get("X-Saw"), status, saw)
		}
	}
	page("codes.test", "/x?status=404", 404, "GET / /x?status=404 codes a 80 default text/html", "Accept: text/html", basic("alice", "secret"), "Cookie: a=b", "X-Code: 200", "X-Original-URI: /evil")
	page("codes.test", "/x?status=418", 418, "GET / /x?status=418 codes a 80 default")
	page("codes.test", "/dead", 502, "GET / /dead codes dead 80 default")
	page("codes.test", "/empty", 503, "GET / /empty codes empty 80 default")
	page("codes.test", "/missing", 503, "GET / /missing codes none 80 default")
	s.want("codes.test", "/x?status=500", "500")
	s.want("codes.test", "/x", "a /x")
	for _, body := range []string{"short", strings.Repeat("long", 100_000)} {
		if r := s.send("POST", "codes.test", "/x?status=404", body); r.Status != 404 || r.Body != "page 404" {
			t.Errorf("POST of %d bytes: %s %q", len(body), r, r.Body)
		}
	}
	for _, body := range []string{"", strings.Repeat("long", 100_000)} {
		if r, got := overTLS(t, s.gate).send(t, "POST", "codes.test", "/x?status=404", strings.NewReader(body)); r.StatusCode != 404 || string(got) != "page 404" {
			t.Errorf("POST of %d bytes over HTTP/2: %s %q", len(body), r.Status, got)
		}
	}
	s.want("always200.test", "/x?status=404", "b /")
	s.want("all.test", "/x?status=500&set=Set-Cookie:a=b", "global /")
	s.want("all.test", "/x?status=302&set=Location:/y", "global /")
	s.want("all.test", "/x?status=404", "404")
	s.want("off.test", "/x?status=500", "500")
	if r := s.get("broken.test", "/x?status=404"); r.Status != 404 || !strings.Contains(r.Body, "404 Not Found") {
		t.Errorf("with broken pages: %s %q; want our own 404", r, r.Body)
	}
	// CVE-2026-24513: pages that answer 200 must not open what is guarded, nor hide that it is.
	if r := s.get("guarded.test", "/"); r.Status != 401 || r.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without password: %s %v", r, r.Header)
	}
	s.want("guarded.test", "/x?status=404", "b /", basic("alice", "secret"))
}

// TestCompatLimitRate sends a response no faster than it may be.
func TestCompatLimitRate(t *testing.T) {
	s := newStage(t)
	const size = 300 << 10
	s.serve("big", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }))
	s.add(ing{name: "slow", host: "slow.test", paths: []string{"/ Prefix big"}, notes: []string{"limit-rate: 100"}}.String(),
		ing{name: "after", host: "after.test", paths: []string{"/ Prefix big"}, notes: []string{"limit-rate: 1", "limit-rate-after: 400"}}.String())
	s.start()
	for _, c := range []struct {
		host      string
		low, high time.Duration
	}{{"slow.test", 1900 * time.Millisecond, 4 * time.Second}, {"after.test", 0, time.Second}} {
		start := time.Now()
		r := s.get(c.host, "/")
		if took := time.Since(start); r.Status != 200 || len(r.Body) != size || took < c.low || took > c.high {
			t.Errorf("%s: %s, %d bytes in %s; want %d in %s to %s", c.host, r, len(r.Body), took, size, c.low, c.high)
		}
	}
}

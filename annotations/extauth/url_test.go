package extauth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/proxy/filter"
)

func TestSignIn(t *testing.T) {
	const back = "https://a.test:8443%2Fx%3Fy%3Dz%26w"
	for text, want := range map[string]string{
		"https://login.test/start":                                    "https://login.test/start?rd=" + back,
		"https://login.test/start?":                                   "https://login.test/start?rd=" + back,
		"https://login.test/start?a=b":                                "https://login.test/start?a=b&rd=" + back,
		"https://login.test/start?a=b&":                               "https://login.test/start?a=b&rd=" + back,
		"https://login.test/start?rd=/fixed":                          "https://login.test/start?rd=/fixed",
		"https://login.test/start?rd=":                                "https://login.test/start?rd=&rd=" + back,
		"https://$host/oauth2/start?rd=$escaped_request_uri":          "https://a.test/oauth2/start?rd=%2Fx%3Fy%3Dz%26w",
		"https://auth.test?rm=$request_method":                        "https://auth.test?rm=GET&rd=" + back,
		"/login":                                                      "/login?rd=" + back,
		"https://login.test/#/login":                                  "https://login.test/?rd=" + back + "#/login",
		"$scheme://$http_host/login?next=$http_x_next":                "https://a.test:8443/login?next=a%0D%0Ab%20%22%5C&rd=" + back,
		"$pass_access_scheme://login.test/$namespace?rd=$request_uri": "https://login.test/ns?rd=/x?y=z&w",
	} {
		s, err := newSignIn(text, "rd")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		x := exchange("GET", "/x?y=z&w")
		x.Request.Fields.Add("X-Next", "a\r\nb \"\\")
		if got := s.location(x); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// TestSignInCannotBeTurnedAround sends what attackers send (reliability: S-E8) and looks at where clients would go.
func TestSignInCannotBeTurnedAround(t *testing.T) {
	s, err := newSignIn("https://login.test/start", "rd")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"//evil.test/%2e%2e", `/\evil.test`, "/%0d%0aSet-Cookie:x", "/@evil", "/?rd=https://evil.test&rd=x", "/#x", "/\x80\xff"} {
		x := exchange("GET", target)
		got := s.location(x)
		rd, ok := strings.CutPrefix(got, "https://login.test/start?rd=https://a.test:8443%2F")
		if !ok || strings.ContainsAny(rd, "&?#/\\@\r\n ") || strings.ContainsFunc(rd, func(r rune) bool { return r >= 0x80 }) {
			t.Errorf("%q: %s", target, got)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string][]CacheTime{
		"200 202 401 5m":      {{200, 5 * time.Minute}, {202, 5 * time.Minute}, {401, 5 * time.Minute}},
		"200 10m, 401 1h30m ": {{200, 10 * time.Minute}, {401, 90 * time.Minute}},
		"1d":                  {{200, 24 * time.Hour}, {301, 24 * time.Hour}, {302, 24 * time.Hour}},
		"200 1s,200 1h":       {{200, time.Second}},
		"200 0s":              {{200, 0}},
	} {
		got, ok := parseTimes(text)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%q: %v\n%s", text, ok, diff)
		}
	}
	for _, text := range []string{"", ",", "200", "200 401", "5", "200 5", "5m 200", "200 5m 6m", "2000 5m", "any 5m", "20 5m", "099 5m", "200 -5m", "200 5m,"} {
		if got, ok := parseTimes(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestLifetime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	times := []CacheTime{{200, time.Minute}, {401, time.Second}}
	for text, want := range map[string]time.Duration{
		"200": time.Minute, "401": time.Second, "403": 0, "500": 0,
		"200 Set-Cookie: a=b":                        0,
		"200 Cache-Control: no-cache":                0,
		"200 Cache-Control: max-age=5, No-Store":     0,
		"200 Cache-Control: private":                 0,
		"200 Cache-Control: max-age=5":               5 * time.Second,
		"200 Cache-Control: max-age=5, s-maxage=7":   7 * time.Second,
		"200 Cache-Control: max-age=0":               0,
		"200 Cache-Control: max-age=x":               0,
		"200 Cache-Control: max-age=99999999999999":  0,
		"200 Cache-Control: max-age=999999":          24 * time.Hour,
		"200 Cache-Control: public":                  time.Minute,
		"403 Cache-Control: max-age=5":               0,
		"200 Expires: Sun, 22 Nov 2026 12:00:09 GMT": 9 * time.Second,
		"200 Expires: Sun, 22 Nov 2026 11:00:00 GMT": -time.Hour,
		"200 Expires: 0":                             0,
		"200 X-Accel-Expires: 3":                     3 * time.Second,
		"200 X-Accel-Expires: 0":                     0,
		"200 X-Accel-Expires: @1795348811":           11 * time.Second,
		"200 Vary: Cookie, authorization":            time.Minute,
		"200 Vary: X-User":                           0,
		"200 Vary: *":                                0,
	} {
		status, field, _ := strings.Cut(text, " ")
		h := http.Header{}
		if name, value, ok := strings.Cut(field, ": "); ok {
			h.Set(name, value)
		}
		code := map[string]int{"200": 200, "401": 401, "403": 403, "500": 500}[status]
		if got := lifetime(times, code, h, now); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// exchange is a request to https://a.test:8443.
func exchange(method, target string) *filter.Exchange {
	x := &filter.Exchange{
		Scheme: "https", ClientText: "192.0.2.1", ForwardedFor: "192.0.2.1", RequestID: "id", Start: time.Now(),
		ForwardedHost: "a.test", ForwardedPort: "443", Conn: &filter.Conn{HTTPS: true},
		Route: &filter.Origin{Namespace: "ns", Ingress: "ing", Host: "a.test", Path: "/"},
	}
	x.Request.Method, x.Request.Host, x.Request.Authority = method, "a.test", "a.test:8443"
	x.Request.Target = target
	x.Request.Path, x.Request.Query, _ = strings.Cut(target, "?")
	return x
}

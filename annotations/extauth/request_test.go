package extauth

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/proxy/ir"
)

func TestWhatTheServiceSees(t *testing.T) {
	s := serve(t, status(200))
	x := exchange("POST", "/p%20q?a=b&c")
	x.Request.Length = 100
	for _, f := range [][2]string{
		{"Host", "a.test:8443"}, {"Cookie", "a=b"}, {"Cookie", "c=d"}, {"Authorization", "Bearer t"}, {"X-Custom", "1"}, {"x-custom", "2"},
		{"Accept", "*/*"}, {"Content-Type", "text/plain"}, {"User-Agent", "client/1"},
		// What belongs to the connection or the body.
		{"Connection", "close, X-Custom"}, {"Content-Length", "100"}, {"Transfer-Encoding", "chunked"}, {"TE", "trailers"}, {"Trailer", "x"},
		{"Expect", "100-continue"}, {"Upgrade", "websocket"}, {"Keep-Alive", "1"}, {"Proxy-Authorization", "Basic x"}, {"Proxy-Connection", "x"},
		// What the proxy says.
		{"X-Original-URL", "http://evil.test/"}, {"x-original-url", "http://evil.test/"}, {"X-Original-Method", "DELETE"}, {"X-Original-URI", "/admin"},
		{"X_Original_URL", "https://evil.test/"}, {"x_real-ip", "10.0.0.1"}, {"X_Sent_From", "me"},
		{"X-Sent-From", "me"}, {"X-Real-IP", "10.0.0.1"}, {"X-Forwarded-For", "10.0.0.1"}, {"X-Forwarded-Proto", "https"},
		{"X-Forwarded-Host", "evil.test"}, {"X-Forwarded-Port", "1"}, {"X-Forwarded-Method", "GET"}, {"X-Forwarded-Uri", "/"}, {"X-Forwarded-User", "admin"},
		{"X-Auth-Request-Redirect", "http://evil.test/"}, {"X-Request-ID", "forged"}, {"X-Scheme", "gopher"}, {"Forwarded", "for=10.0.0.1"},
		{"X-Rewrite-URL", "/admin"}, {"X-Envoy-Original-Path", "/admin"}, {"X-Envoy-Internal", "1"}, {"X-Original-Forwarded-For", "10.0.0.1"},
		{"X-HTTP-Method-Override", "OPTIONS"}, {"X-Method-Override", "OPTIONS"}, {"Proxy", "http://evil.test"}, {"ssl-client-verify", "SUCCESS"},
		// Conditions on what the upstream has.
		{"If-None-Match", "*"}, {"If-Modified-Since", "x"}, {"Range", "bytes=0-"},
	} {
		x.Request.Fields.Add(f[0], f[1])
	}
	if got := run(build(t, newEnv(t), Spec{URL: s.URL + "/check?groups=a"}), x); got != 0 {
		t.Fatalf("%d, want to go on", got)
	}
	r, _ := s.last(t)
	body, _ := io.ReadAll(r.Body)
	if r.Method != "GET" || r.RequestURI != "/check?groups=a" || r.Host != strings.TrimPrefix(s.URL, "http://") || len(body) != 0 || r.ContentLength != 0 {
		t.Errorf("%s %s at %s, %d bytes, length %d", r.Method, r.RequestURI, r.Host, len(body), r.ContentLength)
	}
	want := http.Header{
		"Cookie": {"a=b", "c=d"}, "Authorization": {"Bearer t"}, "X-Custom": {"1", "2"}, "Accept": {"*/*"}, "Content-Type": {"text/plain"},
		"User-Agent": {"client/1"}, "Accept-Encoding": {"gzip"},
		"X-Original-Url": {"https://a.test:8443/p%20q?a=b&c"}, "X-Original-Method": {"POST"}, "X-Sent-From": {"nginx-ingress-controller"},
		"X-Real-Ip": {"192.0.2.1"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Request-Id": {"id"}, "X-Forwarded-Host": {"a.test"},
		"X-Forwarded-Port": {"443"}, "X-Auth-Request-Redirect": {"/p%20q?a=b&c"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
}

func TestMethodAndSetHeaders(t *testing.T) {
	s := serve(t, status(200))
	x := exchange("PUT", "/x?y")
	x.Request.Fields.Add("X-Api-Key", "forged")
	x.Request.Fields.Add("X-Gone", "x")
	x.Request.Path = "/a\r\nb" // %0d%0a, decoded
	spec := Spec{URL: s.URL, Method: "POST", RequestRedirect: "https://$host/back", SetHeaders: []ir.NameValue{
		{Name: "X-Api-Key", Value: "k3y"}, {Name: "x-forwarded-proto", Value: "$pass_access_scheme"}, {Name: "X-Gone", Value: ""},
		{Name: "Host", Value: "auth.test"}, {Name: "X-Copy", Value: "$uri"}, {Name: "X-Real-IP", Value: "hidden"}, {Name: "user-agent", Value: "yett"},
	}}
	if got := run(build(t, newEnv(t), spec), x); got != 0 {
		t.Fatalf("%d, want to go on", got)
	}
	r, _ := s.last(t)
	if r.Method != "POST" || r.Host != "auth.test" {
		t.Errorf("%s at %s", r.Method, r.Host)
	}
	want := http.Header{
		"X-Api-Key": {"k3y"}, "X-Forwarded-Proto": {"https"}, "X-Copy": {"/ab"}, "Content-Length": {"0"},
		"User-Agent": {"yett"}, "Accept-Encoding": {"gzip"},
		"X-Original-Url": {"https://a.test:8443/x?y"}, "X-Original-Method": {"PUT"}, "X-Original-Uri": {"/x?y"}, "X-Scheme": {"https"},
		"X-Sent-From": {"nginx-ingress-controller"}, "X-Real-Ip": {"hidden"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Request-Id": {"id"},
		"X-Auth-Request-Redirect": {"https://a.test/back"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesInTheURL(t *testing.T) {
	s := serve(t, status(200))
	x := exchange("GET", "/%2e%2e/x?y=%zz")
	x.Request.Fields.Add("X-Group", "a b&c")
	f := build(t, newEnv(t), Spec{URL: s.URL + "$location_path$request_uri&m=$request_method&g=$http_x_group&e=$escaped_request_uri"})
	if got := run(f, x); got != 0 {
		t.Fatalf("%d, want to go on", got)
	}
	r, _ := s.last(t)
	if want := "//%2e%2e/x?y=%zz&m=GET&g=a%20b&c&e=%2F%252e%252e%2Fx%3Fy%3D%25zz"; r.RequestURI != want {
		t.Errorf("%s, want %s", r.RequestURI, want)
	}
}

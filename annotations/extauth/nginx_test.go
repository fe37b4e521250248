package extauth

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/nginxtest"
	"github.com/yettproxy/yett/proxy/wire"
)

// location is what ingress-nginx writes for an Ingress with auth-url and auth-response-headers.
const location = `
location = /_auth {
	internal; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header X-Forwarded-Proto "";
	proxy_set_header X-Request-ID $http_x_request_id; proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
	proxy_set_header X-Original-Method $request_method; proxy_set_header X-Sent-From "nginx-ingress-controller";
	proxy_set_header X-Real-IP 192.0.2.1; proxy_set_header X-Forwarded-For 192.0.2.1;
	proxy_set_header X-Auth-Request-Redirect $request_uri; proxy_set_header Host auth.test;
	proxy_pass %[1]s/check?groups=a;
}
location / {
	auth_request /_auth; auth_request_set $auth_cookie $upstream_http_set_cookie; add_header Set-Cookie $auth_cookie;
	auth_request_set $user $upstream_http_x_user; proxy_set_header X-User $user; proxy_set_header Host auth.test;
	proxy_pass %[2]s;
}`

// TestNginxAgrees puts the same requests to nginx's auth_request and to our filter, with the same service behind both.
func TestNginxAgrees(t *testing.T) {
	auth := serve(t, func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.Header.Get("X-Verdict"))
		w.Header().Set("WWW-Authenticate", `Bearer realm="x"`)
		w.Header().Set("Set-Cookie", "session=1")
		if r.Header.Get("X-Anonymous") == "" {
			w.Header().Set("X-User", "anna")
		}
		w.WriteHeader(code)
	})
	backend := serve(t, func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.Header.Get("X-Answer"))
		w.WriteHeader(code)
	})
	server := nginxtest.Start(t, nil, "", fmt.Sprintf(location, auth.URL, backend.URL))
	f := build(t, newEnv(t), Spec{URL: strings.Replace(auth.URL, "127.0.0.1", "localhost", 1) + "/check?groups=a", ResponseHeaders: []string{"X-User"}})
	for _, c := range []struct {
		verdict, answer int
		anonymous       string
	}{
		{200, 200, ""}, {202, 200, ""}, {204, 302, ""}, {299, 200, ""}, {200, 404, ""}, {200, 500, ""}, {200, 201, "yes"},
		{301, 200, ""}, {401, 200, ""}, {403, 200, ""}, {404, 200, ""}, {500, 200, ""}, {503, 200, ""},
	} {
		fields := [][2]string{
			{"User-Agent", "test"}, {"Cookie", "a=b"}, {"Authorization", "Bearer t"}, {"X-Custom", "1"}, {"X-User", "admin"},
			{"X-Request-ID", "id"}, {"X-Original-URL", "forged"}, {"X-Real-IP", "forged"}, {"Accept-Encoding", "br"},
			{"X-Verdict", strconv.Itoa(c.verdict)}, {"X-Answer", strconv.Itoa(c.answer)}, {"X-Anonymous", c.anonymous},
		}
		theirs := viaNginx(t, server.Client, fields)
		theirs.seen, theirs.user = seenBy(t, auth), ""
		if theirs.status == c.answer {
			r, _ := backend.last(t)
			theirs.user = r.Header.Get("X-User")
		}

		x := exchange("POST", "/x%2Fy?q=%20z")
		x.Scheme, x.Request.Authority = "http", "a.test"
		for _, field := range fields {
			if field[1] != "" {
				x.Request.Fields.Add(field[0], field[1])
			}
		}
		ours := outcome{status: run(f, x)}
		if ours.status == 0 {
			ours.status, x.Response.Status = c.answer, c.answer
			ours.user, _ = x.Overrides.Find("X-User")
		}
		f.Response(x)
		ours.challenge, ours.cookie = x.Response.Fields.Value(wire.WWWAuthenticate), x.Response.Fields.Value(wire.SetCookie)
		ours.seen = seenBy(t, auth)
		if diff := cmp.Diff(theirs, ours, cmp.AllowUnexported(outcome{})); diff != "" {
			t.Errorf("the service says %d, the upstream %d: nginx (-) and ours (+):\n%s", c.verdict, c.answer, diff)
		}
	}
}

// outcome is what became of a request.
type outcome struct {
	status            int
	challenge, cookie string
	// user is the X-User that the upstream gets.
	user string
	// seen is what the service was asked.
	seen []string
}

// seenBy returns the last request that a service got, without what cannot be the same.
func seenBy(t *testing.T, s *service) []string {
	r, _ := s.last(t)
	h := r.Header.Clone()
	h.Del("Connection") // nginx closes
	body, _ := io.ReadAll(r.Body)
	list := []string{r.Method + " " + r.RequestURI + " " + string(body)}
	for _, name := range []string{
		"User-Agent", "Cookie", "Authorization", "X-Custom", "X-User", "X-Request-Id", "X-Original-Url", "X-Original-Method",
		"X-Sent-From", "X-Real-Ip", "X-Forwarded-For", "X-Auth-Request-Redirect", "Accept-Encoding", "X-Verdict", "X-Answer", "X-Anonymous",
		"Content-Length", "Content-Type",
	} {
		list = append(list, fmt.Sprint(name, h[name]))
		h.Del(name)
	}
	return append(list, fmt.Sprint("others:", h))
}

// viaNginx sends a request with a body to nginx.
func viaNginx(t *testing.T, client *http.Client, fields [][2]string) outcome {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://a.test/x%2Fy?q=%20z", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if f[1] != "" {
			req.Header.Add(f[0], f[1])
		}
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return outcome{status: res.StatusCode, challenge: res.Header.Get("WWW-Authenticate"), cookie: res.Header.Get("Set-Cookie")}
}

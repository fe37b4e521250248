package mirror

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/nginxtest"
	"github.com/yettproxy/yett/proxy/wire"
)

// location is what ingress-nginx writes for an Ingress with a mirror.
const location = `
location = /_mirror-1 { internal; proxy_set_header Host "%[2]s"; proxy_pass "%[1]s"; }
location / { mirror /_mirror-1; mirror_request_body %[3]s; proxy_pass %[4]s; }`

// TestNginxAgrees puts the same requests to nginx's mirror and to ours, with the same services behind both.
func TestNginxAgrees(t *testing.T) {
	s := newShadow(t, nil)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	t.Cleanup(service.Close)
	for name, tt := range map[string]struct {
		path, method, uri, body, mode string
		// theirs is the URI that nginx asks for where it is another one than ours: that of the sub-request.
		theirs, ours string
	}{
		"a GET":                          {path: "$request_uri", method: "GET", uri: "/x%2fy?q=%20z"},
		"a POST":                         {path: "$request_uri", method: "POST", uri: "/x", body: "hello"},
		"a DELETE with a query":          {path: "/in", method: "DELETE", uri: "/x?a=b&c"},
		"a path of its own, no query":    {path: "/in", method: "PUT", uri: "/x", body: "hello"},
		"a path with variables":          {path: "/in$uri", method: "GET", uri: "/x?a=b", theirs: "/in/_mirror-1", ours: "/in/x"},
		"a path of its own with a query": {path: "/in?a=b", method: "GET", uri: "/x"},
		"only a host":                    {path: "", method: "GET", uri: "/x?a=b", theirs: "/_mirror-1?a=b", ours: "/x?a=b"},
		"a body that is left out of it":  {path: "$request_uri", method: "GET", uri: "/x", mode: "off"},
	} {
		t.Run(name, func(t *testing.T) {
			mode := "on"
			if tt.mode != "" {
				mode = tt.mode
			}
			server := nginxtest.Start(t, nil, "", fmt.Sprintf(location, s.URL+tt.path, "127.0.0.1", mode, service.URL))
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://a.test"+tt.uri, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if req.URL, err = url.Parse("http://a.test" + tt.uri); err != nil {
				t.Fatal(err)
			}
			fields := []string{"Accept: */*", "Cookie: a=b", "Authorization: Bearer t", "X-Custom: 1", "User-Agent: test", "Accept-Encoding: br"}
			for _, f := range fields {
				key, value, _ := strings.Cut(f, ": ")
				req.Header.Add(key, value)
			}
			res, err := server.Client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			theirs := s.next(t)

			m := build(t, newEnv(t), Spec{Target: s.URL + tt.path, WithoutBody: mode == "off"})
			x := exchange(tt.method, tt.uri, int64(len(tt.body)), fields...)
			x.Request.Fields.DelKnown(wire.Host)
			pass(t, m, x, true, tt.body)
			ours := s.next(t)
			if tt.theirs != "" {
				if theirs.RequestURI != tt.theirs || ours.RequestURI != tt.ours {
					t.Errorf("nginx asks for %s, we for %s", theirs.RequestURI, ours.RequestURI)
				}
				return
			}
			if diff := cmp.Diff(told(theirs), told(ours)); diff != "" {
				t.Errorf("nginx (-) and ours (+):\n%s", diff)
			}
		})
	}
}

// told is what a copy tells, less what only ours has.
func told(r *seen) []string {
	h := r.Header.Clone()
	for _, name := range []string{
		"Connection", "X-Request-Id", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
		"X-Forwarded-Scheme", "X-Scheme", "X-Original-Uri",
	} {
		h.Del(name)
	}
	return []string{r.Method, r.RequestURI, r.Host, r.body, fmt.Sprint(h)}
}

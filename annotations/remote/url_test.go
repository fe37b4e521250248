package remote

import (
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
)

func TestGoodURLs(t *testing.T) {
	for _, text := range []string{
		"http://auth.test", "HTTPS://auth.test:8443/check?allowed_groups=a,b", "http://auth.ns.svc.cluster.local/api/authz/auth-request",
		"https://$host/oauth2/auth", "https://${host}:8443/x", "http://$service_name.$namespace.svc:$service_port/", "http://[::1]:80/",
		"http://auth_server/?u=$escaped_request_uri&h=$http_x", "http://10.0.0.1/$request_uri", "http://auth.test/a b",
		"http://auth.test$request_uri", "http://$host:80${uri}?x", "http://auth.test$location_path$arg_x",
	} {
		if err := Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestClientChoosesHost(t *testing.T) {
	for text, want := range map[string]bool{
		"http://auth.test/$host": false, "http://$host/": true, "http://x.${http_host}/": true, "http://$namespace.test/": false,
		"http://$service_name.$best_http_host": true,
	} {
		if got := ClientChoosesHost(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestTargetsGoOutByteByByte(t *testing.T) {
	for text, want := range map[string]string{
		"http://a.test":                   "/",
		"http://a.test?x=1":               "/?x=1",
		"http://a.test/x?":                "/x?",
		"http://a.test/%2e%2e/%zz?%zz&&=": "/%2e%2e/%zz?%zz&&=",
		"http://a.test/a/../b/./c":        "/a/../b/./c",
		"http://a.test/a b\r\nX: y":       "/a%20b%0D%0AX:%20y",
		"http://a.test/ü?ü=\x00":          "/%C3%BC?%C3%BC=%00",
		"http://a.test/x#y?#":             "/x%23y?%23",
		"http://a.test//evil.test/x":      "//evil.test/x",
		"http://a.test//x%2fy?z":          "//x%2fy?z",
		"http://a.test/x?y?z":             "/x?y?z",
		`http://a.test/\evil`:             "/%5Cevil",
	} {
		u, err := Target(text, new(wire.Arena))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := u.RequestURI(); got != want || u.Host != "a.test" {
			t.Errorf("%q: %s at %s, want %s", text, got, u.Host, want)
		}
	}
	for _, text := range []string{"", "a.test", "ftp://a.test/", "http://", "http:///x", "http://a b/", "http://u@a.test/", "http://a.test:x/", "http://a.test//%zz"} {
		if u, err := Target(text, new(wire.Arena)); err == nil {
			t.Errorf("%q: %v", text, u)
		}
	}
}

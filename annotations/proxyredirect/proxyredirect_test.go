package proxyredirect

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestRewriting(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations map[string]string
		want        ir.Policy
		refused     []string
	}{
		"nothing is rewritten by default": {},
		"a prefix is replaced by another": {
			annotations: map[string]string{"proxy-redirect-from": "http://inside:8080/", "proxy-redirect-to": "/app/"},
			want:        ir.Policy{RedirectFrom: "http://inside:8080/", RedirectTo: "/app/"},
		},
		"one of the two alone does nothing": {
			annotations: map[string]string{"proxy-redirect-from": "http://inside/"},
		},
		"default changes nothing": {
			annotations: map[string]string{"proxy-redirect-from": "default", "proxy-redirect-to": "/x"},
		},
		"regular expressions, captures and variables": {
			annotations: map[string]string{"proxy-redirect-from": "~*^http://([^/]+)/(.*)$", "proxy-redirect-to": "$scheme://$host/$1/$2"},
			want:        ir.Policy{RedirectFrom: "~*^http://([^/]+)/(.*)$", RedirectTo: "$scheme://$host/$1/$2"},
		},
		"what does not compile is refused": {
			annotations: map[string]string{
				"proxy-redirect-from": "~(", "proxy-redirect-to": "$nobody", "proxy-cookie-domain": "~( a.test", "proxy-cookie-path": "/ $nobody",
			},
			refused: []string{"proxy-redirect-from", "proxy-redirect-to", "proxy-cookie-domain", "proxy-cookie-path"},
		},
		"several words are no address": {
			annotations: map[string]string{"proxy-redirect-from": "http://a/ http://b/", "proxy-redirect-to": "/a /b"},
			refused:     []string{"proxy-redirect-from", "proxy-redirect-to"},
		},
		"attributes of cookies are pairs": {
			annotations: map[string]string{"proxy-cookie-domain": "inside.test  a.test", "proxy-cookie-path": "/one/ /"},
			want:        ir.Policy{CookieDomain: "inside.test a.test", CookiePath: "/one/ /"},
		},
		"off is off": {
			annotations: map[string]string{"proxy-cookie-domain": "off", "proxy-cookie-path": "off"},
		},
		"what is no pair is refused": {
			annotations: map[string]string{"proxy-cookie-domain": "a.test", "proxy-cookie-path": "/a /b /c"},
			refused:     []string{"proxy-cookie-domain", "proxy-cookie-path"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			p := out.Policy
			got := ir.Policy{RedirectFrom: p.RedirectFrom, RedirectTo: p.RedirectTo, CookieDomain: p.CookieDomain, CookiePath: p.CookiePath}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("refused %v, want %v", out.Refused, tt.refused)
			}
		})
	}
}

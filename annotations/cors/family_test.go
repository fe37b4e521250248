package cors

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

// byDefault is what enable-cors alone asks for.
func byDefault() Spec {
	return Spec{
		Origins: "*", Methods: "GET, PUT, POST, DELETE, PATCH, OPTIONS",
		Headers:     "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
		Credentials: true, MaxAge: 1728000,
	}
}

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations kv
		change      func(*Spec) // nil for no filter
		refused     []string
	}{
		"no key at all":                         {nil, nil, nil},
		"origins without enable-cors":           {kv{"cors-allow-origin": "https://a.test"}, nil, nil},
		"enable-cors that is no bool":           {kv{"enable-cors": "yes"}, nil, []string{"enable-cors"}},
		"enable-cors alone":                     {kv{}, func(s *Spec) {}, nil},
		"our prefix wins":                       {kv{"cors-max-age": "1", feature.YettPrefix + "cors-max-age": "2"}, func(s *Spec) { s.MaxAge = 2 }, nil},
		"origins":                               {kv{"cors-allow-origin": "https://a.test, http://b.test:8080 ,https://*.c.test,null"}, func(s *Spec) { s.Origins = "https://a.test,http://b.test:8080,https://*.c.test,null" }, nil},
		"a star among origins":                  {kv{"cors-allow-origin": "https://a.test,*"}, func(s *Spec) { s.Origins = "*" }, nil},
		"a scheme of one's own":                 {kv{"cors-allow-origin": "moz-extension://abc"}, func(s *Spec) { s.Origins = "moz-extension://abc" }, nil},
		"a bad origin is left out":              {kv{"cors-allow-origin": "https://a.test,b.test"}, func(s *Spec) { s.Origins = "https://a.test" }, []string{"cors-allow-origin"}},
		"no good origin means all":              {kv{"cors-allow-origin": "a.test"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"an origin with a path is bad":          {kv{"cors-allow-origin": "https://a.test/"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"an origin with a star inside is bad":   {kv{"cors-allow-origin": "https://a.*.test"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"an origin with a variable is bad":      {kv{"cors-allow-origin": "$http_origin"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"an origin without port number is bad":  {kv{"cors-allow-origin": "https://a.test:"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"an origin with letters as port is bad": {kv{"cors-allow-origin": "https://a.test:x"}, func(s *Spec) {}, []string{"cors-allow-origin", "cors-allow-origin"}},
		"methods":                               {kv{"cors-allow-methods": "GET,POST"}, func(s *Spec) { s.Methods = "GET,POST" }, nil},
		"bad methods":                           {kv{"cors-allow-methods": "GET;POST"}, func(s *Spec) {}, []string{"cors-allow-methods"}},
		"methods on two lines":                  {kv{"cors-allow-methods": "GET\nPOST"}, func(s *Spec) {}, []string{"cors-allow-methods"}},
		"headers":                               {kv{"cors-allow-headers": "X-A, x_b1"}, func(s *Spec) { s.Headers = "X-A, x_b1" }, nil},
		"bad headers":                           {kv{"cors-allow-headers": "X-A: b"}, func(s *Spec) {}, []string{"cors-allow-headers"}},
		"a star is no allowed header":           {kv{"cors-allow-headers": "*"}, func(s *Spec) {}, []string{"cors-allow-headers"}},
		"exposed headers":                       {kv{"cors-expose-headers": "*, X-A"}, func(s *Spec) { s.Expose = "*, X-A" }, nil},
		"bad exposed headers":                   {kv{"cors-expose-headers": "X-A\r\nX: y"}, func(s *Spec) {}, []string{"cors-expose-headers"}},
		"without credentials":                   {kv{"cors-allow-credentials": "false"}, func(s *Spec) { s.Credentials = false }, nil},
		"bad credentials are true":              {kv{"cors-allow-credentials": "no"}, func(s *Spec) {}, []string{"cors-allow-credentials"}},
		"a maximum age":                         {kv{"cors-max-age": "600"}, func(s *Spec) { s.MaxAge = 600 }, nil},
		"a negative maximum age":                {kv{"cors-max-age": "-1"}, func(s *Spec) { s.MaxAge = -1 }, nil},
		"a bad maximum age":                     {kv{"cors-max-age": "1h"}, func(s *Spec) {}, []string{"cors-max-age"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{"enable-cors": "true"}
			if tt.change == nil {
				annotations = map[string]string{}
			}
			for k, v := range tt.annotations {
				annotations[k] = v
			}
			var want []filter.Spec
			if tt.change != nil {
				s := byDefault()
				tt.change(&s)
				want = append(want, s)
			}
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: annotations})
			if diff := cmp.Diff(want, out.Filters); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	tests := map[string]struct {
		allowed, from string
		want          bool
	}{
		"the same":                              {"https://a.test", "https://a.test", true},
		"case does not count":                   {"https://A.test", "HTTPS://a.Test", true},
		"another scheme":                        {"https://a.test", "http://a.test", false},
		"another port":                          {"https://a.test", "https://a.test:8443", false},
		"the port":                              {"https://a.test:8443", "https://a.test:8443", true},
		"a longer name":                         {"https://a.test", "https://xa.test", false},
		"a name behind it":                      {"https://a.test", "https://a.test.evil.test", false},
		"the allowed one at the end of another": {"https://a.test", "xhttps://a.test", false},
		"the dot is no wildcard":                {"https://a.test", "https://axtest", false},
		"one label":                             {"https://*.a.test", "https://b.a.test", true},
		"one label in another case":             {"https://*.A.test", "https://B.a.TEST", true},
		"no label":                              {"https://*.a.test", "https://a.test", false},
		"an empty label":                        {"https://*.a.test", "https://.a.test", false},
		"two labels":                            {"https://*.a.test", "https://c.b.a.test", false},
		"a label with a user":                   {"https://*.a.test", "https://x@b.a.test", false},
		"a label and a port":                    {"https://*.a.test:81", "https://b.a.test:81", true},
		"a label and another port":              {"https://*.a.test:81", "https://b.a.test:82", false},
		"a label without the port":              {"https://*.a.test:81", "https://b.a.test", false},
		"null":                                  {"null", "null", true},
		"null is not everything":                {"null", "https://a.test", false},
		"the second of two":                     {"https://b.test,https://a.test", "https://a.test", true},
		"none of two":                           {"https://b.test,https://a.test", "https://c.test", false},
		"nothing":                               {"https://a.test", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := byDefault()
			s.Origins = tt.allowed
			x := featuretest.Exchange("GET", "/", "Origin", tt.from)
			x.Response.Status = 200
			featuretest.Build(s, &filter.Env{}).(filter.ResponseFilter).Response(x)
			got, ok := x.Response.Fields.Find(allowOrigin)
			if ok != tt.want || ok && got != tt.from {
				t.Errorf("%s is %q, %v; want %v", allowOrigin, got, ok, tt.want)
			}
		})
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://*.a.test:81", "https://b.a.test:81")
	f.Add("null", "null")
	f.Add("moz-extension://a", "MOZ-extension://A")
	f.Add("https://*.a.test", "https://evil.test/?.a.test")
	f.Fuzz(func(t *testing.T, allowed, from string) {
		o, err := parseOrigin(allowed)
		if err != nil {
			return
		}
		if !o.wildcard && !o.matches(allowed) {
			t.Errorf("origin %q is not itself", allowed)
		}
		// Whatever matches is an origin of the same scheme, with as many labels.
		if allowed == "null" || !o.matches(from) {
			return
		}
		if got, err := parseOrigin(from); err != nil || got.wildcard && from != allowed {
			t.Errorf("origin %q admits %q, which is none", allowed, from)
		}
		if strings.Count(from, ".") != strings.Count(allowed, ".") || strings.Count(from, ":") != strings.Count(allowed, ":") {
			t.Errorf("origin %q admits %q", allowed, from)
		}
	})
}

package redirect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

// acme is the default of no-tls-redirect-locations.
const acme = "/.well-known/acme-challenge"

func TestApplyFilters(t *testing.T) {
	type kv = map[string]string
	byDefault := SSL{Code: 308, Except: acme}
	tests := map[string]struct {
		annotations kv
		configMap   kv
		want        []filter.Spec
		refused     []string
	}{
		"no key at all redirects to https":        {nil, nil, []filter.Spec{byDefault}, nil},
		"ssl-redirect false":                      {kv{"ssl-redirect": "false"}, nil, nil, nil},
		"ssl-redirect false in the ConfigMap":     {nil, kv{"ssl-redirect": "false"}, nil, nil},
		"the Ingress overrides the ConfigMap":     {kv{"ssl-redirect": "true"}, kv{"ssl-redirect": "false"}, []filter.Spec{byDefault}, nil},
		"ssl-redirect that is no bool is true":    {kv{"ssl-redirect": "off"}, nil, []filter.Spec{byDefault}, []string{"ssl-redirect"}},
		"force wins over ssl-redirect false":      {kv{"ssl-redirect": "false", "force-ssl-redirect": "true"}, nil, []filter.Spec{SSL{Force: true, Code: 308, Except: acme}}, nil},
		"our prefix wins":                         {kv{"ssl-redirect": "true", feature.YettPrefix + "ssl-redirect": "false"}, nil, nil, nil},
		"force in the ConfigMap":                  {nil, kv{"force-ssl-redirect": "true"}, []filter.Spec{SSL{Force: true, Code: 308, Except: acme}}, nil},
		"code and exceptions of the ConfigMap":    {nil, kv{"http-redirect-code": "301", "no-tls-redirect-locations": "/a, /b"}, []filter.Spec{SSL{Code: 301, Except: "/a,/b"}}, nil},
		"a code that no redirect has":             {nil, kv{"http-redirect-code": "200"}, []filter.Spec{byDefault}, []string{"http-redirect-code"}},
		"annotations do not set the code":         {kv{"http-redirect-code": "301"}, nil, []filter.Spec{byDefault}, nil},
		"trailing slash and port":                 {kv{"preserve-trailing-slash": "true", "use-port-in-redirects": "true"}, nil, []filter.Spec{SSL{Code: 308, Except: acme, PreserveSlash: true, Port: true}}, nil},
		"trailing slash and port in ConfigMap":    {nil, kv{"preserve-trailing-slash": "true", "use-port-in-redirects": "true"}, []filter.Spec{SSL{Code: 308, Except: acme, PreserveSlash: true, Port: true}}, nil},
		"a permanent redirect":                    {kv{"permanent-redirect": "https://b.test/x?y=1"}, nil, []filter.Spec{byDefault, To{Location: "https://b.test/x?y=1", Code: 301}}, nil},
		"a permanent redirect to a path":          {kv{"permanent-redirect": "/x", "relative-redirects": "true"}, nil, []filter.Spec{byDefault, To{Location: "/x", Code: 301, Relative: true}}, nil},
		"a code of its own":                       {kv{"permanent-redirect": "/x", "permanent-redirect-code": "308"}, nil, []filter.Spec{byDefault, To{Location: "/x", Code: 308}}, nil},
		"a code out of range is 301":              {kv{"permanent-redirect": "/x", "permanent-redirect-code": "309"}, nil, []filter.Spec{byDefault, To{Location: "/x", Code: 301}}, []string{"permanent-redirect-code"}},
		"a code that is no number is 301":         {kv{"permanent-redirect": "/x", "permanent-redirect-code": "x"}, nil, []filter.Spec{byDefault, To{Location: "/x", Code: 301}}, []string{"permanent-redirect-code"}},
		"304 is no redirect":                      {kv{"permanent-redirect": "/x", "permanent-redirect-code": "304"}, nil, []filter.Spec{byDefault, To{Location: "/x", Code: 301}}, []string{"permanent-redirect-code"}},
		"a temporal redirect":                     {kv{"temporal-redirect": "http://b.test"}, nil, []filter.Spec{byDefault, To{Location: "http://b.test", Code: 302}}, nil},
		"temporal wins over permanent":            {kv{"temporal-redirect": "http://b.test", "permanent-redirect": "/x"}, nil, []filter.Spec{byDefault, To{Location: "http://b.test", Code: 302}}, nil},
		"a temporal code of its own":              {kv{"temporal-redirect": "http://b.test", "temporal-redirect-code": "307"}, nil, []filter.Spec{byDefault, To{Location: "http://b.test", Code: 307}}, nil},
		"308 is not temporal":                     {kv{"temporal-redirect": "http://b.test", "temporal-redirect-code": "308"}, nil, []filter.Spec{byDefault, To{Location: "http://b.test", Code: 302}}, []string{"temporal-redirect-code"}},
		"304 is not temporal":                     {kv{"temporal-redirect": "http://b.test", "temporal-redirect-code": "304"}, nil, []filter.Spec{byDefault, To{Location: "http://b.test", Code: 302}}, []string{"temporal-redirect-code"}},
		"a temporal path is left to permanent":    {kv{"temporal-redirect": "/a", "permanent-redirect": "/b"}, nil, []filter.Spec{byDefault, To{Location: "/b", Code: 301}}, []string{"temporal-redirect"}},
		"variables":                               {kv{"permanent-redirect": "https://b.test$request_uri"}, nil, []filter.Spec{byDefault, To{Location: "https://b.test$request_uri", Code: 301}}, nil},
		"an unknown variable is told":             {kv{"permanent-redirect": "https://b.test$nosuch"}, nil, []filter.Spec{byDefault}, []string{"permanent-redirect"}},
		"a line feed is refused":                  {kv{"permanent-redirect": "https://b.test/\nX: y"}, nil, []filter.Spec{byDefault}, []string{"permanent-redirect"}},
		"a space is refused":                      {kv{"permanent-redirect": "https://b.test/a b"}, nil, []filter.Spec{byDefault}, []string{"permanent-redirect"}},
		"text that is not ASCII is refused":       {kv{"temporal-redirect": "https://b.test/ü"}, nil, []filter.Spec{byDefault}, []string{"temporal-redirect"}},
		"the port is written into paths as well":  {kv{"permanent-redirect": "/x", "use-port-in-redirects": "true"}, nil, []filter.Spec{SSL{Code: 308, Except: acme, Port: true}, To{Location: "/x", Code: 301, Port: true}}, nil},
		"relative redirects by the ConfigMap":     {kv{"permanent-redirect": "/x"}, kv{"relative-redirects": "true"}, []filter.Spec{byDefault, To{Location: "/x", Code: 301, Relative: true}}, nil},
		"an empty exception list excepts nothing": {nil, kv{"no-tls-redirect-locations": ","}, []filter.Spec{SSL{Code: 308}}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, ConfigMap: tt.configMap})
			if diff := cmp.Diff(tt.want, out.Filters); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
			if out.Denied {
				t.Error("routes are denied")
			}
		})
	}
}

func TestApplyToHosts(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations kv
		want        feature.HostIntent
		refused     []string
	}{
		"nothing":                           {nil, feature.HostIntent{}, nil},
		"from-to-www-redirect":              {kv{"from-to-www-redirect": "true"}, feature.HostIntent{FromToWWW: true}, nil},
		"from-to-www-redirect that is bad":  {kv{"from-to-www-redirect": "on"}, feature.HostIntent{}, []string{"from-to-www-redirect"}},
		"app-root":                          {kv{"app-root": "/app/"}, feature.HostIntent{AppRoot: "/app/"}, nil},
		"app-root with a query":             {kv{"app-root": "/app?x=1"}, feature.HostIntent{AppRoot: "/app?x=1"}, nil},
		"app-root that is absolute":         {kv{"app-root": "https://b.test/"}, feature.HostIntent{}, []string{"app-root"}},
		"app-root without slash":            {kv{"app-root": "app"}, feature.HostIntent{}, []string{"app-root"}},
		"app-root with a line feed":         {kv{"app-root": "/app\nx"}, feature.HostIntent{}, []string{"app-root"}},
		"app-root with a carriage return":   {kv{"app-root": "/app\rx"}, feature.HostIntent{}, []string{"app-root"}},
		"app-root that is two fields' text": {kv{"app-root": "/app\r\nSet-Cookie: a=b"}, feature.HostIntent{}, []string{"app-root"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if diff := cmp.Diff(tt.want, out.Host); diff != "" {
				t.Errorf("host (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyToPolicy(t *testing.T) {
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{
		"relative-redirects": "true", "use-port-in-redirects": "true",
	}})
	if !out.Policy.RelativeRedirects || !out.Policy.PortInRedirects {
		t.Errorf("policy %+v lacks the shape of redirects", out.Policy)
	}
}

func TestConfigure(t *testing.T) {
	s, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{
		"http-redirect-code": "302", "relative-redirects": "true", "use-port-in-redirects": "true", "no-tls-redirect-locations": "/a,/b",
	}})
	if out.Problems != nil {
		t.Errorf("problems %+v", out.Problems)
	}
	r := s.Redirect
	if r.Code != 302 || !r.Relative || !r.UsePort || cmp.Diff([]string{"/a", "/b"}, r.NoTLS) != "" || r.HTTPSPort != 443 {
		t.Errorf("settings %+v", r)
	}
	s, out = featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"http-redirect-code": "310"}})
	if diff := cmp.Diff([]string{"http-redirect-code"}, out.Refused); diff != "" || s.Redirect.Code != 308 {
		t.Errorf("code %d, refused %q", s.Redirect.Code, out.Refused)
	}
}

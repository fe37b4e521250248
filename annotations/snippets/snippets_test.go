package snippets

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestSnippetsAreReportedByTheirDirectives(t *testing.T) {
	for name, tt := range map[string]struct {
		text            string
		wants, unwanted []string
	}{
		"headers": {
			text:     "more_set_headers \"X-Frame-Options: DENY\";",
			wants:    []string{"never executed", "more_set_headers write custom-headers"},
			unwanted: []string{"guards"},
		},
		"what guards access is named": {
			text:  "if ($host = 'x') {\n  return 403;\n}\nlocation /internal { deny all; }",
			wants: []string{"guards access with return 403, deny", "denylist-source-range"},
		},
		"comments say nothing": {
			text:     "# deny all;\nset $x 1; # allow all;",
			wants:    []string{"never executed"},
			unwanted: []string{"guards", "write"},
		},
		"a directive is named once": {
			text:     "deny 10.0.0.1;\ndeny 10.0.0.2;",
			wants:    []string{"guards access with deny, which"},
			unwanted: []string{"deny, deny"},
		},
		"redirects": {
			text:  "return 301 https://a.test$request_uri;",
			wants: []string{"return write permanent-redirect"},
		},
	} {
		for _, key := range []string{"configuration-snippet", "server-snippet"} {
			t.Run(name+", "+key, func(t *testing.T) {
				out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{key: tt.text}})
				if len(out.Problems) != 1 || out.Problems[0].Key != key || out.Denied {
					t.Fatalf("problems %+v, denied %v", out.Problems, out.Denied)
				}
				reason := out.Problems[0].Reason
				for _, w := range tt.wants {
					if !strings.Contains(reason, w) {
						t.Errorf("%q does not say %q", reason, w)
					}
				}
				for _, u := range tt.unwanted {
					if strings.Contains(reason, u) {
						t.Errorf("%q says %q", reason, u)
					}
				}
			})
		}
	}
}

func TestALongSnippetGivesAShortReport(t *testing.T) {
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{
		"configuration-snippet": strings.Repeat("deny all; add_header A b; rewrite a b; return 301 x; proxy_set_header a b; client_max_body_size 1m;\n", 2000),
	}})
	if n := len(out.Problems[0].Reason) + len(out.Problems[0].Value); n > 1000 {
		t.Errorf("the report is %d bytes long", n)
	}
}

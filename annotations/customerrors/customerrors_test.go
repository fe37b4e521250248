package customerrors

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestCustomErrors(t *testing.T) {
	type kv = map[string]string
	for name, tt := range map[string]struct {
		in      featuretest.Input
		want    string
		refused []string
	}{
		"none":                                {},
		"a list with blanks":                  {in: featuretest.Input{Annotations: kv{"custom-http-errors": "404, 503,,500"}}, want: "404,500,503"},
		"the ConfigMap's holds for all":       {in: featuretest.Input{ConfigMap: kv{"custom-http-errors": "302,404"}}, want: "302,404"},
		"the annotation replaces it":          {in: featuretest.Input{ConfigMap: kv{"custom-http-errors": "404"}, Annotations: kv{"custom-http-errors": "418"}}, want: "418"},
		"an annotation cannot take 302":       {in: featuretest.Input{Annotations: kv{"custom-http-errors": "404,302"}}, refused: []string{"custom-http-errors"}},
		"what is no status is refused":        {in: featuretest.Input{Annotations: kv{"custom-http-errors": "5xx"}}, refused: []string{"custom-http-errors"}},
		"600 is no status":                    {in: featuretest.Input{Annotations: kv{"custom-http-errors": "600"}}, refused: []string{"custom-http-errors"}},
		"the Ingress switches it off":         {in: featuretest.Input{ConfigMap: kv{"custom-http-errors": "404"}, Annotations: kv{"disable-proxy-intercept-errors": "true"}}},
		"the Ingress switches it on again":    {in: featuretest.Input{ConfigMap: kv{"custom-http-errors": "404", "disable-proxy-intercept-errors": "true"}, Annotations: kv{"disable-proxy-intercept-errors": "false"}}, want: "404"},
		"the ConfigMap switches it off":       {in: featuretest.Input{ConfigMap: kv{"custom-http-errors": "404", "disable-proxy-intercept-errors": "true"}}},
		"a bad switch leaves it on, and said": {in: featuretest.Input{Annotations: kv{"custom-http-errors": "404", "disable-proxy-intercept-errors": "maybe"}}, want: "404", refused: []string{"disable-proxy-intercept-errors"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, tt.in)
			if got := out.Errors.String(); got != tt.want || !slices.Equal(out.Refused, tt.refused) || out.Denied {
				t.Errorf("got %q, refused %v, denied %v; want %q, %v", got, out.Refused, out.Denied, tt.want, tt.refused)
			}
		})
	}
}

package mirror

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestKeys(t *testing.T) {
	type kv = map[string]string
	for name, tt := range map[string]struct {
		annotations kv
		want        string
		refused     []string
	}{
		"nothing":                         {},
		"a host and a body without a URL": {annotations: kv{"mirror-host": "a.test", "mirror-request-body": "off"}},
		"the manual's example":            {annotations: kv{"mirror-target": "https://test.env.com$request_uri"}, want: "mirror(https://test.env.com$request_uri)"},
		"everything": {
			annotations: kv{"mirror-target": "http://10.0.0.1:8080/in", "mirror-host": "$host", "mirror-request-body": "off"},
			want:        "mirror(http://10.0.0.1:8080/in, as $host, without body)",
		},
		"the host of the request":      {annotations: kv{"mirror-target": "http://shadow.$host/"}, want: "mirror(http://shadow.$host/)"},
		"a body that is neither":       {annotations: kv{"mirror-target": "http://a.test", "mirror-request-body": "yes"}, want: "mirror(http://a.test)", refused: []string{"mirror-request-body"}},
		"a host that cannot be":        {annotations: kv{"mirror-target": "http://a.test", "mirror-host": "a b"}, want: "mirror(http://a.test)", refused: []string{"mirror-host"}},
		"a host with an odd variable":  {annotations: kv{"mirror-target": "http://a.test", "mirror-host": "$nothing"}, want: "mirror(http://a.test)", refused: []string{"mirror-host"}},
		"no URL":                       {annotations: kv{"mirror-target": "test.env.com"}, refused: []string{"mirror-target"}},
		"another scheme":               {annotations: kv{"mirror-target": "file:///etc/passwd"}, refused: []string{"mirror-target"}},
		"a host that clients choose":   {annotations: kv{"mirror-target": "http://$http_x/"}, refused: []string{"mirror-target"}},
		"a user":                       {annotations: kv{"mirror-target": "http://u:p@a.test/"}, refused: []string{"mirror-target"}},
		"a variable that is not known": {annotations: kv{"mirror-target": "http://a.test/$nothing"}, refused: []string{"mirror-target"}},
		"configuration":                {annotations: kv{"mirror-target": "http://a.test/;}\nserver {"}, refused: []string{"mirror-target"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			got := ""
			for _, f := range out.Filters {
				got += f.String()
			}
			if got != tt.want || !slices.Equal(out.Refused, tt.refused) || out.Denied {
				t.Errorf("%q, refused %v, denied %v", got, out.Refused, out.Denied)
			}
		})
	}
}

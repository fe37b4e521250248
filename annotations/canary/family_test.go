package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations kv
		want        *ir.Canary
		refused     []string
	}{
		"no key at all":                   {kv{}, nil, nil},
		"a canary without rules":          {kv{"canary": "true"}, &ir.Canary{Total: 100}, nil},
		"canary false":                    {kv{"canary": "false"}, nil, nil},
		"canary that is no bool is false": {kv{"canary": "yes"}, nil, []string{"canary"}},
		"rules without canary are told":   {kv{"canary-weight": "10", "canary-by-cookie": "c"}, nil, []string{"canary-weight", "canary-by-cookie"}},
		"rules with canary false are told": {
			kv{"canary": "false", "canary-by-header": "X"}, nil, []string{"canary-by-header"},
		},
		"all rules": {
			kv{"canary": "1", "canary-weight": "20", "canary-weight-total": "200", "canary-by-header": "X-Canary", "canary-by-header-value": "v", "canary-by-header-pattern": "^a+$", "canary-by-cookie": "canary"},
			&ir.Canary{Weight: 20, Total: 200, Header: "X-Canary", HeaderValue: "v", HeaderPattern: "^a+$", Cookie: "canary"}, nil,
		},
		"a weight that is no number counts as 0":    {kv{"canary": "true", "canary-weight": "10%"}, &ir.Canary{Total: 100}, []string{"canary-weight"}},
		"a weight above the total is kept":          {kv{"canary": "true", "canary-weight": "150"}, &ir.Canary{Weight: 150, Total: 100}, nil},
		"a negative weight counts as 0":             {kv{"canary": "true", "canary-weight": "-1"}, &ir.Canary{Total: 100}, []string{"canary-weight"}},
		"a total below 100 counts as 100":           {kv{"canary": "true", "canary-weight-total": "50"}, &ir.Canary{Total: 100}, []string{"canary-weight-total"}},
		"a total that is no number counts as 100":   {kv{"canary": "true", "canary-weight-total": "x"}, &ir.Canary{Total: 100}, []string{"canary-weight-total"}},
		"an underscore in the name means a hyphen":  {kv{"canary": "true", "canary-by-header": "X_Canary"}, &ir.Canary{Total: 100, Header: "X-Canary"}, nil},
		"a header name with a space is ignored":     {kv{"canary": "true", "canary-by-header": "X Y"}, &ir.Canary{Total: 100}, []string{"canary-by-header"}},
		"a header value with a space is ignored":    {kv{"canary": "true", "canary-by-header": "X", "canary-by-header-value": "a b"}, &ir.Canary{Total: 100, Header: "X"}, []string{"canary-by-header-value"}},
		"a cookie name with a semicolon is ignored": {kv{"canary": "true", "canary-by-cookie": "a;b"}, &ir.Canary{Total: 100}, []string{"canary-by-cookie"}},
		"a broken pattern is told and kept":         {kv{"canary": "true", "canary-by-header": "X", "canary-by-header-pattern": "(a"}, &ir.Canary{Total: 100, Header: "X", HeaderPattern: "(a"}, []string{"canary-by-header-pattern"}},
		"a value without header is told":            {kv{"canary": "true", "canary-by-header-value": "v"}, &ir.Canary{Total: 100, HeaderValue: "v"}, []string{"canary-by-header-value"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if diff := cmp.Diff(tt.want, out.Canary); diff != "" {
				t.Errorf("canary (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOurPrefixWins(t *testing.T) {
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{
		feature.NginxPrefix + "canary":        "true",
		feature.NginxPrefix + "canary-weight": "10",
		feature.YettPrefix + "canary-weight":  "30",
	}})
	if out.Canary == nil || out.Canary.Weight != 30 || out.Refused != nil {
		t.Errorf("canary %+v, refused %q", out.Canary, out.Refused)
	}
}

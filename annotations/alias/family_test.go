package alias

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestApply(t *testing.T) {
	const key = "server-alias"
	tests := map[string]struct {
		value   string
		want    []string
		refused []string
	}{
		"nothing":                       {"", nil, nil},
		"one name":                      {"b.test", []string{"b.test"}, nil},
		"names are lower case":          {"B.Test", []string{"b.test"}, nil},
		"sorted, each once":             {"c.test, b.test ,c.test,", []string{"b.test", "c.test"}, nil},
		"a wildcard":                    {"*.B.test", []string{"*.b.test"}, nil},
		"a regular expression":          {`~^www\d+\.b\.test$`, []string{`~^www\d+\.b\.test$`}, nil},
		"an expression keeps its case":  {`~^\D+$`, []string{`~^\D+$`}, nil},
		"a broken expression":           {`~(b,c.test`, []string{"c.test"}, []string{key}},
		"an expression with a quote":    {`~b"`, nil, []string{key}},
		"a wildcard inside":             {"a.*.test", nil, []string{key}},
		"a wildcard alone":              {"*", nil, []string{key}},
		"a wildcard at the end":         {"www.b.*", nil, []string{key}},
		"a dot in front":                {".b.test", nil, []string{key}},
		"a name with a port":            {"b.test:80", nil, []string{key}},
		"a name with a path":            {"b.test/x", nil, []string{key}},
		"a name that is no name at all": {"b test", nil, []string{key}},
		"a name that is too long":       {strings.Repeat("a.", 130) + "b", nil, []string{key}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{key: tt.value}})
			if diff := cmp.Diff(tt.want, out.Host.Aliases); diff != "" {
				t.Errorf("aliases (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOurPrefixWins(t *testing.T) {
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{
		"server-alias": "b.test", feature.YettPrefix + "server-alias": "c.test",
	}})
	if diff := cmp.Diff([]string{"c.test"}, out.Host.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
}

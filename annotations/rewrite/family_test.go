package rewrite

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations kv
		filters     []filter.Spec
		rewrite     string
		regex       bool
		refused     []string
		noted       []string
	}{
		"no key at all":                           {},
		"use-regex alone":                         {annotations: kv{"use-regex": "true"}, regex: true},
		"use-regex that is no bool":               {annotations: kv{"use-regex": "on"}, refused: []string{"use-regex"}},
		"a target":                                {annotations: kv{"rewrite-target": "/$2"}, filters: []filter.Spec{Spec{Target: "/$2"}}, rewrite: "/$2"},
		"our prefix wins":                         {annotations: kv{"rewrite-target": "/a", feature.YettPrefix + "rewrite-target": "/b"}, filters: []filter.Spec{Spec{Target: "/b"}}, rewrite: "/b"},
		"a target that is a capture":              {annotations: kv{"rewrite-target": "$1"}, filters: []filter.Spec{Spec{Target: "$1"}}, rewrite: "$1"},
		"a URL":                                   {annotations: kv{"rewrite-target": "https://b.test/$1"}, filters: []filter.Spec{Spec{Target: "https://b.test/$1"}}, rewrite: "https://b.test/$1"},
		"arguments":                               {annotations: kv{"rewrite-target": "/x?a=$1&b"}, filters: []filter.Spec{Spec{Target: "/x?a=$1&b"}}, rewrite: "/x?a=$1&b"},
		"a variable":                              {annotations: kv{"rewrite-target": "/$host/$1"}, filters: []filter.Spec{Spec{Target: "/$host/$1"}}, rewrite: "/$host/$1"},
		"a variable in braces":                    {annotations: kv{"rewrite-target": "/${host}s"}, filters: []filter.Spec{Spec{Target: "/${host}s"}}, rewrite: "/${host}s"},
		"an unknown variable is ignored":          {annotations: kv{"rewrite-target": "/$nosuch"}, refused: []string{"rewrite-target"}},
		"$0 is no capture":                        {annotations: kv{"rewrite-target": "/$0"}, refused: []string{"rewrite-target"}},
		"a lone dollar is ignored":                {annotations: kv{"rewrite-target": "/a$"}, refused: []string{"rewrite-target"}},
		"an open brace is ignored":                {annotations: kv{"rewrite-target": "/${host"}, refused: []string{"rewrite-target"}},
		"a space is ignored":                      {annotations: kv{"rewrite-target": "/a b"}, refused: []string{"rewrite-target"}},
		"a line feed is ignored":                  {annotations: kv{"rewrite-target": "/a\n/b"}, refused: []string{"rewrite-target"}},
		"text that is not ASCII is ignored":       {annotations: kv{"rewrite-target": "/ü"}, refused: []string{"rewrite-target"}},
		"a prefix":                                {annotations: kv{"rewrite-target": "/", "x-forwarded-prefix": "/p"}, filters: []filter.Spec{Spec{Target: "/", Prefix: "/p"}}, rewrite: "/"},
		"a bad prefix is left out":                {annotations: kv{"rewrite-target": "/", "x-forwarded-prefix": "/p q"}, filters: []filter.Spec{Spec{Target: "/"}}, rewrite: "/", refused: []string{"x-forwarded-prefix"}},
		"a prefix without target is noted":        {annotations: kv{"x-forwarded-prefix": "/p"}, noted: []string{"x-forwarded-prefix"}},
		"a prefix with a bad target is of no use": {annotations: kv{"rewrite-target": "/ /", "x-forwarded-prefix": "/p"}, refused: []string{"rewrite-target"}, noted: []string{"x-forwarded-prefix"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if diff := cmp.Diff(tt.filters, out.Filters); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if out.Rewrite != tt.rewrite || out.Regex != tt.regex {
				t.Errorf("rewrite %q, regex %v; want %q, %v", out.Rewrite, out.Regex, tt.rewrite, tt.regex)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.noted, out.Noted); diff != "" {
				t.Errorf("noted keys (-want +got):\n%s", diff)
			}
		})
	}
}

package affinity

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	const name = "INGRESSCOOKIE"
	tests := map[string]struct {
		annotations kv
		want        ir.Affinity
		refused     []string
	}{
		"no key at all":                {nil, ir.Affinity{}, nil},
		"cookie affinity":              {kv{"affinity": "cookie"}, ir.Affinity{Name: name}, nil},
		"another affinity is none":     {kv{"affinity": "ip", "session-cookie-name": "c"}, ir.Affinity{}, []string{"affinity"}},
		"cookie keys without affinity": {kv{"session-cookie-name": "c", "session-cookie-secure": "x"}, ir.Affinity{}, nil},
		"legacy without affinity":      {kv{"affinity-canary-behavior": "legacy"}, ir.Affinity{Legacy: true}, nil},
		"sticky is the default":        {kv{"affinity": "cookie", "affinity-canary-behavior": "x"}, ir.Affinity{Name: name}, []string{"affinity-canary-behavior"}},
		"everything": {
			kv{
				"affinity": "cookie", "affinity-mode": "persistent", "affinity-canary-behavior": "legacy", "session-cookie-name": "route",
				"session-cookie-path": "/app", "session-cookie-domain": "a.test", "session-cookie-expires": "172800",
				"session-cookie-max-age": "3600", "session-cookie-samesite": "strict", "session-cookie-conditional-samesite-none": "true",
				"session-cookie-secure": "true", "session-cookie-partitioned": "true", "session-cookie-change-on-failure": "true",
			},
			ir.Affinity{
				Name: "route", Persistent: true, Legacy: true, Path: "/app", Domain: "a.test", Expires: "172800", MaxAge: "3600",
				SameSite: "Strict", ConditionalNone: true, Secure: true, Partitioned: true, ChangeOnFailure: true,
			}, nil,
		},
		"our prefix wins":        {kv{"affinity": "cookie", "session-cookie-name": "a", feature.YettPrefix + "session-cookie-name": "b"}, ir.Affinity{Name: "b"}, nil},
		"a bad mode is balanced": {kv{"affinity": "cookie", "affinity-mode": "x"}, ir.Affinity{Name: name}, []string{"affinity-mode"}},
		"a bad name":             {kv{"affinity": "cookie", "session-cookie-name": "a=b;c"}, ir.Affinity{Name: name}, []string{"session-cookie-name"}},
		"a path with attributes": {kv{"affinity": "cookie", "session-cookie-path": "/; Domain=b"}, ir.Affinity{Name: name}, []string{"session-cookie-path"}},
		"a bad domain":           {kv{"affinity": "cookie", "session-cookie-domain": "a b"}, ir.Affinity{Name: name}, []string{"session-cookie-domain"}},
		"expires with a unit":    {kv{"affinity": "cookie", "session-cookie-expires": "1h"}, ir.Affinity{Name: name}, []string{"session-cookie-expires"}},
		"expires that overflows": {kv{"affinity": "cookie", "session-cookie-expires": "99999999999"}, ir.Affinity{Name: name}, []string{"session-cookie-expires"}},
		"a maximum age with sign": {
			kv{"affinity": "cookie", "session-cookie-max-age": "-1"}, ir.Affinity{Name: name, MaxAge: "-1"}, nil,
		},
		"a maximum age that is no number": {kv{"affinity": "cookie", "session-cookie-max-age": "x"}, ir.Affinity{Name: name}, []string{"session-cookie-max-age"}},
		"a bad samesite":                  {kv{"affinity": "cookie", "session-cookie-samesite": "no"}, ir.Affinity{Name: name}, []string{"session-cookie-samesite"}},
		"secure that is no bool":          {kv{"affinity": "cookie", "session-cookie-secure": "on"}, ir.Affinity{Name: name}, []string{"session-cookie-secure"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if diff := cmp.Diff(tt.want, out.Balance.Affinity); diff != "" {
				t.Errorf("affinity (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

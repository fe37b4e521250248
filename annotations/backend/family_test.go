package backend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations, configMap kv
		service                bool
		backend                string
		refused                []string
	}{
		"no key at all":                           {},
		"service-upstream":                        {annotations: kv{"service-upstream": "true"}, service: true},
		"service-upstream by the ConfigMap":       {configMap: kv{"service-upstream": "true"}, service: true},
		"the Ingress wins":                        {annotations: kv{"service-upstream": "false"}, configMap: kv{"service-upstream": "true"}},
		"our prefix wins":                         {annotations: kv{"service-upstream": "true", feature.YettPrefix + "service-upstream": "false"}},
		"service-upstream that is no bool":        {annotations: kv{"service-upstream": "yes"}, refused: []string{"service-upstream"}},
		"a default backend":                       {annotations: kv{"default-backend": "sorry"}, backend: "sorry"},
		"a default backend that does not exist":   {annotations: kv{"default-backend": "nosuch"}, refused: []string{"default-backend"}},
		"a default backend of another namespace":  {annotations: kv{"default-backend": "other"}, refused: []string{"default-backend"}},
		"a default backend with a namespace":      {annotations: kv{"default-backend": "shop/sorry"}, refused: []string{"default-backend"}},
		"a default backend that is no name":       {annotations: kv{"default-backend": "Sorry"}, refused: []string{"default-backend"}},
		"a default backend that is too long":      {annotations: kv{"default-backend": strings.Repeat("a", 64)}, refused: []string{"default-backend"}},
		"a default backend with a hyphen behind":  {annotations: kv{"default-backend": "sorry-"}, refused: []string{"default-backend"}},
		"a default backend with a digit in front": {annotations: kv{"default-backend": "1sorry"}, refused: []string{"default-backend"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{
				Annotations: tt.annotations, ConfigMap: tt.configMap,
				Objects: featuretest.Objects{Services: []string{"shop/sorry", "else/other"}},
			})
			if out.ServiceUpstream != tt.service || out.DefaultBackend != tt.backend {
				t.Errorf("service-upstream %v, default-backend %q; want %v, %q", out.ServiceUpstream, out.DefaultBackend, tt.service, tt.backend)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

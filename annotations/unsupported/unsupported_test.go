package unsupported

import (
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestAFirewallThatRefusesRequestsDenies(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations, configMap map[string]string
		denied                 bool
		problems               int
	}{
		"switched on alone it only writes down": {annotations: map[string]string{"enable-modsecurity": "true"}},
		"rules that refuse, switched on": {
			annotations: map[string]string{"enable-modsecurity": "true", "modsecurity-snippet": "SecRuleEngine On\nSecRule x"}, denied: true, problems: 1,
		},
		"switched on by the ConfigMap": {
			annotations: map[string]string{"modsecurity-snippet": "secruleengine  on"},
			configMap:   map[string]string{"enable-modsecurity": "true"}, denied: true, problems: 1,
		},
		"rules that refuse, switched off": {
			annotations: map[string]string{"modsecurity-snippet": "SecRuleEngine On"}, problems: 1,
		},
		"rules that only write down": {
			annotations: map[string]string{"enable-modsecurity": "true", "modsecurity-snippet": "SecRuleEngine DetectionOnly"}, problems: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, ConfigMap: tt.configMap})
			if out.Denied != tt.denied || len(out.Problems) != tt.problems {
				t.Errorf("denied %v, problems %+v", out.Denied, out.Problems)
			}
		})
	}
}

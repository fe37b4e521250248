package unsupported

import (
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestClientCertificatesDenyTheHost(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations map[string]string
		deny        int
	}{
		"without a Secret nothing is asked of clients": {map[string]string{"auth-tls-verify-client": "on"}, 0},
		"with one the host is closed":                  {map[string]string{"auth-tls-secret": "shop/ca"}, 403},
		"also if certificates are optional":            {map[string]string{"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "optional"}, 403},
		"also if they are not checked":                 {map[string]string{"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "optional_no_ca"}, 403},
		"also if the check is misspelled":              {map[string]string{"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "offf"}, 403},
		"switched off the host is served":              {map[string]string{"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "off"}, 0},
		"an empty Secret counts as none, as in nginx":  {map[string]string{"auth-tls-secret": " "}, 0},
		"the Ingress answers 403 too, not 503":         {map[string]string{"auth-tls-secret": "x"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if out.Host.Deny != tt.deny || out.Deny != tt.deny || out.Intent.DenyReason == "" != (tt.deny == 0) || out.Denied != (tt.deny != 0) {
				t.Errorf("host %d, paths %d, denied %v; want %d", out.Host.Deny, out.Deny, out.Denied, tt.deny)
			}
		})
	}
}

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

package tlssettings

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestTLS(t *testing.T) {
	standard := ir.TLSSettings{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}
	for name, tt := range map[string]struct {
		configMap map[string]string
		want      ir.TLSSettings
		refused   []string
	}{
		"TLS 1.2 and 1.3 are the default": {want: standard},
		"versions are read in any order": {
			configMap: map[string]string{"ssl-protocols": "TLSv1.3 TLSv1 SSLv3"},
			want:      ir.TLSSettings{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS13},
		},
		"ciphers and the refusal of unknown names are read": {
			configMap: map[string]string{"ssl-ciphers": "ECDHE-RSA-AES128-GCM-SHA256:!DES", "ssl-reject-handshake": "true"},
			want: ir.TLSSettings{
				MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, Ciphers: "ECDHE-RSA-AES128-GCM-SHA256:!DES", RejectUnknown: true,
			},
		},
		"ingress-nginx's own list of ciphers is the library's": {
			configMap: map[string]string{"ssl-ciphers": ciphersDefault}, want: standard,
		},
		"what is no version and no list of ciphers is refused": {
			configMap: map[string]string{"ssl-protocols": "TLS1.2", "ssl-ciphers": "a;b"},
			want:      standard, refused: []string{"ssl-protocols", "ssl-ciphers"},
		},
		"only dead versions are no versions": {
			configMap: map[string]string{"ssl-protocols": "SSLv3"}, want: standard, refused: []string{"ssl-protocols"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: tt.configMap})
			if got.TLS != tt.want {
				t.Errorf("%+v, want %+v", got.TLS, tt.want)
			}
			if !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("refused %v, want %v", out.Refused, tt.refused)
			}
		})
	}
}

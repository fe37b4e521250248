package proxyssl

import (
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

// block returns a PEM block of a type; its content is never parsed here.
func block(kind string) string {
	return "-----BEGIN " + kind + "-----\nYQ==\n-----END " + kind + "-----\n"
}

var (
	certificate = block("CERTIFICATE")
	key         = block("EC PRIVATE KEY")
	// secrets are what the tests refer to.
	secrets = map[string]map[string][]byte{
		"shop/full":    {"ca.crt": []byte(certificate), "tls.crt": []byte(certificate), "tls.key": []byte(key)},
		"shop/ca":      {"ca.crt": []byte(certificate)},
		"shop/pair":    {"tls.crt": []byte(certificate), "tls.key": []byte(key)},
		"shop/half":    {"tls.crt": []byte(certificate), "ca.crt": []byte(certificate)},
		"shop/empty":   {},
		"shop/garbage": {"ca.crt": []byte("hello")},
		"shop/swapped": {"tls.crt": []byte(key), "tls.key": []byte(certificate)},
		"other/full":   {"ca.crt": []byte(certificate)},
	}
)

func TestProxySSL(t *testing.T) {
	standard := ir.UpstreamTLS{Depth: 1, Ciphers: "DEFAULT", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	with := func(change func(*ir.UpstreamTLS)) ir.UpstreamTLS {
		t := standard
		change(&t)
		return t
	}
	for name, tt := range map[string]struct {
		annotations map[string]string
		want        ir.UpstreamTLS
		denied      bool
		refused     []string
		noted       []string
	}{
		"nothing is asked of endpoints by default": {},
		"without the Secret all the rest is ignored, and said": {
			annotations: map[string]string{"proxy-ssl-verify": "on", "proxy-ssl-name": "a.test"},
			noted:       []string{"proxy-ssl-verify", "proxy-ssl-name"},
		},
		"the Secret alone shows a client certificate and checks nothing": {
			annotations: map[string]string{"proxy-ssl-secret": "shop/full"},
			want:        with(func(t *ir.UpstreamTLS) { t.CA, t.Certificate, t.Key = certificate, certificate, key }),
		},
		"everything is read": {
			annotations: map[string]string{
				"proxy-ssl-secret": "shop/ca", "proxy-ssl-verify": "on", "proxy-ssl-verify-depth": "3", "proxy-ssl-name": "pods.test",
				"proxy-ssl-server-name": "on", "proxy-ssl-ciphers": "HIGH:!aNULL", "proxy-ssl-protocols": "TLSv1.2 TLSv1.3",
			},
			want: ir.UpstreamTLS{
				CA: certificate, Verify: true, Depth: 3, Name: "pods.test", SendName: true, Ciphers: "HIGH:!aNULL",
				MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
			},
		},
		"a bad ornament is its default": {
			annotations: map[string]string{
				"proxy-ssl-secret": "ca", "proxy-ssl-verify-depth": "deep", "proxy-ssl-name": "$host", "proxy-ssl-server-name": "yes",
				"proxy-ssl-ciphers": "a b", "proxy-ssl-protocols": "TLS", "proxy-ssl-verify": "yes",
			},
			want:    with(func(t *ir.UpstreamTLS) { t.CA = certificate }),
			refused: []string{"proxy-ssl-verify", "proxy-ssl-verify-depth", "proxy-ssl-server-name", "proxy-ssl-name", "proxy-ssl-ciphers", "proxy-ssl-protocols"},
		},
		"without a name nginx's own is checked, and said": {
			annotations: map[string]string{"proxy-ssl-secret": "ca", "proxy-ssl-verify": "on"},
			want:        with(func(t *ir.UpstreamTLS) { t.CA, t.Verify, t.Name = certificate, true, "upstream_balancer" }),
			noted:       []string{"proxy-ssl-secret"},
		},
		"a Secret that is not there denies":                {annotations: map[string]string{"proxy-ssl-secret": "shop/none"}, denied: true},
		"a Secret of another namespace denies":             {annotations: map[string]string{"proxy-ssl-secret": "other/full"}, denied: true},
		"what is no reference denies":                      {annotations: map[string]string{"proxy-ssl-secret": "a/b/c"}, denied: true},
		"a certificate without its key denies":             {annotations: map[string]string{"proxy-ssl-secret": "half"}, denied: true},
		"an empty Secret denies":                           {annotations: map[string]string{"proxy-ssl-secret": "empty"}, denied: true},
		"a CA that is none denies":                         {annotations: map[string]string{"proxy-ssl-secret": "garbage"}, denied: true},
		"a key in the place of the certificate denies":     {annotations: map[string]string{"proxy-ssl-secret": "swapped"}, denied: true},
		"a check without anything to check against denies": {annotations: map[string]string{"proxy-ssl-secret": "pair", "proxy-ssl-verify": "on"}, denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, Objects: featuretest.Objects{Secrets: secrets}})
			if out.Policy.TLS != tt.want {
				t.Errorf("%v, want %v", out.Policy.TLS, tt.want)
			}
			if tt.denied && tt.refused == nil {
				tt.refused = []string{"proxy-ssl-secret"}
			}
			if out.Denied != tt.denied || !slices.Equal(out.Refused, tt.refused) || !slices.Equal(out.Noted, tt.noted) {
				t.Errorf("denied %v, refused %v, noted %v; want %v, %v, %v", out.Denied, out.Refused, out.Noted, tt.denied, tt.refused, tt.noted)
			}
		})
	}
}

func TestProblemsShowNoSecret(t *testing.T) {
	for name := range maps.Keys(secrets) {
		out := featuretest.Apply(&Family, featuretest.Input{
			Annotations: map[string]string{"proxy-ssl-secret": name, "proxy-ssl-verify": "on"},
			Objects:     featuretest.Objects{Secrets: secrets},
		})
		for _, p := range out.Problems {
			if strings.Contains(p.Reason+p.Value, "BEGIN") || strings.Contains(p.Reason, "hello") {
				t.Errorf("%s: problem shows the Secret: %+v", name, p)
			}
		}
	}
}

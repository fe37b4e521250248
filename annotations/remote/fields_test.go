package remote

import (
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
)

func TestFieldsThatOnlyAProxyMaySayDoNotPass(t *testing.T) {
	for name, want := range map[string]bool{
		"Accept": true, "Cookie": true, "Authorization": true, "X-Custom": true, "x_custom": true, "X-Forwarded": true,
		"Connection": false, "Content-Length": false, "Host": false, "Upgrade": false, "X-Real-IP": false, "x_real_ip": false,
		"X-Forwarded-For": false, "x_forwarded_anything": false, "X-ORIGINAL-Method": false, "SSL-Client-Verify": false, "ssl_client_verify": false,
	} {
		if got := Passes(wire.Field{Name: name, ID: wire.Lookup(name)}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

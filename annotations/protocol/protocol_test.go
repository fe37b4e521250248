package protocol

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestProtocol(t *testing.T) {
	for name, tt := range map[string]struct {
		value   string
		want    ir.Protocol
		denied  bool
		refused []string
	}{
		"HTTP is the default":       {},
		"HTTPS in any case":         {value: "https", want: ir.HTTPS},
		"AUTO_HTTP":                 {value: "AUTO_HTTP", want: ir.AutoHTTP},
		"a bad value is HTTP":       {value: "SPDY", refused: []string{"backend-protocol"}},
		"GRPC":                      {value: "GRPC", want: ir.GRPC},
		"GRPCS":                     {value: "grpcs", want: ir.GRPCS},
		"FCGI is denied until then": {value: "FCGI", want: ir.FCGI, denied: true, refused: []string{"backend-protocol"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{"backend-protocol": tt.value}})
			if out.Policy.Protocol != tt.want || out.Denied != tt.denied || !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("%v, denied %v, refused %v; want %v, %v, %v", out.Policy.Protocol, out.Denied, out.Refused, tt.want, tt.denied, tt.refused)
			}
		})
	}
}

func TestHTTPVersion(t *testing.T) {
	for value, want := range map[string]bool{"": false, "1.0": true, "1.1": false, "2": false} {
		out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{"proxy-http-version": value}})
		if out.Policy.HTTP10 != want {
			t.Errorf("proxy-http-version %q: HTTP/1.0 is %v", value, out.Policy.HTTP10)
		}
		if refused := len(out.Refused) > 0; refused != (value == "2") {
			t.Errorf("proxy-http-version %q: refused %v", value, out.Refused)
		}
	}
}

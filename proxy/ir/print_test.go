package ir

import (
	"fmt"
	"strings"
	"testing"
)

func TestPrintingAPolicyShowsNoKey(t *testing.T) {
	p := DefaultPolicy()
	p.TLS = UpstreamTLS{Verify: true, Depth: 2, Name: "a.test", SendName: true, CA: "CA-TEXT", Certificate: "CERT-TEXT", Key: "KEY-TEXT"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, p)
		if strings.Contains(text, "KEY-TEXT") {
			t.Errorf("%s shows the key: %s", verb, text)
		}
		if !strings.Contains(text, "verify=true depth=2 name=a.test sni ca certificate") {
			t.Errorf("%s does not describe the settings: %s", verb, text)
		}
	}
}

package ir

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// String describes the settings in one line. Certificates and the key are only said to be there.
func (t UpstreamTLS) String() string {
	if t == (UpstreamTLS{}) {
		return "tls()"
	}
	parts := []string{fmt.Sprintf("verify=%t depth=%d", t.Verify, t.Depth)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("name", t.Name)
	if t.SendName {
		parts = append(parts, "sni")
	}
	if t.MinVersion != 0 || t.MaxVersion != 0 {
		add("versions", versionName(t.MinVersion)+".."+versionName(t.MaxVersion))
	}
	add("ciphers", t.Ciphers)
	if t.CA != "" {
		parts = append(parts, "ca")
	}
	if t.Certificate != "" {
		parts = append(parts, "certificate")
	}
	return "tls(" + strings.Join(parts, " ") + ")"
}

// GoString keeps %#v from showing the key.
func (t UpstreamTLS) GoString() string { return "ir.UpstreamTLS(" + t.String() + ")" }

// versionName returns a version of TLS in words, "" for 0.
func versionName(v uint16) string {
	if v == 0 {
		return ""
	}
	return tls.VersionName(v)
}

package clientcert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
)

// FuzzName: whatever a name holds, its text can stand in a field, and each CN begins where it is said to.
func FuzzName(f *testing.F) {
	for _, n := range []pkix.Name{
		{}, {CommonName: "alice"}, {CommonName: "Zoë\r\nX: y", Organization: []string{" a", "b ", "#c", `d,+"\<>;`}, Country: []string{"DE"}},
		{CommonName: "x", ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "odd"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: 7}}},
	} {
		der, err := asn1.Marshal(n.ToRDNSequence())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	// CNs of every kind of text: BMPString, UniversalString, T61String, and a SET of two.
	f.Add([]byte("0\x0f1\r0\x0b\x06\x03U\x04\x03\x1e\x04\x00A\x20\xac"))
	f.Add([]byte("0\x0f1\r0\x0b\x06\x03U\x04\x03\x1c\x04\x00\x01\xf6\x00"))
	f.Add([]byte("0\x0d1\v0\t\x06\x03U\x04\x03\x14\x02\xe9\xff"))
	f.Add([]byte("0\x161\x140\b\x06\x03U\x04\x03\x13\x01a0\b\x06\x03U\x04\n\x13\x01b"))
	f.Fuzz(func(t *testing.T, der []byte) {
		n, err := parseName(der)
		if err != nil {
			return
		}
		for i := range len(n.text) {
			if c := n.text[i]; c < ' ' || c >= 0x7f {
				t.Fatalf("byte %#x in %q", c, n.text)
			}
		}
		for _, at := range n.common {
			if !strings.HasPrefix(n.text[at:], "CN=") || at > 0 && n.text[at-1] != ',' && n.text[at-1] != '+' {
				t.Fatalf("no CN at %d of %q", at, n.text)
			}
		}
	})
}

// FuzzBundle: whatever a Secret holds is read or refused.
func FuzzBundle(f *testing.F) {
	f.Add("", "")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
	f.Add(seedCA, seedCRL)
	f.Fuzz(func(t *testing.T, ca, crl string) {
		b, err := newBundle(ca, crl)
		if err == nil && (b.lists == nil) != (crl == "") {
			t.Fatal("a list that was asked for is not looked at")
		}
	})
}

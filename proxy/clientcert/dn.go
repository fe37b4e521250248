package clientcert

// Distinguished names as nginx writes them into $ssl_client_s_dn: RFC 2253 by OpenSSL (X509_NAME_print_ex with
// XN_FLAG_RFC2253). The last part comes first, parts have OpenSSL's short names, and text is UTF-8 with every byte beyond ASCII
// as hex, so that the text can stand in a field.
//
// The surprise: pkix.Name.String is RFC 2253, too, but puts the parts in an order of its own and writes those it does not
// know, emailAddress among them, as hex. Upstreams and match-cn compare the text, so it must be OpenSSL's to the letter.

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// attribute is one part of a name. The names of the types are what encoding/asn1 tells a SET by.
type (
	attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	attributeSET []attribute
)

// shortNames are OpenSSL's names of the types of attributes.
var shortNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory",
	"2.5.4.16": "postalAddress", "2.5.4.17": "postalCode", "2.5.4.20": "telephoneNumber", "2.5.4.41": "name", "2.5.4.42": "GN",
	"2.5.4.43": "initials", "2.5.4.44": "generationQualifier", "2.5.4.45": "x500UniqueIdentifier", "2.5.4.46": "dnQualifier",
	"2.5.4.65": "pseudonym", "2.5.4.72": "role", "2.5.4.97": "organizationIdentifier",
	"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName", "1.2.840.113549.1.9.8": "unstructuredAddress",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
	"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

// commonName is the type of CN.
const commonName = "CN"

// errName is a name that is none. crypto/x509 has parsed it before, so nobody should meet it.
var errName = errors.New("malformed distinguished name")

// name is a distinguished name.
type name struct {
	text string
	// common is where each CN begins in text.
	common []int
}

// parseName reads a distinguished name in DER.
func parseName(der []byte) (name, error) {
	var sets []attributeSET
	if rest, err := asn1.Unmarshal(der, &sets); err != nil || len(rest) > 0 {
		return name{}, fmt.Errorf("read name: %w", errors.Join(errName, err))
	}
	var n name
	var b strings.Builder
	for i := len(sets) - 1; i >= 0; i-- {
		for j := len(sets[i]) - 1; j >= 0; j-- {
			if b.Len() > 0 {
				b.WriteByte(",+"[min(len(sets[i])-1-j, 1)])
			}
			a := &sets[i][j]
			kind, known := shortNames[a.Type.String()]
			if !known {
				kind = a.Type.String()
			}
			if kind == commonName {
				n.common = append(n.common, b.Len())
			}
			b.WriteString(kind)
			b.WriteByte('=')
			if text, ok := textOf(&a.Value); ok && known {
				escapeName(&b, text)
			} else {
				b.WriteByte('#')
				b.WriteString(strings.ToUpper(hex.EncodeToString(a.Value.FullBytes)))
			}
		}
	}
	n.text = b.String()
	return n, nil
}

// textOf returns the text of a value as UTF-8. What is no text is false, and so is UTF-8 that is none.
func textOf(v *asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal || v.IsCompound {
		return "", false
	}
	const tagUniversal, tagVisible = 28, 26
	switch v.Tag {
	case asn1.TagUTF8String:
		return string(v.Bytes), utf8.Valid(v.Bytes)
	case asn1.TagPrintableString, asn1.TagIA5String, asn1.TagT61String, asn1.TagNumericString, tagVisible:
		runes := make([]rune, len(v.Bytes)) // a byte is a character of Latin-1, as in OpenSSL
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
		}
		return string(utf16.Decode(units)), true
	case tagUniversal:
		if len(v.Bytes)%4 != 0 {
			return "", false
		}
		runes := make([]rune, len(v.Bytes)/4)
		for i := range runes {
			c := v.Bytes[4*i:]
			runes[i] = rune(uint32(c[0])<<24 | uint32(c[1])<<16 | uint32(c[2])<<8 | uint32(c[3]))
		}
		return string(runes), true
	}
	return "", false
}

// escapeName appends a value with what RFC 2253 escapes, and everything that is not printable ASCII as hex.
func escapeName(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(b, "\\%02X", c)
		case strings.IndexByte(`,+"\<>;`, c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(s)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
}

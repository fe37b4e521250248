package preamble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// v2 makes a header of version 2.
func v2(command, family byte, payload ...byte) string {
	b := append([]byte(signatureV2), command, family, 0, 0)
	binary.BigEndian.PutUint16(b[14:], uint16(len(payload)))
	return string(append(b, payload...))
}

// four are the addresses of an IPv4 connection, from 192.0.2.7:700 to 198.51.100.1:443.
var four = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0x02, 0xbc, 0x01, 0xbb}

// six are those of an IPv6 connection, from [2001:db8::7]:700 to [2001:db8::1]:443.
func six() []byte {
	b := make([]byte, addresses6)
	copy(b, []byte{0x20, 0x01, 0x0d, 0xb8})
	copy(b[16:], []byte{0x20, 0x01, 0x0d, 0xb8})
	b[15], b[31] = 7, 1
	copy(b[32:], []byte{0x02, 0xbc, 0x01, 0xbb})
	return b
}

func TestParseProxy(t *testing.T) {
	const both4, both6 = "192.0.2.7:700 198.51.100.1:443", "[2001:db8::7]:700 [2001:db8::1]:443"
	const none = "invalid AddrPort invalid AddrPort"
	tlv := []byte{0x04, 0x00, 0x03, 'a', 'b', 'c'}
	for name, tt := range map[string]struct {
		in   string
		want string // addresses, or an error
	}{
		"version 1, IPv4":                            {"PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\n", both4},
		"version 1, IPv6":                            {"PROXY TCP6 2001:db8::7 2001:db8::1 700 443\r\n", both6},
		"version 1, longest there can be":            {"PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n", none},
		"version 1, one byte longer":                 {"PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", ErrProxyTooLong.Error()},
		"version 1, unknown family":                  {"PROXY UNKNOWN\r\n", none},
		"version 1, unknown family with words":       {"PROXY UNKNOWN ff ff 1 2\r\n", none},
		"version 1, IPv4 mapped into IPv6":           {"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 700 443\r\n", both4},
		"version 1, another family":                  {"PROXY UDP4 192.0.2.7 198.51.100.1 700 443\r\n", ErrProxyHeader.Error()},
		"version 1, family and addresses differ":     {"PROXY TCP4 2001:db8::7 2001:db8::1 700 443\r\n", ErrProxyHeader.Error()},
		"version 1, a word is missing":               {"PROXY TCP4 192.0.2.7 198.51.100.1 700\r\n", ErrProxyHeader.Error()},
		"version 1, a word too many":                 {"PROXY TCP4 192.0.2.7 198.51.100.1 700 443 x\r\n", ErrProxyHeader.Error()},
		"version 1, two spaces":                      {"PROXY TCP4  192.0.2.7 198.51.100.1 700 443\r\n", ErrProxyHeader.Error()},
		"version 1, port out of range":               {"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", ErrProxyHeader.Error()},
		"version 1, port with a sign":                {"PROXY TCP4 192.0.2.7 198.51.100.1 +700 443\r\n", ErrProxyHeader.Error()},
		"version 1, port with leading zero":          {"PROXY TCP4 192.0.2.7 198.51.100.1 0700 443\r\n", ErrProxyHeader.Error()},
		"version 1, address with zone":               {"PROXY TCP6 fe80::1%eth0 2001:db8::1 700 443\r\n", ErrProxyHeader.Error()},
		"version 1, bare line feed":                  {"PROXY TCP4 192.0.2.7 198.51.100.1 700 443\n", ErrProxyHeader.Error()},
		"version 1, nothing behind the name":         {"PROXY \r\n", ErrProxyHeader.Error()},
		"version 2, IPv4":                            {v2(commandProxy, stream4, four...), both4},
		"version 2, IPv6":                            {v2(commandProxy, stream6, six()...), both6},
		"version 2, extensions are skipped":          {v2(commandProxy, stream4, append(four[:12:12], tlv...)...), both4},
		"version 2, extensions that make no sense":   {v2(commandProxy, stream4, append(four[:12:12], 0xff, 0xff)...), both4},
		"version 2, local":                           {v2(commandLocal, 0), none},
		"version 2, local with addresses":            {v2(commandLocal, stream4, four...), none},
		"version 2, unspecified family":              {v2(commandProxy, 0), none},
		"version 2, Unix socket":                     {v2(commandProxy, 0x31, make([]byte, 216)...), none},
		"version 2, datagrams":                       {v2(commandProxy, 0x12, four...), none},
		"version 2, addresses cut":                   {v2(commandProxy, stream4, four[:11]...), ErrProxyHeader.Error()},
		"version 2, IPv6 addresses cut":              {v2(commandProxy, stream6, four...), ErrProxyHeader.Error()},
		"version 2, another command":                 {v2(0x22, stream4, four...), ErrProxyHeader.Error()},
		"version 2, another version":                 {v2(0x11, stream4, four...), ErrProxyHeader.Error()},
		"version 2, longest that is taken":           {v2(commandLocal, 0, make([]byte, maxProxyHeader-fixedV2)...), none},
		"version 2, one byte longer":                 {v2(commandLocal, 0, make([]byte, maxProxyHeader-fixedV2+1)...), ErrProxyTooLong.Error()},
		"version 2, 65535 bytes":                     {v2(commandProxy, stream4, make([]byte, 65535)...), ErrProxyTooLong.Error()},
		"a request":                                  {"GET / HTTP/1.1\r\n", ErrNoProxyHeader.Error()},
		"a method that begins alike":                 {"PROXYGET / HTTP/1.1\r\n", ErrNoProxyHeader.Error()},
		"the preface of HTTP/2":                      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ErrNoProxyHeader.Error()},
		"TLS":                                        {"\x16\x03\x01", ErrNoProxyHeader.Error()},
		"a signature that is not quite that of both": {"\r\n\r\n\x00\r\nQUIT\r\n\r\n", ErrNoProxyHeader.Error()},
		"lower case":                                 {"proxy TCP4 192.0.2.7 198.51.100.1 700 443\r\n", ErrNoProxyHeader.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			const rest = "GET / HTTP/1.1\r\n"
			h, n, err := ParseProxy([]byte(tt.in + rest))
			got := fmt.Sprint(h.Source, h.Destination)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			if err != nil {
				return
			}
			if n != len(tt.in) {
				t.Errorf("%d bytes were taken of a header of %d", n, len(tt.in))
			}
			for i := range len(tt.in) {
				if _, n, err := ParseProxy([]byte(tt.in[:i])); n != 0 || err != nil {
					t.Fatalf("the first %d bytes: %d %v, want to wait for more", i, n, err)
				}
			}
		})
	}
}

func TestAppendProxy(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, want string }{
		"IPv4":             {"192.0.2.7:700", "198.51.100.1:443", "PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\n"},
		"IPv6":             {"[2001:db8::7]:700", "[2001:db8::1]:443", "PROXY TCP6 2001:db8::7 2001:db8::1 700 443\r\n"},
		"IPv4 by IPv6":     {"[::ffff:192.0.2.7]:700", "198.51.100.1:443", "PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\n"},
		"one of each":      {"192.0.2.7:700", "[2001:db8::1]:443", "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 700 443\r\n"},
		"with a zone":      {"[fe80::1%eth0]:700", "[2001:db8::1]:443", "PROXY TCP6 fe80::1 2001:db8::1 700 443\r\n"},
		"nothing is known": {"", "", "PROXY UNKNOWN\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			from, _ := netip.ParseAddrPort(tt.from)
			to, _ := netip.ParseAddrPort(tt.to)
			if got := string(AppendProxy(nil, from, to)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzProxyProtocol(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\nGET", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::ffff:1.2.3.4 0 65535\r\n",
		v2(commandProxy, stream4, four...), v2(commandProxy, stream6, six()...), v2(commandLocal, 0), "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseProxy(b)
		if n < 0 || n > len(b) || n > maxProxyHeader || err != nil && !errors.Is(err, ErrProxyHeader) && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		if err != nil || n == 0 {
			return
		}
		// Taken to the byte: what stands behind it does not matter, and a byte less is not enough.
		if again, m, err := ParseProxy(append(bytes.Clone(b[:n]), "\r\nPROXY"...)); again != h || m != n || err != nil {
			t.Fatalf("with something else behind it: %v %d %v, want %v %d", again, m, err, h, n)
		}
		if _, m, err := ParseProxy(b[:n-1]); m != 0 || err != nil {
			t.Fatalf("cut by a byte: %d %v", m, err)
		}
		if h.Source.IsValid() {
			if again, _, err := ParseProxy(AppendProxy(nil, h.Source, h.Destination)); err != nil || again != h {
				t.Fatalf("written and read again: %v %v, want %v", again, err, h)
			}
		}
	})
}

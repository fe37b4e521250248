package preamble

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// oneWay is a connection that gives some bytes and swallows what is written.
type oneWay struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *oneWay) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *oneWay) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *oneWay) Close() error                { return nil }

// hello returns what crypto/tls sends first.
func hello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	c := &oneWay{in: strings.NewReader("")}
	if err := tls.Client(c, config).Handshake(); err == nil {
		t.Fatal("a handshake with nobody succeeded")
	}
	return c.out.Bytes()
}

// errSeen stops the handshake of reference.
var errSeen = errors.New("seen")

// reference returns the name that crypto/tls finds, and whether it takes the hello at all.
func reference(b []byte) (name string, taken bool) {
	config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, taken = h.ServerName, true
		return nil, errSeen
	}}
	_ = tls.Server(&oneWay{in: bytes.NewReader(b)}, config).HandshakeContext(context.Background())
	return name, taken
}

// refragment cuts the records in b into pieces of some size.
func refragment(b []byte, size int) (cut []byte) {
	for len(b) >= recordHead {
		n := int(binary.BigEndian.Uint16(b[3:]))
		body := b[recordHead : recordHead+n]
		for len(body) > 0 {
			m := min(size, len(body))
			cut = append(cut, b[0], b[1], b[2], byte(m>>8), byte(m))
			cut = append(cut, body[:m]...)
			body = body[m:]
		}
		b = b[recordHead+n:]
	}
	return cut
}

func TestParseHello(t *testing.T) {
	named := hello(t, &tls.Config{ServerName: "shop.example.com"})
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"TLS 1.3":                      {named, "shop.example.com"},
		"TLS 1.2":                      {hello(t, &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS12}), "a.test"},
		"with ALPN":                    {hello(t, &tls.Config{ServerName: "a.test", NextProtos: []string{"h2", "http/1.1"}}), "a.test"},
		"no name":                      {hello(t, &tls.Config{InsecureSkipVerify: true}), ""},
		"an address is no name":        {hello(t, &tls.Config{ServerName: "192.0.2.1"}), ""},
		"upper case stays":             {hello(t, &tls.Config{ServerName: "Shop.TEST"}), "Shop.TEST"},
		"records of a byte each":       {refragment(named, 1), "shop.example.com"},
		"records of three bytes":       {refragment(named, 3), "shop.example.com"},
		"a record ends within a name":  {refragment(named, 133), "shop.example.com"},
		"with the next record already": {append(bytes.Clone(named), 20, 3, 3, 0, 1, 1), "shop.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, taken := reference(tt.in); got != tt.want || !taken {
				t.Fatalf("crypto/tls finds %q (%v): the case is wrong", got, taken)
			}
			got, done, err := parseHello(tt.in)
			if got != tt.want || !done || err != nil {
				t.Fatalf("got %q %v %v, want %q", got, done, err, tt.want)
			}
			for i := range len(tt.in) - 6 {
				if _, done, err := parseHello(tt.in[:i]); done || err != nil {
					t.Fatalf("the first %d of %d bytes: %v %v, want to wait for more", i, len(tt.in), done, err)
				}
			}
		})
	}
}

func TestParseHelloRefuses(t *testing.T) {
	named := hello(t, &tls.Config{ServerName: "shop.example.com"})
	change := func(at int, to byte) []byte { b := bytes.Clone(named); b[at] = to; return b }
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"HTTP in cleartext":      {[]byte("GET / HTTP/1.1\r\n"), errNotHello},
		"an alert":               {[]byte{21, 3, 1, 0, 2, 1, 0}, errNotHello},
		"SSL 2":                  {[]byte{0x80, 0x2e, 1, 0, 2}, errNotHello},
		"another message":        {change(5, 2), errNotHello},
		"an empty record":        {[]byte{22, 3, 1, 0, 0, 22, 3, 1}, errNotHello},
		"a record too large":     {[]byte{22, 3, 1, 0x40, 1}, errNotHello},
		"a session out of bound": {change(recordHead+handshakeHead+34, 255), errNotHello},
		"a hello too long":       {change(6, 1), ErrHelloTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			if name, done, err := parseHello(tt.in); !errors.Is(err, tt.want) || done {
				t.Errorf("got %q %v %v, want %v", name, done, err, tt.want)
			}
		})
	}
}

// FuzzClientHello: where crypto/tls finds a name we find the same, whatever the records look like.
func FuzzClientHello(f *testing.F) {
	named := hello(f, &tls.Config{ServerName: "shop.example.com", NextProtos: []string{"h2"}})
	f.Add(named, uint8(0))
	f.Add(named, uint8(1))
	f.Add(hello(f, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}), uint8(7))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		if size > 0 && len(b) >= recordHead && len(b) == recordHead+int(binary.BigEndian.Uint16(b[3:])) {
			b = refragment(b, int(size))
		}
		got, done, err := parseHello(b)
		want, taken := reference(b)
		switch {
		case !taken || len(b) > maxHello:
			// crypto/tls refuses more than we look at, and that is for it, or for the endpoint, to do.
		case len(b) > 0 && b[0] != recordHandshake:
			// It drops warnings ahead of a hello; we leave such a connection to it.
		case want == "" && errors.Is(err, errNotHello):
			// A name that is odd enough for both of us to find none: TLS goes on by itself.
		case !done || err != nil || got != want:
			t.Fatalf("got %q %v %v, crypto/tls finds %q", got, done, err, want)
		}
	})
}

// pair returns two ends of a TCP connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// trickle sends text a byte at a time.
func trickle(w io.Writer, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(w, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(50 * time.Microsecond) // so that the bytes come apart
	}
}

func TestTakeProxyTakesNotAByteMore(t *testing.T) {
	client, server := pair(t)
	go trickle(client, "PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\nPROXY me\r\n")
	h, err := TakeProxy(server, 10*time.Second)
	if err != nil || h.Source.String() != "192.0.2.7:700" || h.Destination.String() != "198.51.100.1:443" {
		t.Fatalf("%v %v", h, err)
	}
	rest := make([]byte, len("PROXY me\r\n"))
	if _, err := io.ReadFull(server, rest); err != nil || string(rest) != "PROXY me\r\n" {
		t.Errorf("behind the header came %q %v", rest, err)
	}
}

func TestPeekNameLeavesEverything(t *testing.T) {
	client, server := pair(t)
	sent := refragment(hello(t, &tls.Config{ServerName: "a.test"}), 50)
	go trickle(client, string(sent))
	if name, err := PeekName(server, 10*time.Second); name != "a.test" || err != nil {
		t.Fatalf("%q %v", name, err)
	}
	rest := make([]byte, len(sent))
	if _, err := io.ReadFull(server, rest); err != nil || !bytes.Equal(rest, sent) {
		t.Errorf("something is missing: %v", err)
	}
}

func TestWaitingHasLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		send string
		take func(net.Conn, time.Duration) error
		want func(error) bool
	}{
		"a header that never ends":    {"PROXY TCP4 ", takeProxy, isTimeout},
		"nothing at all":              {"", takeProxy, isTimeout},
		"a hello that never ends":     {"\x16\x03\x01\x02\x00\x01", peekName, isTimeout},
		"a hello in too many records": {"\x16\x03\x01\x00\x04\x01\x00\x3e\x00" + strings.Repeat("\x16\x03\x01\x00\x01\x00", 4000), peekName, func(err error) bool { return errors.Is(err, ErrHelloTooLong) }},
		"no header":                   {"GET /", takeProxy, func(err error) bool { return errors.Is(err, ErrNoProxyHeader) }},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			if _, err := io.WriteString(client, tt.send); err != nil {
				t.Fatal(err)
			}
			if err := tt.take(server, 50*time.Millisecond); !tt.want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	client, server := pair(t)
	client.Close()
	if err := takeProxy(server, time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("a client that is gone: %v", err)
	}
}

func takeProxy(c net.Conn, limit time.Duration) error { _, err := TakeProxy(c, limit); return err }
func peekName(c net.Conn, limit time.Duration) error  { _, err := PeekName(c, limit); return err }

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

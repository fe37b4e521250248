package listen

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// demand makes a listener demand PROXY headers.
func demand(l *Listener, limit time.Duration, trusted bool) {
	l.Configure(Policy{ProxyProtocol: true, HeaderTimeout: limit, Trusted: func(netip.Addr) bool { return trusted }})
}

const header = "PROXY TCP4 192.0.2.7 198.51.100.1 700 443\r\n"

func TestAHeaderComesAheadOfEverything(t *testing.T) {
	for name, tt := range map[string]struct {
		header  string
		trusted bool
		want    netip.AddrPort
	}{
		"of a trusted peer":                   {header, true, netip.MustParseAddrPort("192.0.2.7:700")},
		"of any other it is read and no more": {header, false, netip.AddrPort{}},
		"that names nobody":                   {"PROXY UNKNOWN\r\n", true, netip.AddrPort{}},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := start(t, nil)
			demand(l, 0, tt.trusted)
			c := dial(t, l)
			io.WriteString(c, tt.header+"hello\n")
			if got := c.receive(); got != "keep" {
				t.Fatalf("http: got %q", got)
			}
			if info := <-s.infos; info.ProxyProtocol != tt.want || info.ProxyProtocolLocal.IsValid() != tt.want.IsValid() {
				t.Errorf("http: client %v at %v, want %v", info.ProxyProtocol, info.ProxyProtocolLocal, tt.want)
			}
			_, https := l.Addresses()
			raw, err := net.Dial("tcp", https[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			io.WriteString(raw, tt.header)
			secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			if err := secure.Handshake(); err != nil {
				t.Fatalf("https: %v", err)
			}
			if info := <-s.infos; info.ProxyProtocol != tt.want || info.TLS == nil {
				t.Errorf("https: client %v, want %v", info.ProxyProtocol, tt.want)
			}
		})
	}
}

func TestWithoutAGoodHeaderNothingIsServed(t *testing.T) {
	for name, send := range map[string]string{
		"none at all":      "hello\n",
		"a malformed one":  "PROXY TCP4 x y 1 2\r\nhello\n",
		"half of one":      "PROXY TCP4 ",
		"one without end":  "PROXY TCP4 192.0.2.7 198.51.100.1 700 443",
		"not even a byte":  "",
		"one of version 3": "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			l, s := start(t, nil)
			demand(l, 100*time.Millisecond, true)
			c := dial(t, l)
			io.WriteString(c, send)
			if got := c.receive(); got != "" {
				t.Errorf("got %q", got)
			}
			if got := l.Stats().HeaderErrors; got != 1 || len(s.infos) != 0 {
				t.Errorf("%d errors counted, %d connections served; want 1 and 0", got, len(s.infos))
			}
		})
	}
}

func TestHeadersAreDemandedFromNowOn(t *testing.T) {
	l, _ := start(t, nil)
	before := dial(t, l)
	before.send("hello")
	before.receive()
	demand(l, 0, true)
	before.send("hello")
	if got := before.receive(); got != "keep" {
		t.Errorf("a connection that was there before: %q", got)
	}
	l.Configure(Policy{})
	after := dial(t, l)
	after.send("hello")
	if got := after.receive(); got != "keep" {
		t.Errorf("switched off again: %q", got)
	}
}

func TestAConnectionThatOwesItsHeaderDoesNotHoldDrainUp(t *testing.T) {
	l, _ := start(t, nil)
	demand(l, 200*time.Millisecond, true)
	dial(t, l)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Drain(ctx, 0); err != nil {
		t.Error(err)
	}
}

// divertTo takes the name "raw.test" and sends back what it reads.
type divertTo struct{ infos chan *filter.Conn }

func (divertTo) Diverts() bool { return true }

func (d divertTo) Divert(_ context.Context, conn net.Conn, info *filter.Conn, name string) bool {
	if name != "raw.test" {
		return false
	}
	d.infos <- info
	info.Watch.Tunnel()
	_, _ = io.CopyN(conn, conn, 5)
	return true
}

func TestDivertedConnectionsAreUnopened(t *testing.T) {
	d := divertTo{make(chan *filter.Conn, 1)}
	l, _ := start(t, func(o *Options) { o.Diverter = d })
	demand(l, 0, true)
	_, https := l.Addresses()
	for name, want := range map[string]string{"raw.test": "\x16\x03\x01", "a.test": "served", "": "served"} {
		raw, err := net.Dial("tcp", https[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		io.WriteString(raw, header)
		first := &firstBytes{Conn: raw}
		err = tls.Client(first, &tls.Config{InsecureSkipVerify: true, ServerName: name}).Handshake()
		if want == "served" {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if got := first.got; len(got) < 3 || got[:3] != want {
			t.Errorf("%q: what came back begins with %q (%v), want the beginning of the hello", name, got, err)
		}
		if info := <-d.infos; info.ProxyProtocol.String() != "192.0.2.7:700" {
			t.Errorf("%q: client %v", name, info.ProxyProtocol)
		}
	}
}

// firstBytes remembers what was read first.
type firstBytes struct {
	net.Conn
	got string
}

func (c *firstBytes) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.got == "" {
		c.got = string(b[:n])
	}
	return n, err
}

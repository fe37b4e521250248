package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// exchangeFrom returns an exchange as an engine would make it.
func exchangeFrom(peer string, tls bool, fields ...string) *filter.Exchange {
	x := &filter.Exchange{Conn: &filter.Conn{
		Peer: netip.MustParseAddrPort(peer), Local: netip.MustParseAddrPort("192.0.2.1:8080"), HTTPS: tls,
	}}
	x.Request.Authority, x.Request.Host = "a.test:8080", "a.test"
	for i := 0; i < len(fields); i += 2 {
		x.Request.Fields.Add(fields[i], fields[i+1])
	}
	return x
}

func TestWhoIsBelieved(t *testing.T) {
	everybody := ir.DefaultSettings().Trust
	forwarded := everybody
	forwarded.UseForwardedHeaders = true
	lan := forwarded
	lan.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	full := lan
	full.ComputeFull = true
	realIP := lan
	realIP.UseForwardedHeaders, realIP.RealIP = false, true
	custom := lan
	custom.ForwardedForHeader = "CF-Connecting-IP"

	type want struct{ client, scheme, host, port, forwardedFor string }
	untouched := want{"10.0.0.9", "http", "a.test:8080", "8080", "10.0.0.9"}
	tests := map[string]struct {
		trust  ir.TrustSettings
		peer   string
		tls    bool
		fields []string
		want   want
	}{
		"nobody, by default": {everybody, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.test", "X-Forwarded-Port", "1"}, untouched},
		"IPv4 in IPv6 is IPv4": {everybody, "[::ffff:10.0.0.9]:1", false, nil, untouched},
		"https by the listener, whatever its port": {everybody, "10.0.0.9:1", true, nil,
			want{"10.0.0.9", "https", "a.test:8080", "443", "10.0.0.9"}},
		"everybody: the first of the list": {forwarded, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6, 7.7.7.7"}, want{"6.6.6.6", "http", "a.test:8080", "8080", "6.6.6.6"}},
		"a proxy of ours: the last that is none of ours": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6, 7.7.7.7, 10.1.1.1"}, want{"7.7.7.7", "http", "a.test:8080", "8080", "7.7.7.7"}},
		"a stranger's word counts for nothing": {lan, "8.8.8.8:1", false,
			[]string{"X-Forwarded-For", "10.0.0.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "b.test"},
			want{"8.8.8.8", "http", "a.test:8080", "8080", "8.8.8.8"}},
		"scheme, host and port of a proxy of ours": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "b.test, c.test"},
			want{"10.0.0.9", "https", "b.test", "443", "10.0.0.9"}},
		"a WebSocket that a proxy of ours took the TLS off": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-Proto", "wss"}, want{"10.0.0.9", "https", "a.test:8080", "443", "10.0.0.9"}},
		"a WebSocket without TLS": {lan, "10.0.0.9:1", false, []string{"X-Forwarded-Proto", "ws"}, untouched},
		"a port of a proxy of ours": {lan, "10.0.0.9:1", false, []string{"X-Forwarded-Port", "8443"},
			want{"10.0.0.9", "http", "a.test:8080", "8443", "10.0.0.9"}},
		"nonsense for a scheme, a port, a host": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-Proto", "gopher", "X-Forwarded-Port", "99999", "X-Forwarded-Host", "a b"}, untouched},
		"text that is no address ends the walk": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6, unknown, 10.1.1.1"}, want{"10.1.1.1", "http", "a.test:8080", "8080", "10.1.1.1"}},
		"addresses with ports": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6:1234"}, want{"6.6.6.6", "http", "a.test:8080", "8080", "6.6.6.6"}},
		"IPv6 with and without brackets": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "[2001:db8::1]:443, [2001:db8::2]"}, want{"2001:db8::2", "http", "a.test:8080", "8080", "2001:db8::2"}},
		"of two fields the last counts": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2"}, want{"2.2.2.2", "http", "a.test:8080", "8080", "2.2.2.2"}},
		"two fields are one list": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "1.1.1.1, 2.2.2.2", "X-Forwarded-For", "10.1.1.1"}, want{"2.2.2.2", "http", "a.test:8080", "8080", "2.2.2.2"}},
		"nonsense in the last field ends the walk": {lan, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "unknown, 10.1.1.1"}, want{"10.1.1.1", "http", "a.test:8080", "8080", "10.1.1.1"}},
		"the whole list of two fields upstream": {full, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2"}, want{"2.2.2.2", "http", "a.test:8080", "8080", "1.1.1.1, 2.2.2.2, 10.0.0.9"}},
		"the whole list of nobody upstream": {full, "10.0.0.9:1", false, nil, want{"10.0.0.9", "http", "a.test:8080", "8080", "10.0.0.9"}},
		"the whole list upstream": {full, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6"}, want{"6.6.6.6", "http", "a.test:8080", "8080", "6.6.6.6, 10.0.0.9"}},
		"only the address": {realIP, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https"}, want{"6.6.6.6", "http", "a.test:8080", "8080", "6.6.6.6"}},
		"a field of another name": {custom, "10.0.0.9:1", false,
			[]string{"X-Forwarded-For", "1.1.1.1", "cf-connecting-ip", "6.6.6.6"}, want{"6.6.6.6", "http", "a.test:8080", "8080", "6.6.6.6"}},
		"an empty list": {lan, "10.0.0.9:1", false, []string{"X-Forwarded-For", " , ,"}, untouched},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x := exchangeFrom(test.peer, test.tls, test.fields...)
			newTrust(test.trust).apply(x)
			got := want{x.ClientText, x.Scheme, x.ForwardedHost, x.ForwardedPort, x.ForwardedFor}
			if got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestWhoIsBelievedBehindAPROXYHeader(t *testing.T) {
	type want struct{ client, scheme, port, forwardedFor, told string }
	on := ir.DefaultSettings().Trust
	on.ProxyProtocol, on.UseForwardedHeaders = true, true
	lan := on
	lan.Proxies, lan.ComputeFull, lan.ProxyHeader = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, true, "X-Client"
	const behind443, behind80 = "192.0.2.1:443", "192.0.2.1:80"
	for name, tt := range map[string]struct {
		trust         ir.TrustSettings
		client, local string
		fields        []string
		want          want
	}{
		"the header counts, not the field": {on, "203.0.113.5:99", behind80, []string{"X-Forwarded-For", "6.6.6.6"},
			want{"203.0.113.5", "http", "8080", "203.0.113.5", ""}},
		"a health check of the load balancer has no client": {on, "", "", []string{"X-Forwarded-For", "6.6.6.6"},
			want{"10.0.0.9", "http", "8080", "10.0.0.9", ""}},
		"TLS ended at the load balancer": {on, "203.0.113.5:99", behind443, nil,
			want{"203.0.113.5", "https", "443", "203.0.113.5", ""}},
		"a client that is no proxy of ours says nothing about its scheme": {lan, "203.0.113.5:99", behind80, []string{"X-Forwarded-Proto", "https"},
			want{"203.0.113.5", "http", "8080", "203.0.113.5", "203.0.113.5"}},
		"a proxy of ours behind the load balancer does": {lan, "10.2.2.2:99", behind80, []string{"X-Forwarded-Proto", "https", "X-Forwarded-For", "6.6.6.6"},
			want{"10.2.2.2", "https", "443", "6.6.6.6, 10.2.2.2", "10.2.2.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := exchangeFrom("10.0.0.9:1", false, tt.fields...)
			x.Conn.ProxyProtocol, _ = netip.ParseAddrPort(tt.client)
			x.Conn.ProxyProtocolLocal, _ = netip.ParseAddrPort(tt.local)
			newTrust(tt.trust).apply(x)
			told, _ := x.Overrides.Find("X-Client")
			if got := (want{x.ClientText, x.Scheme, x.ForwardedPort, x.ForwardedFor, told}); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestRequestIDIsKeptOrMade(t *testing.T) {
	settings := ir.DefaultSettings().Trust
	x := exchangeFrom("10.0.0.9:1", false, "X-Request-ID", "given")
	newTrust(settings).apply(x)
	if x.RequestID != "given" {
		t.Errorf("got %q, want the client's", x.RequestID)
	}
	seen := map[string]bool{}
	for range 100 {
		x := exchangeFrom("10.0.0.9:1", false)
		newTrust(settings).apply(x)
		if len(x.RequestID) != 32 || seen[x.RequestID] {
			t.Fatalf("got %q: want 32 new hex digits", x.RequestID)
		}
		seen[x.RequestID] = true
	}
	for _, odd := range []string{strings.Repeat("a", 129), "a b", `"`, "<script>", "\x1b[31m", "ä"} {
		x := exchangeFrom("10.0.0.9:1", false, "X-Request-ID", odd)
		if newTrust(settings).apply(x); len(x.RequestID) != 32 {
			t.Errorf("%q became %q: want a new one", odd, x.RequestID)
		}
	}
	for _, usual := range []string{"1-67891233-abcdef012345678912345678", "Root=1-67;Self=2", "f058ebd6-02f7-4d3f-942e-904344e8cde5", "YWJj+/=="} {
		x := exchangeFrom("10.0.0.9:1", false, "X-Request-ID", usual)
		if newTrust(settings).apply(x); x.RequestID != usual {
			t.Errorf("%q became %q", usual, x.RequestID)
		}
	}
	settings.GenerateRequestID = false
	x = exchangeFrom("10.0.0.9:1", false)
	if newTrust(settings).apply(x); x.RequestID != "" {
		t.Errorf("got %q although none is to be made", x.RequestID)
	}
}

func TestTrustAllocatesNothing(t *testing.T) {
	settings := ir.DefaultSettings().Trust
	settings.UseForwardedHeaders, settings.ComputeFull = true, true
	trust := newTrust(settings)
	x := exchangeFrom("10.0.0.9:1", false, "X-Forwarded-For", "6.6.6.6, 7.7.7.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "b.test")
	if n := testing.AllocsPerRun(100, func() {
		x.Arena.Reset()
		trust.apply(x)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

package stream

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestLogLines(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 49, 0, 0, time.UTC)
	s := &session{
		info: &filter.Conn{Serial: 42, Peer: netip.MustParseAddrPort("10.0.0.9:5555"), Local: netip.MustParseAddrPort("10.0.0.1:6379"),
			ProxyProtocol: netip.MustParseAddrPort("192.0.2.7:700"), ProxyProtocolLocal: netip.MustParseAddrPort("192.0.2.1:443")},
		stream: ir.Stream{Port: 6379, Upstream: tcpKey}, serverName: "a\"\nb", start: now.Add(-1500 * time.Millisecond), status: 200,
		connect: 3 * time.Millisecond, received: 10, sent: 20,
	}
	for format, want := range map[string]string{
		"": "[192.0.2.7] [22/Nov/2026:12:49:00 +0000] TCP 200 20 10 1.500",
		"$remote_addr:${remote_port} $realip_remote_addr:$realip_remote_port": "192.0.2.7:700 10.0.0.9:5555",
		"$server_addr:$server_port $proxy_protocol_server_port":               "10.0.0.1:6379 443",
		"$upstream_addr $upstream_connect_time $proxy_upstream_name":          "- 0.003 db-redis-6379",
		"$ssl_preread_server_name":                                            `a\x22\x0Ab`,
		"$CONNECTION no variables":                                            "42 no variables",
		"$time_iso8601 $msec":                                                 "2026-11-22T12:49:00+00:00 1795351740.000",
	} {
		f, err := compileLog(format)
		if err != nil {
			t.Errorf("%q: %v", format, err)
			continue
		}
		if got := string(f.line(s, now)); got != want+"\n" {
			t.Errorf("%q: got %q, want %q", format, got, want)
		}
	}
	for format, want := range map[string]string{
		"$": "without the name", "a ${": "without the name", "${}": "without the name", "$request": `unknown variable "$request"`,
		strings.Repeat("x", maxLogFormat+1): "longer than",
	} {
		if err := CheckLogFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", format, err, want)
		}
	}
}

func FuzzLogFormat(f *testing.F) {
	f.Add(defaultLogFormat)
	f.Add("${remote_addr}$")
	f.Fuzz(func(t *testing.T, text string) {
		format, err := compileLog(text)
		if err == nil && len(format.literals) != len(format.variables)+1 {
			t.Fatalf("%d literals, %d variables", len(format.literals), len(format.variables))
		}
	})
}

package proxy

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/access"
	"github.com/yettproxy/yett/annotations/ratelimit"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// rawServer answers each head with the same bytes and allocates nothing while it does.
func rawServer(t testing.TB, answer string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, n, out := make([]byte, 16<<10), 0, []byte(answer)
				for {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						n = 0
						if _, err := c.Write(out); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// gate starts a proxy that sends a.test to a backend, guarded by the filters of a usual route. change, if there is one, changes
// the policy.
func gate(t testing.TB, backend netip.AddrPort, change func(*ir.Policy)) (*Proxy, string) {
	t.Helper()
	p, err := New(Options{HTTP: []string{"127.0.0.1:0"}, Metrics: observe.NewMetrics(observe.Options{}), Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	key := upstream.Key{Namespace: "default", Service: "a", Port: "80"}
	policy, settings := ir.DefaultPolicy(), ir.DefaultSettings()
	settings.Limits.RequestsPerConnection = 1 << 30
	if change != nil {
		change(&policy)
	}
	p.Registry().Upstream(key).Publish([]upstream.Spec{{Address: upstream.Address{AddrPort: backend}}})
	if problems := p.Apply(&ir.Config{
		Settings: settings, Upstreams: []ir.Upstream{{Key: key}},
		Hosts: []ir.VirtualHost{{Name: "a.test", Routes: []ir.Route{{
			Path: "/", Origin: filter.Origin{Namespace: "default", Ingress: "i", Service: "a", ServicePort: "80", Host: "a.test", Path: "/"},
			Backend: ir.Backend{Upstream: key}, Policy: policy, AccessLog: true,
			Filters: []filter.Spec{
				access.Spec{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
				ratelimit.Requests{PerSecond: 1 << 20, Multiplier: 5, Status: 503},
			},
		}}}},
	}); len(problems) > 0 {
		t.Fatal(problems)
	}
	p.Start()
	t.Cleanup(func() {
		if err := p.Drain(t.Context(), 0); err != nil && !strings.Contains(err.Error(), "cut") {
			t.Error(err)
		}
	})
	plain, _ := p.Addresses()
	return p, plain[0].String()
}

// TestAnExchangeAllocatesNothing counts every allocation of the process while requests go through the whole
// proxy, from the socket to the socket, with filters, metrics and access log.
func TestAnExchangeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget, and so allocates")
	}
	backend := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	_, addr := gate(t, backend, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /x?y=z HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\n\r\n")
	buf := make([]byte, 16<<10)
	ask := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte("hello")); {
			m, err := c.Read(buf[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
	}
	for range 200 {
		ask()
	}
	if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200")) {
		t.Fatalf("got %.60q", buf)
	}
	best := allocations(ask)
	t.Logf("%.4f allocations a request", best)
	if best > 0.02 {
		t.Errorf("%.3f allocations a request, want 0", best)
	}
}

// allocations counts those of the whole process for each call of ask.
func allocations(ask func()) float64 {
	const requests = 2000
	var before, after runtime.MemStats
	best := 1e9
	for range 5 { // tickers and the log's writer allocate now and then: the best of some rounds counts
		runtime.ReadMemStats(&before)
		for range requests {
			ask()
		}
		runtime.ReadMemStats(&after)
		best = min(best, float64(after.Mallocs-before.Mallocs)/requests)
		time.Sleep(time.Millisecond)
	}
	return best
}

package http1

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wiretest"
)

func TestIdleConnectionsAreCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("memory is not what it is under the race detector")
	}
	const n = 500
	for _, overTLS := range []bool{false, true} {
		name, bar := "plain", 10<<10
		if overTLS {
			name, bar = "TLS", 25<<10
		}
		t.Run(name, func(t *testing.T) {
			srv := &Server{Handler: constant{}}
			clients := make([]net.Conn, n)
			servers := make([]net.Conn, n)
			states := make([]tls.ConnectionState, n)
			for i := range n {
				clients[i], servers[i] = tcpPair(t)
			}
			before := memory()
			for i := range n {
				if overTLS {
					c, s := tlsPair(t, clients[i], servers[i])
					states[i] = s.ConnectionState()
					clients[i], servers[i] = c, s
				}
			}
			if overTLS { // both ends are in this process: count half of what they hold
				before += (memory() - before) / 2
			}
			for i := range n {
				go srv.Serve(t.Context(), servers[i], &filter.Conn{})
			}
			for i := range n {
				c := wiretest.NewClient(t, clients[i])
				c.Send(browserHead)
				c.Must("GET", 200)
				c.Raw().Reset(nil)
			}
			each := int(memory()-before) / n
			t.Logf("an idle connection costs %d bytes", each)
			if each > bar {
				t.Errorf("an idle connection costs %d bytes, want at most %d", each, bar)
			}
		})
	}
}

// memory returns the bytes in use by heap and stacks.
func memory() uint64 {
	for range 4 { // stacks shrink by half with each collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

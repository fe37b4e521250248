package http1

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// TestHeadsThatComeInPieces sends heads of several lengths, each cut into two and three with pauses in between, one after the other on one
// connection.
func TestHeadsThatComeInPieces(t *testing.T) {
	r := newRig(t)
	c := wiretest.Dial(t, r.addr)
	asked := 0
	for _, n := range []int{10, 1000, begunSize - 100, begunSize, begunSize + 100, 8000} {
		head := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a.test\r\nX-A: %s\r\n\r\n", n, strings.Repeat("a", n))
		for _, cuts := range [][]int{{1}, {10}, {len(head) / 2}, {len(head) - 1}, {3, len(head) - 3}, {len(head) / 3, len(head) * 2 / 3}} {
			from := 0
			for _, at := range cuts {
				c.Send(head[from:at])
				time.Sleep(5 * time.Millisecond) // long enough for it to be read alone, which makes no difference to the outcome
				from = at
			}
			c.Send(head[from:])
			c.Must("GET", 200)
			asked++
			last := r.requests()[asked-1]
			if v, _ := last.get("X-A"); !strings.HasPrefix(last.line(), fmt.Sprintf("GET /%d ", n)) || v != strings.Repeat("a", n) {
				t.Fatalf("head of %d cut at %v: got %s with X-A of %d bytes", n, cuts, last.line(), len(v))
			}
		}
	}
}

// TestHeadsThatHaveBegunAreCheap is S-F7: who says a byte now and then holds little more than what was said.
func TestHeadsThatHaveBegunAreCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("memory is not what it is under the race detector")
	}
	const n, bar = 300, 12 << 10
	srv := &Server{Handler: constant{}}
	clients, servers := make([]net.Conn, n), make([]net.Conn, n)
	for i := range n {
		clients[i], servers[i] = tcpPair(t)
	}
	before := memory()
	for i := range n {
		go srv.Serve(t.Context(), servers[i], &filter.Conn{})
	}
	for _, piece := range []string{"GET / HTTP/1.1\r\nHo", "st: a.test\r\nX-A: ", strings.Repeat("a", 500)} {
		for i := range n {
			if _, err := clients[i].Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	each := int(memory()-before) / n
	t.Logf("a head that has begun costs %d bytes", each)
	if each > bar {
		t.Errorf("a head that has begun costs %d bytes, want at most %d", each, bar)
	}
	for i := range n { // they are served all the same
		c := wiretest.NewClient(t, clients[i])
		c.Send("\r\n\r\n")
		c.Must("GET", 200)
	}
}
